import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import type { ComparedRow } from '../catalog/sets/compared-layer.js';
import { toErrorData, fromErrorData, type ErrorData } from '../config/thread-errors.js';
import { ThreadProgram } from '../config/thread-program.js';
import { unpackPage, type PackedPage } from './base-pages.js';
import type { PagesOfBase } from './base-set.js';

/** What the reading thread is given; plain data. */
export interface BaseJob {
  catalogFile: string;
  /** The base. */
  setId: string;
  /** The path behind which it begins, if one is given. */
  after: Uint8Array | undefined;
}

/** What the reading thread sends. */
export interface BaseMessage {
  page?: PackedPage;
  ended?: true;
  failed?: ErrorData;
}

const program = new ThreadProgram(new URL('./base-thread.js', import.meta.url));

/** Pages of a thousand rows that the thread reads ahead of the walk; each takes about 200 kB. */
export const pagesAhead = 8;

/** Entries of a base from which on it is read in a thread, whose start costs as much as reading these. */
const entriesAlone = 20_000;

/**
 * Reads what a scan compares with in a separate thread, ahead of the walk, since to read a row takes nearly as long as
 * to look at a file.
 */
export class BaseReader implements PagesOfBase {
  private worker: Worker | undefined;

  constructor(
    private readonly catalogFile: string,
    private readonly alone = entriesAlone,
  ) {}

  pagesOf(
    setId: string,
    entries: number,
    after: Uint8Array | undefined,
  ): AsyncGenerator<ComparedRow[]> | undefined {
    if (entries <= this.alone) return undefined;
    void this.worker?.terminate();
    const worker = program.start({
      workerData: { catalogFile: this.catalogFile, setId, after } satisfies BaseJob,
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    });
    this.worker = worker;
    // From now on, whenever the first page is asked for.
    const sent: BaseMessage[] = [];
    worker.on('message', (message: BaseMessage) => sent.push(message));
    worker.on('error', (error) => sent.push({ failed: toErrorData(error) }));
    return pagesOf(worker, sent);
  }

  async close(): Promise<void> {
    await this.worker?.terminate();
  }
}

async function* pagesOf(worker: Worker, sent: BaseMessage[]): AsyncGenerator<ComparedRow[]> {
  for (;;) {
    const message = sent.shift();
    if (message === undefined) {
      await once(worker, 'message');
      continue;
    }
    const { page, failed } = message;
    if (failed !== undefined) throw fromErrorData(failed);
    if (page === undefined) return;
    worker.postMessage('taken');
    yield unpackPage(page);
  }
}
