import { AsyncResource } from 'node:async_hooks';
import type { Worker } from 'node:worker_threads';
import { currentSharedGroup, type SharedGroup } from '../../config/shared-group.js';
import { fromErrorData, type ErrorData } from '../../config/thread-errors.js';
import { ThreadProgram } from '../../config/thread-program.js';
import { ThreadWatch } from '../../disk/thread-watch.js';
import type { UnchangedMember, PackedMember, SkippedMember } from '../../entry/member.js';
import type { PackedBatch, PackEntry, PackOptions, PackOutcome, PackProgress } from './pack-options.js';

export type { PackEntry, PackOptions, PackOutcome, PackProgress } from './pack-options.js';

/** The thread's job, as plain data. */
export interface PackJob extends PackOptions {
  /** See `ThreadWatch`. The number of what it reads is that of the entry, from 1. */
  watch: SharedArrayBuffer;
  sharedGroup: SharedGroup | undefined;
}

/** To the thread: a job, a page of its entries, or the end with entries that are only listed as skipped. */
export type PackCommand = { job: PackJob } | { page: PackEntry[] } | { skipped: SkippedMember[] };

/** From the thread. */
export interface PackReport {
  /** It is ready for the next page. */
  ready?: true;
  batch?: PackedBatch;
  progress?: PackProgress;
  done?: PackOutcome;
  failed?: ErrorData;
}

/** Whom a packing thread asks, from whom an answer may never come. */
export interface PackAsks {
  /** The name of the entry that it reads, or that it writes its output; undefined while it asks nobody. */
  now(): { reads: string } | 'output' | undefined;
  /** Changes whenever it goes on. */
  moves(): number;
}

export interface ThreadedPack extends PackOptions {
  /** Entries in archive order; read page by page as they are packed. */
  pages: AsyncIterable<PackEntry[]>;
  /** Entries that are only listed; read after `pages` has ended, so its generator may fill it. */
  alreadySkipped: readonly SkippedMember[];
  /** Stops packing within one block; the promise is rejected with the signal's reason. */
  signal: AbortSignal;
  onBatch(packed: PackedMember[], skipped: SkippedMember[], unchanged: UnchangedMember[]): void;
  onProgress(progress: PackProgress): void;
  /** Called once, with what tells whom the thread asks at any time. */
  onStart?(asks: PackAsks): void;
}

/**
 * Most of a thread's memory is garbage of recent entries: a small young generation keeps it from piling up. The old
 * generation holds the hard-linked inodes of at most one group.
 */
const resourceLimits = { maxYoungGenerationSizeMb: 24, maxOldGenerationSizeMb: 512 };
/** Sources are opened by the native part too, which Node would not know of when it closes what a thread left open. */
const threadOptions = { resourceLimits, trackUnmanagedFds: false };

const program = new ThreadProgram(new URL('./pack-thread.js', import.meta.url));

/** Idle threads. */
const idle: Worker[] = [];

function takeThread(): Worker {
  const thread = idle.pop() ?? program.start(threadOptions);
  thread.ref();
  return thread;
}

function giveBack(thread: Worker): void {
  thread.removeAllListeners();
  if (thread.threadId === -1) return;
  thread.unref();
  thread.once('error', () => undefined);
  thread.once('exit', () => idle.splice(idle.indexOf(thread), 1));
  idle.push(thread);
}

/**
 * Packs an archive and its manifest in a separate thread, so that this one can heartbeat. Both files are synced when it
 * resolves; when it fails they are closed and left as they are. A system error keeps its side and `code` (`ENOSPC`).
 */
export async function packInThread(pack: ThreadedPack): Promise<PackOutcome> {
  const { pages, alreadySkipped, signal, onBatch, onProgress, onStart, ...options } = pack;
  signal.throwIfAborted();
  const watch = new ThreadWatch();
  const sent = new SentNames();
  const stop = () => watch.tell('stop');
  signal.addEventListener('abort', stop);
  const thread = takeThread();
  thread.removeAllListeners();
  const send = (command: PackCommand) => thread.postMessage(command);
  const iterator = pages[Symbol.asyncIterator]();
  let feeding = Promise.resolve();
  let failure: Error | undefined;
  const fail = (error: unknown) => {
    failure ??= error instanceof Error ? error : new Error('a page could not be read', { cause: error });
    stop();
    // A thread that waits for its next page does not check the flag.
    send({ skipped: [] });
  };
  const feed = async () => {
    const next = await iterator.next();
    if (next.done === true) return send({ skipped: [...alreadySkipped] });
    sent.add(next.value);
    send({ page: next.value });
  };
  onStart?.({ now: () => asksNow(watch, sent), moves: () => watch.moves });
  try {
    // The thread answers every job exactly once, after closing its files.
    return await new Promise<PackOutcome>((resolve, reject) => {
      const hear = (report: PackReport) => {
        try {
          const { batch } = report;
          if (batch !== undefined) onBatch(batch.packed, batch.skipped, batch.unchanged);
          if (report.progress !== undefined) onProgress(report.progress);
        } catch (error) {
          fail(error);
        }
        if (report.ready === true) feeding = feed().catch(fail);
        if (report.done !== undefined) resolve(report.done);
        if (report.failed !== undefined) {
          reject(signal.aborted ? reasonOf(signal) : (failure ?? fromErrorData(report.failed)));
        }
      };
      // The thread may be older than this pack, and what it hears must not count as a part of what made it.
      thread.on('message', AsyncResource.bind(hear));
      thread.once('error', reject);
      thread.once('exit', () => reject(new Error('the packing thread ended early')));
      send({ job: { ...options, watch: watch.shared, sharedGroup: currentSharedGroup() } });
    });
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
    await feeding;
    await iterator.return?.();
    giveBack(thread);
  }
}

/**
 * Names of the entries that the thread may be at: it has two pages at most, and asks for the next at the first's end.
 */
class SentNames {
  private readonly pages: string[][] = [];
  private before = 0;

  add(page: readonly { name: string }[]): void {
    this.pages.push(page.map(({ name }) => name));
    if (this.pages.length > 3) this.before += this.pages.shift()?.length ?? 0;
  }

  /** The name of an entry by its number, from 1. */
  at(number: number): string | undefined {
    let index = number - 1 - this.before;
    for (const page of this.pages) {
      if (index < page.length) return page[index];
      index -= page.length;
    }
    return undefined;
  }
}

function asksNow(watch: ThreadWatch, sent: SentNames): ReturnType<PackAsks['now']> {
  const asks = watch.asks();
  if (asks?.side === 'output') return 'output';
  const name = asks === undefined ? undefined : sent.at(asks.number);
  return name === undefined ? undefined : { reads: name };
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('stopped');
}
