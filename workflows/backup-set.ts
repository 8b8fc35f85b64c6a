import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  setHandler,
  TemporalFailure,
} from '@temporalio/workflow';
import type { SetSummary } from '../catalog/sets.js';
import { beginGroup, feedGroups } from './file-group.js';
import { cursorAfter } from './lanes.js';
import {
  cancelUpdate,
  pauseUpdate,
  progressQuery,
  resumeUpdate,
  retryFailedUpdate,
  tapeLoadedUpdate,
  type BackupSetInput,
} from './messages.js';
import {
  allStopped,
  failureReason,
  newRun,
  progressOf,
  tell,
  track,
  waitingFor,
  type SetRun,
} from './set-run.js';
import { writeGroups } from './tape-writer.js';

/**
 * One backup set, from its sources to the tape. The scan runs ahead and cuts file groups; each group is compressed,
 * promoted and waited for; the drive gets one archive at a time; what is written is synced, committed and released.
 */
export async function backupSet(input: BackupSetInput): Promise<SetSummary> {
  const run = newRun(input);
  const work = new CancellationScope();
  handleMessages(run, work);
  try {
    await work.run(() => Promise.race([backUp(run), run.broken]));
    await condition(allHandlersFinished);
  } catch (error) {
    // Nothing of this set may go on working when its end is written down.
    work.cancel();
    await CancellationScope.nonCancellable(() => allStopped(run));
    if (isCancellation(error)) return await endCancelled(run, error);
    return await endBroken(run, error);
  }
  if (run.draining) {
    const { scanned, paused } = run;
    const cursor = cursorAfter(run);
    return continueAsNew<typeof backupSet>({ ...input, cursor, scanned, paused, retry: false });
  }
  const summary = await (run.problem === undefined
    ? run.activities.bookkeeping.finishSet(input.setId)
    : run.activities.bookkeeping.finishSet(input.setId, run.problem));
  if (summary.status === 'failed')
    throw ApplicationFailure.nonRetryable(summary.reason ?? 'failed', 'SetFailed', summary);
  return summary;
}

async function backUp(run: SetRun): Promise<void> {
  const { bookkeeping } = run.activities;
  const { setId, retry } = run.input;
  if (retry) await bookkeeping.retryParkedGroups(setId);
  tell(run);
  if (run.input.cursor === 0) {
    const state = run.paused ? 'paused' : run.scanned ? 'running' : 'scanning';
    await bookkeeping.recordState.executeWithOptions({ summary: state }, [setId, state, null]);
  }
  const scanning = new CancellationScope();
  // A scan that fails ends the set: nothing else would ever tell the feed that no more groups come.
  const scan = run.scanned
    ? Promise.resolve()
    : track(
        run,
        scanning.run(() => scanSources(run)),
      );
  const writing = () => run.writers.map((writer) => track(run, writeGroups(run, writer)));
  const moving = Promise.all([track(run, feedGroups(run)), ...writing()]).then(() => {
    if (run.draining) scanning.cancel();
  });
  await Promise.all([moving, scan.catch((error: unknown) => ignoreIfDraining(run, error))]);
}

async function scanSources(run: SetRun): Promise<void> {
  const { setId } = run.input;
  await run.activities.scan.scanSources.executeWithOptions({ summary: 'scan the sources' }, [setId]);
  run.scanned = true;
  tell(run);
  if (waitingFor(run) === null && !run.paused) {
    await run.activities.bookkeeping.recordState.executeWithOptions({ summary: 'scanned' }, [
      setId,
      'running',
      null,
    ]);
  }
}

/** A scan that is cancelled for the next run of the workflow goes on there, after the last batch in the catalog. */
function ignoreIfDraining(run: SetRun, error: unknown): void {
  if (!(isCancellation(error) && run.draining)) throw error;
}

/** An update that breaks (for example by wrong arguments from the Temporal UI) fails, and not the whole workflow. */
function answering<Args extends unknown[], Result>(handle: (...args: Args) => Result | Promise<Result>) {
  return async (...args: Args): Promise<Result> => {
    try {
      return await handle(...args);
    } catch (error) {
      if (error instanceof TemporalFailure) throw error;
      throw ApplicationFailure.nonRetryable(failureReason(error), 'UpdateFailed');
    }
  };
}

function handleMessages(run: SetRun, work: CancellationScope): void {
  const { bookkeeping } = run.activities;
  const { setId } = run.input;
  setHandler(progressQuery, () => progressOf(run));
  setHandler(
    pauseUpdate,
    answering(async () => {
      run.paused = true;
      tell(run);
      await bookkeeping.recordState(setId, 'paused', 'paused by a command');
    }),
  );
  setHandler(
    resumeUpdate,
    answering(async () => {
      run.paused = false;
      run.tapeLoads += 1;
      tell(run);
      await bookkeeping.recordState(setId, run.scanned ? 'running' : 'scanning', null);
    }),
  );
  setHandler(
    tapeLoadedUpdate,
    answering(() => {
      run.tapeLoads += 1;
    }),
  );
  setHandler(
    retryFailedUpdate,
    answering(async () => {
      const groups = await bookkeeping.retryParkedGroups(setId);
      for (const group of groups) beginGroup(run, group);
      return groups.map((group) => group.group);
    }),
  );
  setHandler(
    cancelUpdate,
    answering(({ discard }: { discard: boolean }) => {
      run.cancel = { discard };
      work.cancel();
    }),
  );
}

/** Nothing more is begun; what is staged or written stays as it is, for a later `retry`, unless it is thrown away. */
async function endCancelled(run: SetRun, error: unknown): Promise<never> {
  await CancellationScope.nonCancellable(async () => {
    await condition(allHandlersFinished);
    await run.activities.bookkeeping.cancelSet(run.input.setId, run.cancel?.discard ?? false);
  });
  throw error;
}

/** An error that no step knows: the set ends as failed and says so, instead of trying its workflow task for ever. */
async function endBroken(run: SetRun, error: unknown): Promise<never> {
  const reason = failureReason(error);
  await CancellationScope.nonCancellable(() =>
    run.activities.bookkeeping.recordState(run.input.setId, 'failed', reason),
  );
  throw ApplicationFailure.nonRetryable(reason, 'SetFailed');
}
