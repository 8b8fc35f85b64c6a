import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
} from '@temporalio/workflow';
import type { SetSummary } from '../../catalog/sets/set-summary.js';
import { markEnds } from './end-marks.js';
import { startEndVerify } from './end-verify.js';
import { feedGroups } from './group-feed.js';
import { cursorAfter } from '../drive/lanes.js';
import type { BackupSetInput } from '../messages.js';
import { allStopped, newRun, noteAbandoned, track, type SetRun } from './set-run.js';
import { saveState, updateDetails, followStagingShortage, upsertPhase } from './set-phase.js';
import { failureReason } from '../step-failures.js';
import { writeGroups } from '../drive/tape-writer.js';
import { english } from '../../messages/sentence.js';
import { closeHook, closeHookAtEnd, openHook } from './set-hook.js';
import { handleMessages } from './set-messages.js';

/**
 * One backup set, from its sources to tape. The scan runs ahead and cuts file groups; each group is compressed,
 * promoted and waited for; the drive gets one archive at a time; what is written is synced, committed and released.
 */
export async function backupSet(input: BackupSetInput): Promise<SetSummary> {
  const run = newRun(input);
  const work = new CancellationScope();
  handleMessages(run, work);
  let summary: SetSummary | undefined;
  try {
    const had = await work.run(() => Promise.race([backUp(run), run.broken]));
    await condition(allHandlersFinished);
    if (had === 'ended') return await finish(run);
    // A command may have cancelled it at the last moment: then the end finds its scope cancelled.
    if (!run.draining || work.consideredCancelled) {
      await work.run(() => markEnds(run));
      if (input.hook === true) await work.run(() => closeHook(run, 'end'));
      summary = await work.run(() => finish(run));
      await startEndVerify(run, summary);
    }
  } catch (error) {
    // No step of this set may still run when its end is recorded.
    work.cancel();
    await CancellationScope.nonCancellable(() => allStopped(run));
    if (!isCancellation(error)) return await endBroken(run, error);
    noteAbandoned(run, error);
    // No command requested this: the set stays unfinished in the catalog and is resumed.
    if (run.cancel === undefined)
      throw ApplicationFailure.nonRetryable(
        english`it was interrupted, and no command had cancelled it`,
        'Interrupted',
      );
    summary = await endCancelled(run, run.cancel);
  }
  if (summary === undefined) {
    const { scanned, paused } = run;
    const cursor = cursorAfter(run);
    return continueAsNew<typeof backupSet>({ ...input, cursor, scanned, paused, retry: false });
  }
  upsertPhase(summary.status);
  if (summary.status === 'failed')
    throw ApplicationFailure.nonRetryable(summary.reason ?? 'failed', 'SetFailed', summary);
  return summary;
}

function finish(run: SetRun): Promise<SetSummary> {
  const args: [string, string?] = [run.input.setId];
  if (run.problem !== undefined) args.push(run.problem);
  return run.activities.finish.finishSet.executeWithOptions({ summary: 'write the end down' }, args);
}

/** `ended`: a command had ended the set between the look at it and the start of this run, which does nothing then. */
async function backUp(run: SetRun): Promise<'ended' | undefined> {
  const { setId, retry, cursor } = run.input;
  if (retry) await run.activities.bookkeeping.retryParkedGroups(setId);
  updateDetails(run);
  void track(run, followStagingShortage(run));
  if (cursor === 0 && (await saveState(run)) === 'ended') {
    run.over = true;
    return 'ended';
  }
  if (run.input.hook === true) await openHook(run);
  const scanning = new CancellationScope();
  // A failed scan ends the set: nothing else would tell the feed that no more groups come.
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
  return undefined;
}

async function scanSources(run: SetRun): Promise<void> {
  const { setId } = run.input;
  await run.activities.scan.scanSources.executeWithOptions({ summary: 'scan the sources' }, [setId]);
  run.scanned = true;
  updateDetails(run);
  await saveState(run);
}

/** A scan cancelled for continue-as-new resumes in the next run, after the last batch in the catalog. */
function ignoreIfDraining(run: SetRun, error: unknown): void {
  if (!(isCancellation(error) && run.draining)) throw error;
}

/** Nothing more is started; what is staged or written stays for a later `retry`, unless discarded. */
function endCancelled(run: SetRun, { discard }: { discard: boolean }): Promise<SetSummary> {
  return CancellationScope.nonCancellable(async () => {
    await condition(allHandlersFinished);
    await run.noting;
    if (run.input.hook === true) await closeHookAtEnd(run, 'cancelled');
    const args: [string, boolean, string?] = [run.input.setId, discard];
    if (run.hanging !== undefined) args.push(run.hanging);
    return run.activities.bookkeeping.cancelSet(...args);
  });
}

/** For an unexpected error: the set ends as failed and says so, instead of retrying its workflow task for ever. */
async function endBroken(run: SetRun, error: unknown): Promise<never> {
  const reason = failureReason(error);
  if (run.input.hook === true) await closeHookAtEnd(run, 'failed');
  await CancellationScope.nonCancellable(() =>
    run.activities.bookkeeping.recordState(run.input.setId, 'failed', reason),
  );
  upsertPhase('failed');
  throw ApplicationFailure.nonRetryable(reason, 'SetFailed');
}
