import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import type { ScanRows } from '../catalog/files/file-batch.js';
import { fromErrorData, type ErrorData } from '../config/thread-errors.js';
import { ThreadProgram } from '../config/thread-program.js';
import { ThreadWatch } from '../disk/thread-watch.js';
import { arraysOf, type BatchWriter, type ScanBatch } from '../catalog/files/write-batch.js';

/** What the writing thread is given; plain data. */
export interface WriteJob {
  catalogFile: string;
  /** Of the scan; see `ThreadWatch`. */
  watch: SharedArrayBuffer;
}

/** The writing thread's answer to each batch. */
export interface WriteMessage {
  written?: ScanRows;
  failed?: ErrorData;
}

const program = new ThreadProgram(new URL('./write-thread.js', import.meta.url));

/** Batches that may wait while one is being committed; each takes a few megabytes. */
const maxWaiting = 1;

/** Number of rows written without the thread, whose start costs as much as writing them. */
const defaultRowsAlone = 20_000;

/**
 * Writes the batches of a large scan in a separate thread, since SQLite takes as long as the walk. The arrays of a
 * batch are transferred there and back without copying.
 */
export class ThreadWriter implements BatchWriter {
  private worker: Worker | undefined;
  private rows = 0;
  private inFlight = 0;
  private readonly done: ScanRows[] = [];
  private failure: Error | undefined;

  constructor(
    private readonly catalogFile: string,
    /** Writes the first rows. */
    private readonly direct: BatchWriter,
    private readonly rowsAlone = defaultRowsAlone,
    /** Of a scan; of one that is given up nothing more is written. */
    private readonly watch = new ThreadWatch(),
  ) {}

  private start(): Worker {
    const worker = program.start({
      workerData: { catalogFile: this.catalogFile, watch: this.watch.shared } satisfies WriteJob,
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    });
    worker.on('message', ({ written, failed }: WriteMessage) => {
      this.inFlight -= 1;
      if (written !== undefined) this.done.push(written);
      if (failed !== undefined) this.failure = fromErrorData(failed);
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
    await this.waitFor(maxWaiting);
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
