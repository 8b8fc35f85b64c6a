import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { systemErrorCode } from '../../config/failures.js';
import { projectDir } from '../../config/project-dir.js';
import { mountPoint, tempFolder } from './trees.js';
import { waitFor } from './wait-for.js';

/** The FUSE binding that the imitation is written with; pure Python. */
const binding = 'mfusepy==3.1.1';

let python: { program: string | undefined } | undefined;

/** Python with the binding, in a virtual environment of the project; undefined where FUSE or Python is missing. */
export function fusePython(): string | undefined {
  return (python ??= { program: findPython() }).program;
}

function findPython(): string | undefined {
  if (!existsSync('/dev/fuse') || spawnSync('fusermount3', ['--version']).status !== 0) return undefined;
  const version = spawnSync('python3', ['--version'], { encoding: 'utf8' }).stdout?.trim();
  const home = path.join(projectDir, 'node_modules', '.tapeflow', `${binding} for ${version}`);
  const program = path.join(home, 'bin', 'python');
  if (spawnSync(program, ['-c', 'import mfusepy']).status === 0) return program;
  // Test files run side by side: each makes one of its own, and the first that is whole is everybody's.
  const own = `${home}-${process.pid}`;
  const isMade =
    spawnSync('python3', ['-m', 'venv', own]).status === 0 &&
    spawnSync(path.join(own, 'bin', 'python'), ['-m', 'pip', 'install', '-q', binding]).status === 0;
  try {
    if (isMade) renameSync(own, home);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOTEMPTY' && systemErrorCode(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
  return spawnSync(program, ['-c', 'import mfusepy']).status === 0 ? program : undefined;
}

/** A cartridge and its drive: an imitation of LTFS that forgets, when killed, what no index sync has covered. */
export class FakeLtfs {
  /** The cartridge that the next `load` takes. */
  store: string;
  readonly mount: string;
  private process: ChildProcess | undefined;

  private constructor(
    private readonly program: string,
    t: TestContext,
    private readonly capacity: number,
  ) {
    // First of all: what waits for a drive that hangs cannot be ended, nor its folder be taken away.
    t.after(() => {
      this.faults({});
      this.goOn();
    });
    this.mount = mountPoint(t);
    this.store = tempFolder(t);
    t.after(() => this.process?.kill('SIGKILL'));
  }

  /** Undefined, and the test skipped, where FUSE is not to be had. CI sets TAPEFLOW_REQUIRE_FUSE, and fails instead. */
  static async make(t: TestContext, capacity = 1_000_000_000): Promise<FakeLtfs | undefined> {
    const program = fusePython();
    if (program === undefined) {
      if (process.env['TAPEFLOW_REQUIRE_FUSE'] === '1')
        throw new Error('this machine has no FUSE, python3-venv or PyPI');
      t.skip('needs FUSE 3, Python with venv, and PyPI');
      return undefined;
    }
    const ltfs = new FakeLtfs(program, t, capacity);
    await ltfs.load();
    return ltfs;
  }

  /** @param fold names that differ in case or normal form only are one. */
  async load({ readOnly = false, fold = false } = {}): Promise<void> {
    mkdirSync(this.store, { recursive: true });
    const script = path.join(projectDir, 'test', 'support', 'fake-ltfs.py');
    const args = [script, '--store', this.store, '--mount', this.mount, '--capacity', String(this.capacity)];
    if (readOnly) args.push('--read-only');
    if (fold) args.push('--fold');
    const child = spawn(this.program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.process = child;
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    await waitFor(() => {
      if (child.exitCode !== null) throw new Error(`the imitation of LTFS ended: ${said}`);
      return said.includes('ready');
    }, 'the imitation of LTFS');
  }

  /** SIGKILL to the ltfs process: the mount is dead, and everything since the last index sync is gone. */
  async kill(): Promise<void> {
    const child = this.process;
    if (child === undefined) return;
    const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGKILL');
    await exit;
  }

  /** SIGSTOP to the ltfs process: the drive hangs, and answers nothing until `goOn`. */
  hang(): void {
    this.process?.kill('SIGSTOP');
  }

  /**
   * As `hang`, in the middle of an operation such as `write`, which is to come: one that the process has read, so that
   * not even SIGKILL ends whoever asked for it.
   */
  async hangIn(operation: string): Promise<void> {
    this.faults({ [operation]: { hold: true } });
    await waitFor(() => existsSync(path.join(this.store, 'held')), `the ${operation} to be held`);
    this.hang();
  }

  goOn(): void {
    this.process?.kill('SIGCONT');
  }

  /** A clean unmount: the index is written. */
  async eject(): Promise<void> {
    const child = this.process;
    const exit = new Promise<void>((resolve) => child?.once('exit', () => resolve()));
    execFileSync('umount', [this.mount]);
    await exit;
  }

  /** Takes the mount away, after a `kill` or as a person who does not wait. */
  unmount(): void {
    execFileSync('umount', ['-l', this.mount]);
  }

  /** What the drive does wrong from now on; see fake-ltfs.py. */
  faults(faults: Record<string, unknown>): void {
    writeFileSync(path.join(this.store, 'faults.json'), JSON.stringify(faults));
  }

  /** Names of the operations that changed the tape, in order. */
  operations(): { op: string; path: string; error?: string }[] {
    return readFileSync(path.join(this.store, 'ops.log'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { op: string; path: string; error?: string });
  }
}
