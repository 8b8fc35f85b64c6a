import { execFileSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { mountPoint } from './trees.js';

/** A drive of kind `directory` in which small file systems are the tapes. */
export class TapeDrive {
  readonly path: string;
  constructor(private readonly t: TestContext) {
    this.path = mountPoint(t);
  }
  newTape(size = '6m'): string {
    const mount = mountPoint(this.t);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', mount]);
    return mount;
  }
  load(tape: string, options: { readOnly: boolean } = { readOnly: false }): void {
    execFileSync('mount', ['--bind', options.readOnly ? this.protectedWay(tape) : tape, this.path]);
  }
  /**
   * A second way to a tape by which nothing can be written. It is made elsewhere, so that the tape is protected from
   * the moment on at which it is in the drive: a set may look at any time, and would take it for one to write to.
   */
  private protectedWay(tape: string): string {
    const way = mountPoint(this.t);
    execFileSync('mount', ['--bind', tape, way]);
    execFileSync('mount', ['-o', 'remount,bind,ro', way]);
    return way;
  }
  unload(): void {
    execFileSync('umount', ['-l', this.path]);
  }
  swap(tape: string, options?: { readOnly: boolean }): void {
    this.unload();
    this.load(tape, options);
  }
}
