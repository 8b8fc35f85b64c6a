import type { PlannedGroup } from '../../activities/set/next-groups.js';
import type { SetRun } from '../set/set-run.js';
import type { Lane, Writer } from './writers.js';

export function allLanes(run: SetRun): Lane[] {
  return run.writers.flatMap((writer) => writer.lanes);
}

/** Adds a group to the queue of one copy, ordered by number. */
export function enqueueIn(lane: Lane, group: PlannedGroup): void {
  const at = lane.ready.findIndex((other) => other.group >= group.group);
  if (lane.ready[at]?.group === group.group) lane.ready.splice(at, 1, group);
  else lane.ready.splice(at === -1 ? lane.ready.length : at, 0, group);
}

/** Adds a group to the queues of all copies that are not committed yet. */
export function enqueue(run: SetRun, group: PlannedGroup): void {
  for (const lane of allLanes(run))
    if (group.committed?.includes(lane.copyNo) !== true) enqueueIn(lane, group);
}

/** Bytes of the archives waiting for the drive. */
export function readyBytes(run: SetRun, lane: Lane): number {
  return lane.ready.reduce((bytes, { group }) => bytes + (run.staged.get(group) ?? 0), 0);
}

/** True when nothing more reaches the drives until a tape takes what is staged. */
function isExhausted(run: SetRun): boolean {
  const { staging, awaitingRoom, releasing, fed, shortOfStaging } = run;
  return (
    staging.size === awaitingRoom.size && releasing === 0 && (fed || shortOfStaging || awaitingRoom.size > 0)
  );
}

/**
 * The copy that the drive should switch to, which needs a tape change: only when nothing is left or to come for the
 * current one, so that tapes are changed as rarely as possible. Undefined: no switch. A draining run leaves the other
 * copies to the next run.
 */
function nextLane(run: SetRun, { lane, lanes, impatient }: Writer): Lane | undefined {
  if (run.paused || run.draining || lane.ready.length > 0 || lane.unsynced.size > 0) return undefined;
  if (!impatient && !isExhausted(run)) return undefined;
  return lanes.find((other) => other !== lane && other.ready.length > 0);
}

export function mustSwitchLane(run: SetRun, writer: Writer): boolean {
  return nextLane(run, writer) !== undefined;
}

/** Switches the drive to another copy, if it is that copy's turn. */
export function switchLane(run: SetRun, writer: Writer): boolean {
  const next = nextLane(run, writer);
  if (next === undefined) return false;
  next.refused = false;
  writer.lane = next;
  return true;
}

/** True when another copy of the drive waits for this one to finish. */
export function hasWaitingLane(writer: Writer): boolean {
  return writer.lanes.some((other) => other !== writer.lane && other.ready.length > 0);
}

/**
 * The copy to write instead while the loaded tape does not suit `lane`: one that was not refused, and has something to
 * write or may get it.
 */
export function fallbackLane(run: SetRun, { lanes, impatient }: Writer, lane: Lane): Lane | undefined {
  const mayCome = run.draining || !(impatient || isExhausted(run));
  return lanes.find((other) => other !== lane && !other.refused && (other.ready.length > 0 || mayCome));
}

/** Why a copy is next, for people; undefined when the drive serves only one. */
export function switchReason(run: SetRun, writer: Writer): string | undefined {
  if (writer.lanes.length === 1) return undefined;
  if (isExhausted(run) && run.fed) return 'nothing else is left to write';
  if (isExhausted(run)) return 'staging is full of what another tape already has';
  return writer.impatient ? 'nothing else has come for a while' : undefined;
}

/** True when nothing is left for any drive, except what a draining run leaves to the next run. */
export function isDone(run: SetRun): boolean {
  if (!run.fed || run.staging.size > 0 || run.releasing > 0) return false;
  return run.writers.every((writer) =>
    writer.lanes.every((lane) => {
      if (lane.writing !== undefined) return false;
      if (writer.leaves) return true;
      const isLeft = run.draining && lane !== writer.lane;
      return lane.unsynced.size === 0 && (lane.ready.length === 0 || isLeft);
    }),
  );
}

/**
 * Where the next run begins: before the first group left to it or queued again. Unsynced groups are left too: their
 * next write finds in the catalog which tape they are on.
 */
export function cursorAfter(run: SetRun): number {
  const left = allLanes(run).flatMap(({ ready, unsynced }) => [
    ...ready.map(({ group }) => group),
    ...unsynced.keys(),
  ]);
  const before = [...left, ...run.left].map((group) => group - 1);
  return Math.min(run.cursor, run.lookAgainAfter ?? run.cursor, ...before);
}
