import { readFileSync, readdirSync } from 'node:fs';
import { access } from 'node:fs/promises';
import os from 'node:os';
import type { Worker } from 'node:worker_threads';

/**
 * By how much threads that compress or walk are nicer than the main thread, however nice that is: against one that
 * wants a processor as well they get a third of it.
 */
const nicer = 5;

/**
 * Makes libuv's pool, on which everything is compressed, give way to the rest of this machine: to the drive's process,
 * to the server, and to this process's own main thread, which hands the drive its next archive. Linux only, where each
 * thread has a niceness of its own (sched(7)); elsewhere, and where the system refuses, all stays as it is.
 *
 * To be called before the SDK's runtime makes its threads.
 */
export async function lowerPool(): Promise<void> {
  if (process.platform !== 'linux') return;
  // The pool is made at its first use.
  await access('/proc');
  for (const thread of threads()) if (thread !== process.pid) lower(thread);
}

/** Does the same to each thread of JavaScript that is begun from now on: those that pack and those that scan. */
export function lowerNewThreads(): void {
  if (process.platform !== 'linux') return;
  const known = new Set(threads());
  const name = nameOf(process.pid);
  process.on('worker', (worker: Worker) => {
    worker.once('online', () => {
      for (const thread of threads()) {
        // The SDK's own carry other names.
        if (!known.has(thread) && nameOf(thread) === name) lower(thread);
        known.add(thread);
      }
    });
  });
}

function threads(): number[] {
  return readdirSync('/proc/self/task').map(Number);
}

/** Empty for one that has ended. */
function nameOf(thread: number): string {
  try {
    return readFileSync(`/proc/self/task/${thread}/comm`, 'utf8');
  } catch {
    return '';
  }
}

function lower(thread: number): void {
  try {
    os.setPriority(thread, Math.min(os.constants.priority.PRIORITY_LOW, os.getPriority(process.pid) + nicer));
  } catch {
    // It has ended, or the system does not allow it: a matter of speed only.
  }
}
