import { readFileSync, readdirSync } from 'node:fs';
import { access } from 'node:fs/promises';
import os from 'node:os';
import type { Worker } from 'node:worker_threads';

/**
 * How much nicer threads that compress or walk are than the main thread: against a competing normal thread they get a
 * third of a processor.
 */
const nicer = 5;

/**
 * Lowers the priority of libuv's pool, which does the compression, below the rest of the machine: the drive's process,
 * the server, and this process's main thread, which hands the drive its next archive. Linux only, where each thread has
 * its own niceness (sched(7)); elsewhere, and when the system refuses, nothing changes.
 *
 * Call it before the SDK's runtime creates its threads.
 */
export async function lowerPoolPriority(): Promise<void> {
  if (process.platform !== 'linux') return;
  // The pool is created at first use.
  await access('/proc');
  for (const thread of threads()) if (thread !== process.pid) lower(thread);
}

/** Does the same for each JavaScript thread started from now on: those that pack and scan. */
export function lowerThreadPriority(): void {
  if (process.platform !== 'linux') return;
  const known = new Set(threads());
  const name = nameOf(process.pid);
  process.on('worker', (worker: Worker) => {
    worker.once('online', () => {
      for (const thread of threads()) {
        // The SDK's own threads have other names.
        if (!known.has(thread) && nameOf(thread) === name) lower(thread);
        known.add(thread);
      }
    });
  });
}

function threads(): number[] {
  return readdirSync('/proc/self/task').map(Number);
}

/** Empty for a thread that has ended. */
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
    // It has ended, or the system does not allow it; this only affects speed.
  }
}
