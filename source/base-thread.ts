import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { openCatalog } from '../catalog/open-catalog.js';
import { ComparedRows } from '../catalog/sets/compared-rows.js';
import { toErrorData } from '../config/thread-errors.js';
import { packPage } from './base-pages.js';
import { pagesAhead, type BaseJob, type BaseMessage } from './read-base-in-thread.js';

const { catalogFile, setId, after } = workerData as BaseJob;
const port = parentPort;
const post = (message: BaseMessage, arrays: readonly ArrayBuffer[] = []) =>
  port?.postMessage(message, arrays);
/** Pages that were sent and not taken yet. */
let ahead = 0;
port?.on('message', () => (ahead -= 1));

try {
  const catalog = await openCatalog(catalogFile);
  try {
    for await (const rows of (await ComparedRows.of(catalog, setId)).pages(after)) {
      while (ahead >= pagesAhead && port !== null) await once(port, 'message');
      const page = packPage(rows);
      ahead += 1;
      post({ page }, [page.numbers.buffer]);
    }
  } finally {
    await catalog.destroy();
  }
  post({ ended: true });
} catch (error) {
  post({ failed: toErrorData(error) });
}
port?.close();
