import { CancellationScope, isCancellation } from '@temporalio/workflow';
import type { PlannedGroup } from '../../activities/set/next-groups.js';
import { waitInFinal } from './final-wait.js';
import { BackOff } from '../back-off.js';
import { waitUnlessAborted } from '../wait-unless-aborted.js';
import { maxCompressions, maxInWindow } from '../replay-contract.js';
import { enqueue } from '../drive/lanes.js';
import type { Lane } from '../drive/writers.js';
import { drains, lookAgainFrom, noteAbandoned, stagedBytes, track, type SetRun } from './set-run.js';
import { openHook } from './set-hook.js';
import { updateDetails } from './set-phase.js';
import { failureReason, failureType, isLeftToNextRun, rerunAfterWorkerDeath } from '../step-failures.js';
import { english } from '../../messages/sentence.js';

interface Ref {
  setId: string;
  group: number;
}

/** True when the window or the staging budget has no room for a group. */
export function isShort(run: SetRun, group: PlannedGroup): boolean {
  // Groups waiting for a tape that is not in the drive count only in staging.
  const atDrives = run.writers.map(({ lane }) => lane.ready.length + lane.unsynced.size);
  if (run.staging.size + Math.max(...atDrives) >= maxInWindow) return true;
  const held = stagedBytes(run);
  return !group.direct && held > 0 && held + stagingOf(group) > run.input.options.stagingBytes;
}

/** Starts a group in the background. A permanent failure parks it, and the set continues with the others. */
export function beginGroup(run: SetRun, group: PlannedGroup): void {
  if (group.direct || group.state === 'queued' || group.state === 'writing' || group.state === 'written') {
    if (!group.direct) run.staged.set(group.group, stagingOf(group));
    enqueue(run, group);
    return;
  }
  if (group.state === 'committed') {
    void track(run, release(run, [group.group]));
    return;
  }
  run.staging.set(group.group, group);
  run.staged.set(group.group, stagingOf(group));
  updateDetails(run);
  const staged = stageGroup(run, group)
    .then((bytes) => {
      if (bytes === 'left') run.left.add(group.group);
      if (bytes === 'skipped' || bytes === 'left') {
        run.staged.delete(group.group);
        return;
      }
      run.staged.set(group.group, stagingOf(group, bytes));
      enqueue(run, group);
    })
    .catch((error: unknown) => parkUnlessCancelled(run, group, error))
    .finally(() => run.staging.delete(group.group));
  void track(run, staged);
}

/**
 * Staging bytes of a group, as the catalog counts them, so that the run knows when nothing more fits, and syncs and
 * releases at once. Histories of earlier versions lack this; there the bytes of its files count.
 */
function stagingOf(group: PlannedGroup, archiveBytes?: number | null): number {
  return archiveBytes ?? group.stagingBytes ?? group.bytes;
}

/**
 * Stages 1 to 3. Compressed again, a few times, when a later stage finds the staged bytes gone or damaged.
 * @returns the result of `waitForFinal`; `skipped` for a group without an archive; `left` when a draining run leaves it
 *   to the next run, since there is no room now.
 */
async function stageGroup(run: SetRun, group: PlannedGroup): Promise<number | null | 'skipped' | 'left'> {
  const ref = { setId: run.input.setId, group: group.group };
  for (let compressions = 1; ; compressions += 1) {
    run.compressing += 1;
    try {
      // Also where it is compressed again, after the hook was closed.
      if (run.input.hook === true) await openHook(run);
      const compressed = await compress(run, ref);
      if (compressed === 'skipped' || compressed === 'left') return compressed;
    } finally {
      run.compressing -= 1;
    }
    try {
      return await promoteAndWait(run, ref);
    } catch (error) {
      if (failureType(error) !== 'StagedArchiveDamaged' || compressions >= maxCompressions) throw error;
    }
  }
}

/** Stage 1. */
function compress(run: SetRun, ref: Ref) {
  return withRoom(run, ref, 'temp', () =>
    run.activities.compress.compressGroup.executeWithOptions({ summary: `group ${ref.group}: compress` }, [
      ref,
    ]),
  );
}

/**
 * Runs a step that writes to staging, again after each time it finds no room there. While it waits, the group is
 * `roomless`: the drives then sync and release what they have at once.
 *
 * @returns the result of the step; `left` when the run drains before there is room.
 */
