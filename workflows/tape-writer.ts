import { CancellationScope, condition, isCancellation } from '@temporalio/workflow';
import type { PlannedGroup } from '../activities/set-state.js';
import { beginGroup, isShort, mostCompressions, parkUnlessCancelled, release } from './file-group.js';
import {
  failureReason,
  failureType,
  makeReady,
  outlivingWorkers,
  readyBytes,
  tell,
  track,
  type SetRun,
} from './set-run.js';

/** Groups of which a compression takes less than a second or two, on a machine that is not busy. */
const smallGroupBytes = 64 * 1024 * 1024;
/** Longest that the drive is held for one earlier small group. */
const mostHoldMs = 10_000;
/**
 * Times of `TAPE_SYNC_SECONDS` that archives wait for the next one to gather: a compression may wait for staging that
 * another set holds, or that the disk does not have.
 */
const gatherPatience = 3;

/**
 * Hands the drive one write at a time: a task queue is not first-in-first-out, so the order is kept here. Between the
 * writes it syncs: by bytes, by age, when staging runs short, when the window drains, before a tape change, at the end.
 */
export async function writeGroups(run: SetRun): Promise<void> {
  for (;;) {
    run.streaming &&= run.ready.length > 0;
    await waitForWork(run);
    if (mustSync(run)) {
      await syncTapes(run);
      continue;
    }
    await waitForEarlier(run);
    const next = run.paused ? undefined : run.ready.shift();
    if (next !== undefined) await writeGroup(run, next);
    else if (isDone(run)) return;
  }
}

/**
 * Lets a small archive that is on its way come before a later one. Each is waited for once, and not for long, so that the
 * drive never starves: an earlier group may be tried again and again, or wait for staging that only this write can free.
 */
async function waitForEarlier(run: SetRun): Promise<void> {
  const earlier = () => {
    const first = run.ready[0];
    if (first === undefined || run.paused) return undefined;
    for (const group of run.staging.values()) {
      const isSmall = group.bytes <= smallGroupBytes;
      if (group.group < first.group && isSmall && !run.overtaken.has(group.group)) return group.group;
    }
    return undefined;
  };
  for (let group = earlier(); group !== undefined; group = earlier()) {
    const awaited = group;
    if (!(await condition(() => earlier() !== awaited, mostHoldMs))) run.overtaken.add(awaited);
  }
}

function isDone(run: SetRun): boolean {
  return (
    run.fed &&
    run.ready.length === 0 &&
    run.staging.size === 0 &&
    run.unsynced.size === 0 &&
    run.releasing === 0
  );
}

async function waitForWork(run: SetRun): Promise<void> {
  const hasWork = () =>
    mustSync(run) || (run.ready.length > 0 && !run.paused && mayWrite(run)) || isDone(run);
  if (run.unsynced.size === 0) {
    if (run.input.options.drainBytes > 0) await gather(run, hasWork);
    else await condition(hasWork);
    return;
  }
  const age = Date.now() - run.unsyncedSince;
  await condition(hasWork, Math.max(run.input.options.syncSeconds * 1000 - age, 1));
}

/** Waits for the watermark; when no archive has come for long, the drive takes those that are there. */
async function gather(run: SetRun, hasWork: () => boolean): Promise<void> {
  const patienceMs = gatherPatience * run.input.options.syncSeconds * 1000;
  while (!hasWork()) {
    const { paused, ready } = run;
    const gathered = ready.length;
    const changes = () => hasWork() || ready.length !== gathered || run.paused !== paused;
    if (gathered === 0 || paused) await condition(changes);
    else if (!(await condition(changes, patienceMs))) break;
    tell(run);
  }
  run.streaming = run.ready.length > 0;
}

/** Whether the drive may take the next archive, or lets more of them gather first. */
function mayWrite(run: SetRun): boolean {
  const { drainBytes } = run.input.options;
  // Sets that began before there was a watermark have none in their options.
  if (!(drainBytes > 0) || run.streaming || run.fed) return true;
  // Compressed on to the tape, it has nothing to gather; and compressions under way may yet bring what is missing.
  if (run.ready[0]?.direct === true || readyBytes(run) >= drainBytes) return true;
  return run.staging.size === 0 && run.next !== undefined && isShort(run, run.next);
}

function mustSync(run: SetRun): boolean {
  if (run.unsynced.size === 0) return false;
  const { drainBytes, syncBytes, syncSeconds } = run.input.options;
  // The drive stops here anyhow, and what gathers next needs the room.
  if (drainBytes > 0 && !run.streaming) return true;
  let bytes = 0;
  for (const written of run.unsynced.values()) bytes += written.bytes;
  if (bytes >= syncBytes || Date.now() - run.unsyncedSince >= syncSeconds * 1000) return true;
  if (run.ready.length > 0 && !run.paused) return false;
  return run.paused || run.shortOfStaging || run.staging.size === 0;
}

