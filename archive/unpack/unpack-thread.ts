import { parentPort, workerData } from 'node:worker_threads';
import { toErrorData } from '../../config/thread-errors.js';
import { ArchiveDamaged } from '../readers/archive-file.js';
import { Unpacker, type ArchiveInfo } from './unpack.js';
import type { Unpacked } from './unpack-options.js';
import type { UnpackCommand, UnpackReport, UnpackThreadData } from './unpack-in-thread.js';
import { threadCommands } from '../thread-commands.js';

/** Milliseconds between two reports of progress. */
const reportEveryMs = 200;
/** Members per step, reported together. */
const stepMembers = 1000;

const port = parentPort;
if (port === null) throw new Error('unpack-thread.js runs as a worker thread only');
const report = (message: UnpackReport) => port.postMessage(message);
const nextCommand = threadCommands<UnpackCommand>(port);

/** True for a member that was restored, of which nothing is to be said. */
function isPlain({ outcome, reason, unset, damaged, salvaged }: Unpacked): boolean {
  if (reason !== undefined || unset !== undefined) return false;
  return outcome === 'restored' && damaged !== true && salvaged !== true;
}

async function unpack(options: UnpackThreadData): Promise<ArchiveInfo> {
  const stop = new Int32Array(options.stopFlag);
  const unpacker = await Unpacker.open(options, () => Atomics.load(stop, 0) === 1);
  const timer = setInterval(() => report({ bytes: unpacker.bytes }), reportEveryMs);
  try {
    report({ ready: true });
    for (;;) {
      const command = await nextCommand();
      if ('end' in command) return await unpacker.archiveInfo();
      // The next page is fetched while this one is processed.
      report({ ready: true });
      for (let at = 0; at < command.page.length; at += stepMembers) {
        const taken = await unpacker.take(command.page.slice(at, at + stepMembers));
        const others = taken.filter((member) => !isPlain(member));
        report({ batch: { restored: taken.length - others.length, others } });
        // Lets timers run; the work in between is mostly synchronous.
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  } finally {
    clearInterval(timer);
    report({ bytes: unpacker.bytes });
    unpacker.close();
  }
}

try {
  report({ done: await unpack(workerData as UnpackThreadData) });
} catch (error) {
  report({ failed: { ...toErrorData(error), damaged: error instanceof ArchiveDamaged } });
}
port.close();
