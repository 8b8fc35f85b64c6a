import { parentPort, workerData } from 'node:worker_threads';
import { fencedBy } from '../catalog/sqlite/fence.js';
import { openCatalog } from '../catalog/open-catalog.js';
import { toErrorData } from '../config/thread-errors.js';
import { ThreadWatch } from '../disk/thread-watch.js';
import { requireNotGivenUp } from './given-up.js';
import { arraysOf, writeBatch, type ScanBatch } from '../catalog/files/write-batch.js';
import type { WriteJob, WriteMessage } from './write-in-thread.js';

const job = workerData as WriteJob;
const watch = new ThreadWatch(job.watch);
const fence = fencedBy(() => requireNotGivenUp(watch));
const catalog = (await openCatalog(job.catalogFile)).withPlugin(fence);
let last = Promise.resolve();
/** After a failure nothing more is written: the scan's cursor would skip what is missing. */
let failure: WriteMessage | undefined;

async function write(batch: ScanBatch): Promise<void> {
  if (failure === undefined) {
    try {
      await writeBatch(catalog, batch);
      const answer: WriteMessage = { written: batch.files };
      parentPort?.postMessage(answer, arraysOf(batch.files));
      return;
    } catch (error) {
      failure = { failed: toErrorData(error) };
    }
  }
  parentPort?.postMessage(failure);
}

parentPort?.on('message', (batch: ScanBatch) => {
  last = last.then(() => write(batch));
});
