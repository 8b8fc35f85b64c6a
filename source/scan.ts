import { fromErrorData, type ErrorData } from '../config/thread-errors.js';
import { ThreadProgram } from '../config/thread-program.js';
import { ThreadWatch } from '../disk/thread-watch.js';
import type { ExcludeRule } from '../entry/excludes.js';
import type { TakenOptions } from '../entry/tally.js';
import type { PlanLimits } from './group-cutter.js';
import { shrunkFailure, type Shrunk } from './shrunk.js';

const program = new ThreadProgram(new URL('./scan-thread.js', import.meta.url));

export interface ScanProgress {
  entries: number;
  /** Bytes of file content. */
  bytes: number;
  groups: number;
}

/** The job of the scan thread, as plain data. */
export interface ScanJob {
  catalogFile: string;
  setId: string;
  sources: string[];
  excludes: ExcludeRule[];
  options?: TakenOptions;
  ownFolders: string[];
  ownEntries?: Record<string, string>;
  limits: PlanLimits;
  /** See `ThreadWatch`. The number of what it reads is that of the source. */
  watch: SharedArrayBuffer;
}

export interface ScanMessage {
  progress?: ScanProgress;
  done?: true;
  stopped?: true;
  /** Sources that hold so little that the scan was not begun. */
  shrunk?: Shrunk[];
  failed?: ErrorData;
}

/**
 * Walks the sources of a set into the catalog, in a thread of its own because walking is synchronous. Continues where
 * an earlier scan stopped.
 *
 * @param signal stops the scan after its current batch; what it has found is kept.
 * @param watch tells what the thread is about; one that is `given up` writes nothing into the catalog any more.
 * @returns true when every source was walked to its end. Rejects with `SourceShrunk` before anything is written when
 *   one holds much less than in earlier sets, unless the set allows that.
 */
export function scanInThread(
  job: Omit<ScanJob, 'watch'>,
  signal: AbortSignal,
  onProgress: (progress: ScanProgress) => void,
  watch = new ThreadWatch(),
): Promise<boolean> {
  const stop = () => watch.tell('stop');
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop);
  const worker = program.start({
    workerData: { ...job, watch: watch.shared } satisfies ScanJob,
    // Most objects of the walk are short-lived: a small young generation keeps garbage from piling up, and an old
    // generation below 1 GB grows in small steps.
    resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 1000 },
  });
  return new Promise<boolean>((resolve, reject) => {
    let done = false;
    worker.on('message', (message: ScanMessage) => {
      if (message.progress !== undefined) onProgress(message.progress);
      if (message.done === true) done = true;
      if (message.shrunk !== undefined) reject(shrunkFailure(message.shrunk));
      if (message.failed !== undefined) reject(fromErrorData(message.failed));
    });
    worker.once('error', reject);
    worker.once('exit', () => resolve(done));
  }).finally(() => signal.removeEventListener('abort', stop));
}
