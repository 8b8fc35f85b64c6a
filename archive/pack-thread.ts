import { parentPort } from 'node:worker_threads';
import { Packer, type PackOutcome } from './pack.js';
import type { KeptMember, PlannedMember } from './member.js';
import type { PackCommand, PackJob, PackReport, PackedBatch } from './pack-in-thread.js';
import { threadCommands } from './thread-commands.js';

/** Milliseconds between two reports of progress. */
const reportEveryMs = 200;
/** Entries of one step: what is reported and listed together. */
const stepEntries = 250;

const port = parentPort;
if (port === null) throw new Error('pack-thread.js runs as a worker thread only');
const report = (message: PackReport) => port.postMessage(message);
const nextCommand = threadCommands<PackCommand>(port);

async function pack(job: PackJob): Promise<PackOutcome> {
  const stop = new Int32Array(job.stopFlag);
  const packer = await Packer.open(job, () => Atomics.load(stop, 0) === 1);
  const timer = setInterval(() => report({ progress: { ...packer.progress } }), reportEveryMs);
  try {
    for (;;) {
      report({ ready: true });
      const command = await nextCommand();
      if ('skipped' in command) return await packer.finish(command.skipped);
      if (!('page' in command)) throw new Error('a job in the middle of another');
      const page = JSON.parse(command.page) as (PlannedMember | KeptMember)[];
      for (let at = 0; at < page.length; at += stepEntries) {
        const batch: PackedBatch = await packer.add(page.slice(at, at + stepEntries));
        report({ batch: JSON.stringify(batch) });
        // Lets the timer and finished compressions run; the work between is synchronous.
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  } finally {
    clearInterval(timer);
    await packer.abandon();
  }
}

// One job after the other; the thread lives as long as its process, since starting one costs more than a small group.
for (;;) {
  const command = await nextCommand();
  // What was on its way to a job that has failed meanwhile.
  if (!('job' in command)) continue;
  try {
    report({ done: await pack(command.job) });
  } catch (error) {
    const { message, code, path, syscall, stack } = error as NodeJS.ErrnoException;
    report({ failed: { message, code, path, syscall, stack } });
  }
}
