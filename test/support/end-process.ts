import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** SIGKILL to a process that a test has started, and waits for its end; nothing for one that has ended. */
export async function killAndWait(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
