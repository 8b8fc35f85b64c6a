import { parentPort } from 'node:worker_threads';
import { setSharedGroup } from '../../config/shared-group.js';
import { withSide } from '../../config/sides.js';
import { toErrorData } from '../../config/thread-errors.js';
import { ThreadWatch } from '../../disk/thread-watch.js';
import { Packer } from './pack.js';
import type { PackCommand, PackJob, PackReport } from './pack-in-thread.js';
import type { PackOutcome } from './pack-options.js';
import { threadCommands } from '../thread-commands.js';

/** Milliseconds between two reports of progress. */
const reportEveryMs = 200;
/** Entries per step, reported and listed together. */
const stepEntries = 250;

const port = parentPort;
if (port === null) throw new Error('pack-thread.js runs as a worker thread only');
const report = (message: PackReport) => port.postMessage(message);
const nextCommand = threadCommands<PackCommand>(port);

/** Requests the next page, which is prepared meanwhile. */
function ask(): Promise<PackCommand> {
  report({ ready: true });
  return nextCommand();
}

async function pack(job: PackJob): Promise<PackOutcome> {
  const watch = new ThreadWatch(job.watch);
  setSharedGroup(job.sharedGroup);
  const packer = await Packer.open(job, () => watch.order !== 'go on', watch);
  const timer = setInterval(() => report({ progress: { ...packer.progress } }), reportEveryMs);
  try {
    let command = ask();
    for (;;) {
      const next = await command;
      if ('job' in next) throw new Error('a job in the middle of another');
      if ('skipped' in next) return await packer.finish(next.skipped);
      const { page } = next;
      command = ask();
      for (let at = 0; at < page.length; at += stepEntries) {
        report({ batch: await packer.add(page.slice(at, at + stepEntries)) });
        // Lets timers and finished compressions run; the work in between is synchronous.
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  } finally {
    clearInterval(timer);
    await packer.abandon();
  }
}

// One job after another; the thread lives as long as its process, since starting one costs more than packing a small
// group.
for (;;) {
  const command = await nextCommand();
  // A message for a job that has failed meanwhile.
  if (!('job' in command)) continue;
  try {
    report({ done: await pack(command.job) });
  } catch (error) {
    // The thread reads sources and writes its output; output errors already have a side.
    report({ failed: toErrorData(withSide('source', error)) });
  }
}
