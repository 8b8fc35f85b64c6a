import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectDir } from '../config/project-dir.js';
import { fusePython } from '../test/support/fake-ltfs.js';

/** Bytes that the drive takes ahead of the tape; a real one has 256 MB to 1 GB. */
const bufferBytes = 32_000_000;

export interface SlowTape {
  mount: string;
  /** A clean unmount. */
  eject(): Promise<void>;
}

/**
 * Mounts the tests' imitation of LTFS, which takes so many bytes in a second and no more: a drive. Undefined, with a
 * line that says so, where FUSE is not to be had.
 *
 * @param folder new, and on a disk that is faster than the drive.
 */
export async function mountSlowTape(folder: string, bytesPerSecond: number): Promise<SlowTape | undefined> {
  const program = fusePython();
  if (program === undefined) {
    console.log('No FUSE here, or no Python with venv and PyPI: the throttled drive is left out.');
    return undefined;
  }
  const [store, mount] = [path.join(folder, 'store'), path.join(folder, 'mount')];
  for (const made of [store, mount]) mkdirSync(made, { recursive: true });
  const script = path.join(projectDir, 'test', 'support', 'fake-ltfs.py');
  const speed = ['--speed', String(bytesPerSecond), '--buffer', String(bufferBytes)];
  const args = [script, '--store', store, '--mount', mount, ...speed];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  while (!said.includes('ready')) {
    if (child.exitCode !== null) throw new Error('the throttled drive could not be mounted');
    await sleep(20);
  }
  return {
    mount,
    async eject() {
      execFileSync('umount', [mount]);
      await ended;
    },
  };
}
