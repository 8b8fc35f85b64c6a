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
    execFileSync('mount', ['--bind', tape, this.path]);
    if (options.readOnly) execFileSync('mount', ['-o', 'remount,bind,ro', this.path]);
  }
  unload(): void {
    execFileSync('umount', ['-l', this.path]);
  }
  swap(tape: string, options?: { readOnly: boolean }): void {
    this.unload();
    this.load(tape, options);
  }
}
