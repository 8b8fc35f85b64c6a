import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { buildPreload } from './fault-shim.js';
import { tempFolder } from './trees.js';

/** EIO of Linux. */
const eio = 5;
/** `HOLD` of io-faults.c. */
const hold = -1;

/** Errors of the device, switched on and off while our processes run: a small library that is loaded into them. */
export class IoFaults {
  /** For the environment of the processes that meet them. */
  readonly env: Record<string, string>;

  private constructor(
    private readonly list: string,
    library: string,
  ) {
    this.env = { LD_PRELOAD: library, IO_FAULTS: list };
  }

  /** Undefined, and the test skipped, where there is no C compiler. */
  static make(t: TestContext): IoFaults | undefined {
    const built = buildPreload('io-faults');
    if ('missing' in built) {
      t.skip(built.missing);
      return undefined;
    }
    const faults = new IoFaults(path.join(tempFolder(t), 'faults'), built.library);
    faults.none();
    return faults;
  }

  /** From now on the call fails on every file whose path contains the text. */
  fail(call: 'fsync' | 'read', part: string, errno = eio): void {
    writeFileSync(this.list, `${call} ${part} ${errno}\n`);
  }

  /** From now on the call waits on every such file, its thread alone, until `none` or another fault is asked for. */
  hold(call: 'fsync' | 'read', ...parts: readonly string[]): void {
    writeFileSync(this.list, parts.map((part) => `${call} ${part} ${hold}\n`).join(''));
  }

  none(): void {
    writeFileSync(this.list, '');
  }
}
