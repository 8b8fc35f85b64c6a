import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { PackedFiles } from '../catalog/new-files.js';
import { arraysOf, type BatchWriter, type ScanBatch } from './write-batch.js';

/** What the writing thread answers for each batch. */
export interface WriteMessage {
  written?: PackedFiles;
  /** Its own error; only its plain parts survive the way here. */
  failed?: { message: string; code: string | undefined; stack: string | undefined };
}

/** Batches that wait while one is being committed: each holds some megabytes. */
const mostWaiting = 1;

/**
 * Writes batches in a thread of its own, since SQLite's part of a scan is as long as the walk's. The arrays of a batch go there
 * and come back without a copy.
 */
export class ThreadWriter implements BatchWriter {
  private readonly worker: Worker;
  private inFlight = 0;
  private readonly done: PackedFiles[] = [];
  private failure: Error | undefined;

  constructor(catalogFile: string) {
    this.worker = new Worker(new URL('./write-thread.js', import.meta.url), {
      workerData: catalogFile,
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    });
    this.worker.on('message', ({ written, failed }: WriteMessage) => {
      this.inFlight -= 1;
      if (written !== undefined) this.done.push(written);
      if (failed !== undefined) this.failure = Object.assign(new Error(failed.message), failed);
    });
    this.worker.on('error', (error) => {
      this.inFlight = 0;
      this.failure = error;
    });
  }

  async write(batch: ScanBatch): Promise<PackedFiles | undefined> {
    await this.waitFor(mostWaiting);
    this.inFlight += 1;
    this.worker.postMessage(batch, arraysOf(batch.files));
    return this.done.pop();
  }

  idle(): Promise<void> {
    return this.waitFor(0);
  }

  private async waitFor(most: number): Promise<void> {
    while (this.inFlight > most) await once(this.worker, 'message');
    if (this.failure !== undefined) throw this.failure;
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }
}
