import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ScanRows } from '../catalog/files/scan-rows.js';
import { ThreadWatch } from '../disk/thread-watch.js';
import { arraysOf, type BatchWriter, type ScanBatch } from '../catalog/files/write-batch.js';

/** What the writing thread is given; plain data. */
export interface WriteJob {
  catalogFile: string;
  /** Of the scan; see `ThreadWatch`. */
  watch: SharedArrayBuffer;
}

/** What the writing thread answers for each batch. */
export interface WriteMessage {
  written?: ScanRows;
  /** Its own error; only its plain parts survive the way here. */
  failed?: { message: string; code: string | undefined; stack: string | undefined };
}

/** Batches that wait while one is being committed: each holds some megabytes. */
const mostWaiting = 1;

/** Rows that are written without the thread: its start costs as much as writing them. */
const defaultRowsAlone = 20_000;

/**
 * Writes the batches of a large scan in a thread of their own, since SQLite's part of it is as long as the walk's. The
 * arrays of a batch go there and come back without a copy.
 */
export class ThreadWriter implements BatchWriter {
  private worker: Worker | undefined;
  private rows = 0;
  private inFlight = 0;
  private readonly done: ScanRows[] = [];
  private failure: Error | undefined;

  constructor(
    private readonly catalogFile: string,
    /** What writes the first rows. */
    private readonly direct: BatchWriter,
    private readonly rowsAlone = defaultRowsAlone,
    /** Of a scan; of one that is given up nothing more is written. */
    private readonly watch = new ThreadWatch(),
  ) {}

  private start(): Worker {
    const worker = new Worker(new URL('./write-thread.js', import.meta.url), {
      workerData: { catalogFile: this.catalogFile, watch: this.watch.shared } satisfies WriteJob,
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    });
    worker.on('message', ({ written, failed }: WriteMessage) => {
      this.inFlight -= 1;
      if (written !== undefined) this.done.push(written);
      if (failed !== undefined) this.failure = Object.assign(new Error(failed.message), failed);
    });
    worker.on('error', (error) => {
      this.inFlight = 0;
      this.failure = error;
    });
    return worker;
  }

  async write(batch: ScanBatch): Promise<ScanRows | undefined> {
    this.rows += batch.files.rows;
    if (this.rows <= this.rowsAlone) return this.direct.write(batch);
    this.worker ??= this.start();
    await this.waitFor(mostWaiting);
    this.inFlight += 1;
    this.worker.postMessage(batch, arraysOf(batch.files));
    return this.done.pop();
  }

  idle(): Promise<void> {
    return this.waitFor(0);
  }

  private async waitFor(most: number): Promise<void> {
    while (this.worker !== undefined && this.inFlight > most) await once(this.worker, 'message');
    if (this.failure !== undefined) throw this.failure;
  }

  async close(): Promise<void> {
    await this.worker?.terminate();
  }
}
