import { CancellationScope, condition } from '@temporalio/workflow';
import type { NextArchive } from '../../activities/retrieval/retrieval-state.js';
import { interruptibleWait, type CopyRun } from './copy-run.js';
import { findTape, findTapeToWrite } from './find-tape.js';

/**
 * Waits until the tape of an archive is in one of the drives that may read, and reads there from now on.
 *
 * @returns false when it was not found, since the run leaves the rest to the next.
 */
export async function findToRead(run: CopyRun, next: NextArchive): Promise<boolean> {
  const writes = run.storing || run.unsynced.size > 0 ? run.writes.drive : undefined;
  const found = await interruptibleWait(run, () => findTape(run.input, run.readers, next, writes));
  if (found === undefined) return false;
  run.reads = found;
  return true;
}

/**
 * Waits until a tape that an archive may be written to is in one of the drives that may write, and writes there from
 * now on. A drive that reads is not looked at before it has read all that staging holds.
 *
 * @param wanted UUID of the only tape that will do.
 * @returns false when it was not found, since the run leaves the rest to the next.
 */
export async function findToWrite(
  run: CopyRun,
  next: NextArchive,
  wanted: string | undefined,
): Promise<boolean> {
  while (!run.leaving) {
    const busy = readingNow(run);
    const drives = run.writers.filter((drive) => drive !== busy || wanted !== undefined);
    const looks = new CancellationScope();
    const first = () =>
      Promise.race([
        findTapeToWrite(run.input, drives, next, wanted),
        condition(() => readingNow(run) !== busy).then(() => undefined),
      ]);
    const found = await interruptibleWait(run, () => looks.run(first).finally(() => looks.cancel()));
    if (found === undefined) continue;
    run.writes = found;
    return true;
  }
  return false;
}

/** Whether what is staged may be written now: with one drive for both halves it reads until staging is full. */
export function mayWriteNow(run: CopyRun): boolean {
  return run.writers.length > 1 || run.reader !== 'reading' || run.reads.drive !== run.writes.drive;
}

/** The drive that has a tape to read from, and reads it. */
function readingNow({ reader, readers, reads }: CopyRun): string | undefined {
  return reader === 'reading' && (readers.length === 1 || reads.tape !== null) ? reads.drive : undefined;
}
