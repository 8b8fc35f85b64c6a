import { fromErrorData, type ErrorData } from '../../config/thread-errors.js';
import { ThreadProgram } from '../../config/thread-program.js';
import type { ArchiveInfo } from './unpack.js';
import type { UnpackOptions, Unpacked, WantedMember } from './unpack-options.js';

/** To the thread: a page of wanted members, or the end of them. */
export type UnpackCommand = { page: WantedMember[] } | { end: true };

/** From the thread. */
export interface UnpackReport {
  /** It is ready for the next page. */
  ready?: true;
  /** How many members were restored, with nothing to be said of them, and what became of the others. */
  batch?: { restored: number; others: Unpacked[] };
  /** Bytes of content so far. */
  bytes?: number;
  done?: ArchiveInfo;
  /** `damaged`: the archive itself is. */
  failed?: ErrorData & { damaged: boolean };
}

export interface UnpackThreadData extends UnpackOptions {
  stopFlag: SharedArrayBuffer;
}

export interface ThreadedUnpack extends UnpackOptions {
  /** Wanted members, ascending by offset; read page by page as they are extracted. */
  pages: AsyncIterable<WantedMember[]>;
  /** Stops within one block; the promise is rejected with the signal's reason. */
  signal: AbortSignal;
  /** @param restored how many besides these were restored, with nothing to be said of them. */
  onBatch(batch: Unpacked[], restored: number): void;
  onProgress(bytes: number): void;
}

/** The archive cannot be opened or read at all; the message is part of a sentence. */
export class ArchiveUnreadable extends Error {}

const program = new ThreadProgram(new URL('./unpack-thread.js', import.meta.url));
/** A small young generation, since most of the thread's memory is garbage of recent blocks. */
const resourceLimits = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 256 };

/**
 * Extracts members of an archive in a separate thread, so that this one can heartbeat. Resolves when all pages are
 * done; failures of members are in the batches. A system error keeps its side and `code` (`ENOSPC`).
 */
export async function unpackInThread(unpack: ThreadedUnpack): Promise<ArchiveInfo> {
  const { pages, signal, onBatch, onProgress, ...options } = unpack;
  signal.throwIfAborted();
  const stopFlag = new SharedArrayBuffer(4);
  const workerData: UnpackThreadData = { ...options, stopFlag };
  const thread = program.start({ workerData, resourceLimits });
  const ended = new Promise<void>((resolve) => thread.once('exit', () => resolve()));
  const iterator = pages[Symbol.asyncIterator]();
  const send = (command: UnpackCommand) => thread.postMessage(command);
  const stop = () => {
    Atomics.store(new Int32Array(stopFlag), 0, 1);
    // A thread that waits for its next page does not check the flag.
    send({ end: true });
  };
  signal.addEventListener('abort', stop);
  let feeding = Promise.resolve();
  try {
    return await new Promise<ArchiveInfo>((resolve, reject) => {
      const fail = (error: unknown) => {
        stop();
        reject(error instanceof Error ? error : new Error('a page could not be read', { cause: error }));
      };
      const feed = async () => {
        const next = await iterator.next();
        send(next.done === true ? { end: true } : { page: next.value });
      };
      thread.on('message', (report: UnpackReport) => {
        try {
          if (report.batch !== undefined) onBatch(report.batch.others, report.batch.restored);
          if (report.bytes !== undefined) onProgress(report.bytes);
        } catch (error) {
          fail(error);
        }
        if (report.ready === true) feeding = feed().catch(fail);
        if (report.done !== undefined) resolve(report.done);
        if (report.failed !== undefined) {
          const { damaged, ...error } = report.failed;
          if (signal.aborted) reject(signal.reason instanceof Error ? signal.reason : new Error('stopped'));
          else reject(damaged ? new ArchiveUnreadable(error.message) : fromErrorData(error));
        }
      });
      thread.once('error', reject);
      thread.once('exit', () => reject(new Error('the unpacking thread ended early')));
    });
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
    await ended;
    await feeding;
    await iterator.return?.();
  }
}
