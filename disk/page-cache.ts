import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Drops a file from the page cache, so that the next read comes from the medium (like GNU dd's `nocache`). */
export async function dropFromCache(file: string): Promise<void> {
  if (process.platform !== 'linux') return;
  await run('dd', [`if=${file}`, 'iflag=nocache', 'count=0']).catch(() => undefined);
}

/** Least milliseconds between two syncs of what is being written. */
const syncEveryMs = 500;

/**
 * Does some work that writes below a folder; when it resolves, all of that is durable. The system is told to write to
 * the disk meanwhile, so that less is left for the end. Null: nothing is written.
 */
export async function durably<Result>(folder: string | null, work: () => Promise<Result>): Promise<Result> {
  if (folder === null) return work();
  const ended = new AbortController();
  // Elsewhere a sync is one of all file systems.
  if (process.platform === 'linux') void syncUntil(ended.signal, folder);
  let result: Result;
  try {
    result = await work();
  } finally {
    ended.abort();
  }
  await syncFileSystem(folder);
  return result;
}

/** Pauses for as long as the last sync took, so that a slow disk is not kept busy with syncs alone. */
async function syncUntil(ended: AbortSignal, folder: string): Promise<void> {
  for (let pauseMs = syncEveryMs; ;) {
    await sleep(pauseMs, undefined, { signal: ended }).catch(() => undefined);
    if (ended.aborted) return;
    const began = performance.now();
    await syncFileSystem(folder);
    pauseMs = Math.max(syncEveryMs, performance.now() - began);
  }
}

/** Makes restored files durable: one call for the whole file system, where the system has it (GNU `sync -f`). */
export async function syncFileSystem(folder: string): Promise<void> {
  await run('sync', process.platform === 'linux' ? ['-f', folder] : []).catch(() => undefined);
}
