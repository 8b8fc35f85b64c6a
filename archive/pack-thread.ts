import { parentPort } from 'node:worker_threads';
import { shareWith } from '../config/shared-group.js';
import { sideOf, sided } from '../config/sides.js';
import { Packer, type PackOutcome } from './pack.js';
import type { KeptMember, PlannedMember, SkippedMember } from './member.js';
import { decodePlanned, encodePacked } from './member-message.js';
import type { PackCommand, PackJob, PackReport } from './pack-in-thread.js';
import { threadCommands } from './thread-commands.js';

/** Milliseconds between two reports of progress. */
const reportEveryMs = 200;
/** Entries of one step: what is reported and listed together. */
const stepEntries = 250;
/** With fewer entries than these at hand the next page is taken in, so that files of both can be read ahead. */
const lowEntries = 1000;

const port = parentPort;
if (port === null) throw new Error('pack-thread.js runs as a worker thread only');
const report = (message: PackReport, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
const nextCommand = threadCommands<PackCommand>(port);

/** Asks for the next page, which is made meanwhile. */
function ask(): Promise<PackCommand> {
  report({ ready: true });
  return nextCommand();
}

async function pack(job: PackJob): Promise<PackOutcome> {
  const stop = new Int32Array(job.stopFlag);
  shareWith(job.sharedGroup);
  const packer = await Packer.open(job, () => Atomics.load(stop, 0) === 1);
  const timer = setInterval(() => report({ progress: { ...packer.progress } }), reportEveryMs);
  try {
    let waiting: (PlannedMember | KeptMember)[] = [];
    let end: SkippedMember[] | undefined;
    let command = ask();
    for (;;) {
      while (end === undefined && waiting.length < lowEntries) {
        const next = await command;
        if ('job' in next) throw new Error('a job in the middle of another');
        if ('skipped' in next) end = next.skipped;
        else {
          const page = decodePlanned(next.page);
          packer.expect(page);
          waiting = [...waiting, ...page];
          command = ask();
        }
      }
      if (end !== undefined && waiting.length === 0) return await packer.finish(end);
      const batch = encodePacked(await packer.add(waiting.splice(0, stepEntries)));
      report({ batch }, [batch.numbers.buffer as ArrayBuffer]);
      // Lets the timer and finished compressions run; the work between is synchronous.
      await new Promise((resolve) => setImmediate(resolve));
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
    // The thread writes its output, which says so, and reads sources.
    const met = sided('source', error);
    const { message, code, path, syscall, stack } = met as NodeJS.ErrnoException;
    report({ failed: { message, code, path, syscall, stack, side: sideOf(met) } });
  }
}