async function writeGroup(run: SetRun, group: PlannedGroup): Promise<void> {
  const ref = { setId: run.input.setId, group: group.group };
  const wanted = [...run.unsynced.values()].at(-1)?.tape;
  run.writing = group;
  tell(run);
  try {
    const { drive } = run.activities;
    const written = await outlivingWorkers(() =>
      group.direct
        ? drive.compressToTape.executeWithOptions(
            { summary: `group ${ref.group}: compress on to the tape` },
            [ref, wanted],
          )
        : drive.writeToTape.executeWithOptions({ summary: `group ${ref.group}: write to tape` }, [
            ref,
            wanted,
          ]),
    );
    if (written === null) return;
    if (run.unsynced.size === 0) run.unsyncedSince = Date.now();
    run.unsynced.set(group.group, { group, tape: written.tape, bytes: written.bytes });
  } catch (error) {
    if (isCancellation(error)) throw error;
    if (failureType(error) === 'TapeNotReady') {
      makeReady(run, group);
      run.writing = undefined;
      await changeTape(run, failureReason(error), group.group);
    } else if (failureType(error) === 'StagedArchiveDamaged') {
      await compressAgain(run, group, error);
    } else {
      await parkUnlessCancelled(run, group, error);
    }
  } finally {
    run.writing = undefined;
  }
}

/** Staged bytes that were lost are made again, a few times: a disk that damages all it is given must not be fed for ever. */
async function compressAgain(run: SetRun, group: PlannedGroup, error: unknown): Promise<void> {
  const damages = (run.damages.get(group.group) ?? 0) + 1;
  run.damages.set(group.group, damages);
  if (damages < mostCompressions) beginGroup(run, { ...group, state: 'planned' });
  else await parkUnlessCancelled(run, group, error);
}

/** Before the tape in the drive is changed, what was written to it is synced. */
async function changeTape(run: SetRun, reason: string, group: number): Promise<void> {
  if (run.unsynced.size > 0) await syncTapes(run);
  else await waitForTape(run, reason, { group });
}

/** Syncs every tape that holds unsynced archives; one that is not in the drive is waited for by name. */
export async function syncTapes(run: SetRun): Promise<void> {
  const tapes = new Set([...run.unsynced.values()].map((written) => written.tape));
  for (const tape of tapes) {
    const written = [...run.unsynced].filter(([, copy]) => copy.tape === tape);
    const groups = written.map(([number]) => number);
    try {
      const result = await outlivingWorkers(() =>
        run.activities.drive.syncTape.executeWithOptions(
          { summary: `sync ${groups.length === 1 ? 'one archive' : `${groups.length} archives`}` },
          [run.input.setId, tape, groups],
        ),
      );
      settle(run, result.committed, result.lost);
    } catch (error) {
      if (isCancellation(error)) throw error;
      if (failureType(error) === 'TapeNotReady')
        await waitForTape(run, failureReason(error), { wanted: tape });
      else await parkUnsynced(run, groups, error);
    }
  }
  tell(run);
}

/** What became of written groups: committed ones are released, lost ones written again. */
function settle(run: SetRun, committed: number[], lost: number[]): void {
  for (const number of lost) {
    const copy = run.unsynced.get(number);
    if (copy !== undefined) makeReady(run, copy.group);
  }
  for (const number of [...committed, ...lost]) run.unsynced.delete(number);
  if (committed.length > 0) void track(run, release(run, committed));
}

async function parkUnsynced(run: SetRun, groups: number[], error: unknown): Promise<void> {
  for (const number of groups) {
    const copy = run.unsynced.get(number);
    run.unsynced.delete(number);
    if (copy !== undefined) await parkUnlessCancelled(run, copy.group, error, 'synced');
  }
}

/** Waits for a person, at no cost: one activity watches the drive, and a command can end it. */
async function waitForTape(
  run: SetRun,
  reason: string,
  what: { group: number } | { wanted: string },
): Promise<void> {
  const { setId } = run.input;
  const { bookkeeping, watching } = run.activities;
  run.waitingFor = reason;
  run.tapeLoaded = false;
  tell(run);
  await bookkeeping.recordState.executeWithOptions({ summary: 'waiting for a tape' }, [
    setId,
    run.paused ? 'paused' : 'waiting_for_tape',
    reason,
  ]);
  const scope = new CancellationScope();
  const wish = { setId, ...what };
  const watch = track(
    run,
    scope.run(() =>
      outlivingWorkers(() =>
        watching.watchTape.executeWithOptions({ summary: reason.slice(0, 180) }, [wish]),
      ),
    ),
  );
  try {
    await Promise.race([watch, condition(() => run.tapeLoaded)]);
    scope.cancel();
    await watch.catch((error: unknown) => {
      // Ended by `tapeLoaded`; the next write finds out for itself what is in the drive.
      if (!run.tapeLoaded || !isCancellation(error)) throw error;
    });
  } finally {
    run.waitingFor = null;
  }
  tell(run);
  const state = run.paused ? 'paused' : run.scanned ? 'running' : 'scanning';
  await bookkeeping.recordState.executeWithOptions({ summary: state }, [setId, state, null]);
}
