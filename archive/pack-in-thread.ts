import { Worker } from 'node:worker_threads';
import type { PackedMember, PlannedMember, SkippedMember } from './member.js';
import type { PackOptions, PackOutcome, PackProgress } from './pack.js';

export type { PackOutcome, PackProgress } from './pack.js';

/** What the thread is given; plain data. */
export interface PackJob extends PackOptions {
  stopFlag: SharedArrayBuffer;
}

/** To the thread: a page of entries, or the end with those that were never to be packed. */
export type PackCommand = { page: PlannedMember[] } | { skipped: SkippedMember[] };

/** From the thread. */
export interface PackReport {
  /** It wants the next page. */
  ready?: true;
  batch?: { packed: PackedMember[]; skipped: SkippedMember[] };
  progress?: PackProgress;
  done?: PackOutcome;
  failed?: {
    message: string;
    code: string | undefined;
    path: string | undefined;
    syscall: string | undefined;
    stack: string | undefined;
  };
}

export interface ThreadedPack extends PackOptions {
  /** Entries in the order of the archive; read page by page, as fast as they are packed. */
  pages: AsyncIterable<PlannedMember[]>;
  /** Entries that are only listed; read when `pages` has ended, so its generator may fill it. */
  alreadySkipped: readonly SkippedMember[];
  /** Ends the pack within a block of 1 MiB; its promise is rejected with the signal's reason. */
  signal: AbortSignal;
  onBatch(packed: PackedMember[], skipped: SkippedMember[]): void;
  onProgress(progress: PackProgress): void;
}

/**
 * Packs an archive and its manifest in a thread of its own, so that this one can heartbeat. Both files are synced when
 * it resolves, and left as they are when it fails. An error of the output keeps its `code` (`ENOSPC`).
 */
export async function packInThread(pack: ThreadedPack): Promise<PackOutcome> {
  const { pages, alreadySkipped, signal, onBatch, onProgress, ...options } = pack;
  signal.throwIfAborted();
  const stopFlag = new SharedArrayBuffer(4);
  const stop = () => void Atomics.store(new Int32Array(stopFlag), 0, 1);
  signal.addEventListener('abort', stop);
  const workerData: PackJob = { ...options, stopFlag };
  const worker = new Worker(new URL('./pack-thread.js', import.meta.url), { workerData });
  const iterator = pages[Symbol.asyncIterator]();
  let feeding = Promise.resolve();
  try {
    return await new Promise<PackOutcome>((resolve, reject) => {
      const fail = (error: unknown) => {
        stop();
        reject(error instanceof Error ? error : new Error(String(error)));
      };
      const feed = async () => {
        if (Atomics.load(new Int32Array(stopFlag), 0) === 1) {
          // A thread that waits for its next page does not look at the flag.
          worker.postMessage({ skipped: [] } satisfies PackCommand);
          return;
        }
        const { value, done } = await iterator.next();
        worker.postMessage((done === true ? { skipped: [...alreadySkipped] } : { page: value }) satisfies PackCommand);
      };
      worker.on('message', (report: PackReport) => {
        try {
          if (report.batch !== undefined) onBatch(report.batch.packed, report.batch.skipped);
          if (report.progress !== undefined) onProgress(report.progress);
        } catch (error) {
          fail(error);
        }
        if (report.ready === true) feeding = feed().catch(fail);
        if (report.done !== undefined) resolve(report.done);
        if (report.failed !== undefined) reject(signal.aborted ? reasonOf(signal) : systemError(report.failed));
      });
      worker.once('error', fail);
      worker.once('exit', () => reject(signal.aborted ? reasonOf(signal) : new Error('the packing thread ended early')));
    });
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
    // Its files must be closed before anybody deletes or renames them.
    await feeding.catch(() => undefined);
    await ended(worker);
    await iterator.return?.();
  }
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('stopped');
}

function systemError(failed: NonNullable<PackReport['failed']>): Error {
  const { message, ...rest } = failed;
  return Object.assign(new Error(message), Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)));
}

/** Waits for the thread's end; it ends by itself once the flag is up. */
async function ended(worker: Worker): Promise<void> {
  if (worker.threadId === -1) return;
  const exit = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  worker.postMessage({ skipped: [] } satisfies PackCommand);
  await exit;
}