async function withRoom<Result>(
  run: SetRun,
  ref: Ref,
  place: 'temp' | 'final',
  step: () => Promise<Result | 'full'>,
): Promise<Result | 'left'> {
  const { group } = ref;
  const backOff = new BackOff();
  const wait = async () => {
    await backOff.pause(`group ${group}: staging was full after all`);
    await run.activities.lookout.waitForRoom.executeWithOptions(
      { summary: `group ${group}: wait for room` },
      [ref, place],
    );
  };
  for (;;) {
    const result = await rerunAfterWorkerDeath(step).catch((error: unknown) => leftTo(run, error));
    if (result !== 'full') return result;
    if (drains(run)) return 'left';
    run.awaitingRoom.add(group);
    try {
      await waitUnlessAborted(() => run.draining, wait);
    } finally {
      run.awaitingRoom.delete(group);
    }
    if (run.draining) return 'left';
  }
}

/** The result for a step that a worker shutdown ended in a long run; rethrows any other failure. */
function leftTo(run: SetRun, error: unknown): 'left' {
  if (!isLeftToNextRun(error)) throw error;
  drains(run);
  return 'left';
}

/** Stages 2 and 3, started together; when one fails permanently or is left to the next run, the other is cancelled. */
async function promoteAndWait(run: SetRun, ref: Ref): Promise<number | null | 'left'> {
  return CancellationScope.cancellable(async () => {
    const stages = CancellationScope.current();
    const promote = withRoom(run, ref, 'final', () =>
      run.activities.promote.promoteArchive.executeWithOptions({ summary: `group ${ref.group}: promote` }, [
        ref,
      ]),
    );
    const leaving = promote.then((promoted) => {
      if (promoted === 'left') stages.cancel();
    });
    const look = () => waitInFinal(run, ref);
    // A promote may wait for disk space for days: until it ends there is nothing to look for.
    const wait = look()
      .catch(async (error: unknown) => {
        if (failureType(error) !== 'FinalTimeout') throw error;
        await promote;
        return look();
      })
      .catch((error: unknown) => leftTo(run, error));
    const both = Promise.all([leaving, wait]);
    both.catch(() => stages.cancel());
    await Promise.allSettled([leaving, wait]);
    return (await promote) === 'left' ? 'left' : wait;
  });
}

/** Parks a group with the reason of its failure; with `lane`, for one copy only, and the others are still written. */
export async function parkUnlessCancelled(
  run: SetRun,
  group: PlannedGroup,
  error: unknown,
  stage?: string,
  lane?: Lane,
): Promise<void> {
  if (isCancellation(error)) return noteAbandoned(run, error);
  const copies = run.input.places?.length ?? 1;
  const why = failureReason(error);
  const reason =
    lane === undefined || copies === 1
      ? why
      : english`copy ${lane.copyNo} of ${copies}, to pool ${lane.pool}: ${why}`;
  const { retries } = run;
  run.staged.delete(group.group);
  try {
    await run.activities.bookkeeping.parkFailedGroup.executeWithOptions(
      { summary: `group ${group.group}: parked` },
      [{ setId: run.input.setId, group: group.group }, stage ?? stageOf(error), reason],
    );
    run.taken.delete(group.group);
    // A retry may already have queued this group again.
    if (run.retries !== retries) lookAgainFrom(run, group.group);
  } catch (parking) {
    if (!isCancellation(parking)) throw parking;
  }
}

function stageOf(error: unknown): string {
  const activity = error instanceof Error && 'activityType' in error ? String(error.activityType) : '';
  const stages: Record<string, string> = {
    compressGroup: 'compressing',
    compressToTape: 'compressing',
    promoteArchive: 'promoting',
    waitForFinal: 'final_visible',
    writeToTape: 'writing',
    syncTape: 'synced',
  };
  return stages[activity] ?? activity;
}

/** Deletes the staged archives of committed groups, in the background. */
export async function release(run: SetRun, groups: number[]): Promise<void> {
  run.releasing += 1;
  try {
    await run.activities.bookkeeping.releaseArchives.executeWithOptions(
      { summary: `release ${groups.length === 1 ? `group ${groups[0]}` : `${groups.length} groups`}` },
      [run.input.setId, groups],
    );
    for (const group of groups) run.staged.delete(group);
  } catch (error) {
    if (!isCancellation(error)) throw error;
  } finally {
    run.releasing -= 1;
  }
}
