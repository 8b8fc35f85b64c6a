import { spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';

/** Milliseconds between two looks whether a group has ended. */
const lookMs = 200;
/** Milliseconds that a command has to end after SIGTERM, before SIGKILL. */
const graceMs = 5000;
/** What is there for so many milliseconds more was killed, and is a zombie or hangs in a system call. */
const givenUpMs = 30_000;

/** Waits for a line; then this process becomes the command, with the rest as its input. */
const gate = 'IFS= read -r go || exit 127; exec "$@"';

export type HookChild = ChildProcessByStdio<Writable, Readable, Readable>;

/**
 * Starts a process in a group of its own that waits at a gate, and becomes the command when a line comes on its input:
 * so that its id can be written down before. If who started it dies until then, its input ends, and it runs nothing.
 */
export function gatedProcess(command: readonly string[], env: Record<string, string | undefined>): HookChild {
  const child = spawn('/bin/sh', ['-c', gate, 'tapeflow-hook', ...command], {
    ...{ env, cwd: '/', detached: true },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // It need not read what it is told, and may have ended.
  child.stdin.on('error', () => undefined);
  return child;
}

/** When a process began, in words of its system; undefined: none of that id is at work. */
export function startOf(pid: number): string | undefined {
  if (process.platform !== 'linux') {
    const { stdout, status } = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
    return status === 0 && stdout.trim() !== '' ? stdout.trim() : undefined;
  }
  try {
    // Behind the name, which may have any characters: the state, the third field, and the start, the 22nd.
    const [, rest = ''] = /.*\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'latin1')) ?? [];
    const fields = rest.split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Sends a signal to all processes of a group; false: there are none. */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Ends a group of processes: SIGTERM, and SIGKILL for what is there a while later. Returns when nothing is left. */
export async function endGroup(pid: number): Promise<void> {
  signalGroup(pid, 'SIGTERM');
  for (let waited = 0; waited < givenUpMs && signalGroup(pid, 0); waited += lookMs) {
    if (waited >= graceMs) signalGroup(pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}
