import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { projectDir } from '../../config/project-dir.js';

/** What the shim does at the operation that it is armed for; `KILL_…` and so on in fault-shim.c. */
const actions = { killBefore: 1, killAfter: 2, freeze: 3, fail: 4, shorten: 5 };

/** Where to strike, and how. */
export interface Strike {
  action: keyof typeof actions;
  /** Name of the operation; a glob. Any when left out. */
  operation?: string;
  /** Path of the file or folder, for a rename the new one; a glob (`fnmatch(3)`: `*` matches slashes too). */
  path?: string;
  /** The how manieth such operation since the process was armed, once; 0: every one. */
  at: number;
  /** Process ids to kill; -1 is the process itself. */
  pids?: readonly number[];
  /** What `fail` fails with, such as `ENOSPC`. */
  error?: keyof typeof os.constants.errno;
}

export interface Operation {
  number: number;
  pid: number;
  name: string;
  path: string;
}

/** Offsets of `struct control` in fault-shim.c. */
const offsets = { at: 16, struck: 24, when: 32, action: 40, error: 44, pids: 48, operation: 112, path: 144 };
const controlBytes = 1024;
const maxPids = 16;

/** The compiled shim; a sentence that says what is missing where it cannot be made. */
export const buildShim = () => buildPreload('fault-shim');

/**
 * A library of `test/support/NAME.c` that is loaded into our own processes, compiled once for each version of its
 * source; a sentence that says what is missing where it cannot be.
 */
export function buildPreload(name: string): { library: string } | { missing: string } {
  if (process.platform !== 'linux') return { missing: 'needs Linux' };
  const source = path.join(projectDir, 'test', 'support', `${name}.c`);
  const key = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16);
  const folder = path.join(projectDir, 'node_modules', '.tapeflow');
  const library = path.join(folder, `${name}-${key}.so`);
  if (existsSync(library)) return { library };
  mkdirSync(folder, { recursive: true });
  const made = `${library}.${process.pid}`;
  const { error, status, stderr } = spawnSync(
    'cc',
    ['-O2', '-Wall', '-fPIC', '-shared', '-o', made, source],
    { encoding: 'utf8' },
  );
  if (error !== undefined) return { missing: 'needs a C compiler (cc)' };
  if (status !== 0) return { missing: `cc could not compile ${source}: ${stderr}` };
  renameSync(made, library);
  return { library };
}

/** One control of the shim, for one process or for several that count together. May be armed while they run. */
export class FaultShim {
  /** Environment of the processes that carry the shim. */
  readonly env: Record<string, string>;
  private readonly controlFile: string;
  private readonly traceFile: string;

  constructor(
    library: string,
    /** Folder for its files, and their name. */
    folder: string,
    name: string,
    watched: { folders: readonly string[]; commits: string },
  ) {
    this.controlFile = path.join(folder, `${name}.control`);
    this.traceFile = path.join(folder, `${name}.trace`);
    writeFileSync(this.controlFile, Buffer.alloc(controlBytes));
    writeFileSync(this.traceFile, '');
    this.env = {
      LD_PRELOAD: library,
      UV_USE_IO_URING: '0',
      FAULT_FOLDERS: watched.folders.join(':'),
      FAULT_COMMITS: watched.commits,
      FAULT_CONTROL: this.controlFile,
      FAULT_TRACE: this.traceFile,
    };
  }

  /** Counts from 0 again, with an empty trace, and strikes when told so; undefined: at nothing. */
  arm(strike: Strike | undefined): void {
    const block = Buffer.alloc(controlBytes);
    if (strike !== undefined) {
      block.writeBigUInt64LE(BigInt(strike.at), offsets.at);
      if (strike.error !== undefined)
        block.writeUInt32LE(os.constants.errno[strike.error] ?? 0, offsets.error);
      for (const [index, pid] of (strike.pids ?? []).slice(0, maxPids).entries())
        block.writeInt32LE(pid, offsets.pids + 4 * index);
      block.write(strike.operation ?? '*', offsets.operation);
      block.write(strike.path ?? '*', offsets.path);
    }
    const file = openSync(this.controlFile, 'r+');
    writeSync(file, block, 0, controlBytes, 0);
    truncateSync(this.traceFile);
    // Last: from now on the process acts on it.
    block.writeUInt32LE(strike === undefined ? 0 : actions[strike.action], offsets.action);
    writeSync(file, block, offsets.action, 4, offsets.action);
    closeSync(file);
  }

  /** Strikes no more; what it has done stays counted. */
  disarm(): void {
    const file = openSync(this.controlFile, 'r+');
    writeSync(file, Buffer.alloc(4), 0, 4, offsets.action);
    closeSync(file);
  }

  /** How often it has struck since it was armed, and when last, in milliseconds since 1970. */
  struck(): { times: number; when: number } {
    const block = Buffer.alloc(controlBytes);
    const file = openSync(this.controlFile, 'r');
    readSync(file, block, 0, controlBytes, 0);
    closeSync(file);
    return {
      times: Number(block.readBigUInt64LE(offsets.struck)),
      when: Number(block.readBigInt64LE(offsets.when)),
    };
  }

  /** The operations since it was armed, in order. */
  operations(): Operation[] {
    const found: Operation[] = [];
    for (const line of readFileSync(this.traceFile, 'utf8').split('\n')) {
      const match = /^(\d+) (\d+) (\w+) (.*)$/.exec(line);
      if (match === null) continue;
      const [, number = '', pid = '', name = '', file = ''] = match;
      found.push({ number: Number(number), pid: Number(pid), name, path: file });
    }
    return found.sort((a, b) => a.number - b.number);
  }
}
