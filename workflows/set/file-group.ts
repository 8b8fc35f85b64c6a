import { CancellationScope, isCancellation } from '@temporalio/workflow';
import type { PlannedGroup } from '../../activities/set/set-state.js';
import { waitInFinal } from './final-wait.js';
import { BackOff } from '../back-off.js';
import { unlessCalledOff } from '../called-off.js';
import { mostCompressions, mostInWindow } from '../replay-contract.js';
import { makeReady } from '../drive/lanes.js';
import type { Lane } from '../drive/writers.js';
import { drains, lookAgainFrom, noteHanging, stagedBytes, track, type SetRun } from './set-run.js';
import { tell } from './set-phase.js';
import { failureReason, failureType, isLeft, outlivingWorkers } from '../step-failures.js';

interface Ref {
  setId: string;
  group: number;
}

/** True when the window or the staging budget has no room for a group. */
export function isShort(run: SetRun, group: PlannedGroup): boolean {
  // What waits for a tape that is not in the drive counts in staging only.
  const atDrives = run.writers.map(({ lane }) => lane.ready.length + lane.unsynced.size);
  if (run.staging.size + Math.max(...atDrives) >= mostInWindow) return true;
  const held = stagedBytes(run);
  return !group.direct && held > 0 && held + stagingOf(group) > run.input.options.stagingBytes;
}

/** Begins a group in the background. What fails for good is parked; the set goes on with the others. */
export function beginGroup(run: SetRun, group: PlannedGroup): void {
  if (group.direct || group.state === 'queued' || group.state === 'writing' || group.state === 'written') {
    if (!group.direct) run.staged.set(group.group, stagingOf(group));
    makeReady(run, group);
    return;
  }
  if (group.state === 'committed') {
    void track(run, release(run, [group.group]));
    return;
  }
  run.staging.set(group.group, group);
  run.staged.set(group.group, stagingOf(group));
  tell(run);
  const staged = stageGroup(run, group)
    .then((bytes) => {
      if (bytes === 'left') run.left.add(group.group);
      if (bytes === 'skipped' || bytes === 'left') {
        run.staged.delete(group.group);
        return;
      }
      run.staged.set(group.group, stagingOf(group, bytes));
      makeReady(run, group);
    })
    .catch((error: unknown) => parkUnlessCancelled(run, group, error))
    .finally(() => run.staging.delete(group.group));
  void track(run, staged);
}

/**
 * What a group counts in staging: as the catalog has it, so that the run knows when nothing more fits, and syncs and
 * releases at once. In the histories of earlier versions that is not known, and the bytes of its files count.
 */
function stagingOf(group: PlannedGroup, archiveBytes?: number | null): number {
  return archiveBytes ?? group.stagingBytes ?? group.bytes;
}

/**
 * Stages 1 to 3. Compressed anew, a few times, when a later stage finds the staged bytes gone or damaged.
 * @returns what `waitForFinal` does; `skipped` for a group that makes no archive; `left` when a draining run leaves it
 *   to the next, since there is no room for it now.
 */
async function stageGroup(run: SetRun, group: PlannedGroup): Promise<number | null | 'skipped' | 'left'> {
  const ref = { setId: run.input.setId, group: group.group };
  for (let compressions = 1; ; compressions += 1) {
    run.compressing += 1;
    try {
      const compressed = await compress(run, ref);
      if (compressed === 'skipped' || compressed === 'left') return compressed;
    } finally {
      run.compressing -= 1;
    }
    try {
      return await promoteAndWait(run, ref);
    } catch (error) {
      if (failureType(error) !== 'StagedArchiveDamaged' || compressions >= mostCompressions) throw error;
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
 * Runs a step that writes to staging, as often as it finds no room there. While it waits for that the group is
 * `roomless`: what is short is what counts, so the drives sync and release what they have at once.
 *
 * @returns what the step does; `left` when the run drains before there is room.
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
    await backOff.pause(`group ${group}: staging was full all the same`);
    await run.activities.scan.waitForRoom.executeWithOptions({ summary: `group ${group}: wait for room` }, [
      ref,
      place,
    ]);
  };
  for (;;) {
    const result = await outlivingWorkers(step).catch((error: unknown) => leftTo(run, error));
    if (result !== 'full') return result;
    if (drains(run)) return 'left';
    run.roomless.add(group);
    try {
      await unlessCalledOff(() => run.draining, wait);
    } finally {
      run.roomless.delete(group);
    }
    if (run.draining) return 'left';
  }
}

/** What a step comes to that its worker's shutdown has ended in a long run; any other failure goes on. */
function leftTo(run: SetRun, error: unknown): 'left' {
  if (!isLeft(error)) throw error;
  drains(run);
  return 'left';
}

/** Stages 2 and 3, started together; when one fails for good, or is left to the next run, the other need not go on. */
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
    // A promote may wait for room on its disk for days: then there is nothing to look for before its end.
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

/**
 * Parks a group with the reason of its failure; with `lane`, that of one copy, and the others are written all the same.
 */
export async function parkUnlessCancelled(
  run: SetRun,
  group: PlannedGroup,
  error: unknown,
  stage?: string,
  lane?: Lane,
): Promise<void> {
  if (isCancellation(error)) return noteHanging(run, error);
  const copies = run.input.places?.length ?? 1;
  const which =
    lane === undefined || copies === 1 ? '' : `copy ${lane.copyNo} of ${copies}, to pool ${lane.pool}: `;
  const reason = which + failureReason(error);
  const { retries } = run;
  run.staged.delete(group.group);
  try {
    await run.activities.bookkeeping.parkFailedGroup.executeWithOptions(
      { summary: `group ${group.group}: parked` },
      [{ setId: run.input.setId, group: group.group }, stage ?? stageOf(error), reason],
    );
    run.taken.delete(group.group);
    // It may have put this group back already, before this was known here.
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
