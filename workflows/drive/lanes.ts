import type { PlannedGroup } from '../../activities/set/set-state.js';
import type { SetRun } from '../set/set-run.js';
import type { Lane, Writer } from './writers.js';

export function allLanes(run: SetRun): Lane[] {
  return run.writers.flatMap((writer) => writer.lanes);
}

/** Puts a group into the queue of one copy, in the order of group numbers. */
export function makeReadyIn(lane: Lane, group: PlannedGroup): void {
  const at = lane.ready.findIndex((other) => other.group >= group.group);
  if (lane.ready[at]?.group === group.group) lane.ready.splice(at, 1, group);
  else lane.ready.splice(at === -1 ? lane.ready.length : at, 0, group);
}

/** Puts a group into the queue of every copy that is not committed yet. */
export function makeReady(run: SetRun, group: PlannedGroup): void {
  for (const lane of allLanes(run))
    if (group.committed?.includes(lane.copyNo) !== true) makeReadyIn(lane, group);
}

/** Bytes of the archives that wait for the drive. */
export function readyBytes(run: SetRun, lane: Lane): number {
  return lane.ready.reduce((bytes, { group }) => bytes + (run.staged.get(group) ?? 0), 0);
}

/** Nothing more comes to the drives, unless a tape takes what is staged. */
function isExhausted(run: SetRun): boolean {
  const { staging, roomless, releasing, fed, shortOfStaging } = run;
  return staging.size === roomless.size && releasing === 0 && (fed || shortOfStaging || roomless.size > 0);
}

/**
 * The copy that the drive turns to, for which its tape has to be changed: when nothing is left or to come for the one
 * whose tape is in it, so that tapes are changed as seldom as staging allows. Undefined: it stays as it is. A run that
 * drains for the next one leaves the other copies to that, since they are in the catalog.
 */
function laneAfter(run: SetRun, { lane, lanes, impatient }: Writer): Lane | undefined {
  if (run.paused || run.draining || lane.ready.length > 0 || lane.unsynced.size > 0) return undefined;
  if (!impatient && !isExhausted(run)) return undefined;
  return lanes.find((other) => other !== lane && other.ready.length > 0);
}

export function mustTurn(run: SetRun, writer: Writer): boolean {
  return laneAfter(run, writer) !== undefined;
}

/** Turns the drive to another copy, if that is its turn. */
export function turn(run: SetRun, writer: Writer): boolean {
  const next = laneAfter(run, writer);
  if (next === undefined) return false;
  next.refused = false;
  writer.lane = next;
  return true;
}

/** Another copy that the drive serves and that waits for it to come to its end. */
export function isAwaited(writer: Writer): boolean {
  return writer.lanes.some((other) => other !== writer.lane && other.ready.length > 0);
}

/**
 * The copy that the drive serves while its tape is no good for `lane`: one that has not been refused, and has something
 * to write or may get it.
 */
export function laneInstead(run: SetRun, { lanes, impatient }: Writer, lane: Lane): Lane | undefined {
  const mayCome = run.draining || !(impatient || isExhausted(run));
  return lanes.find((other) => other !== lane && !other.refused && (other.ready.length > 0 || mayCome));
}

/** Why a copy comes next, for people; undefined where the drive serves no other. */
export function reasonOfTurn(run: SetRun, writer: Writer): string | undefined {
  if (writer.lanes.length === 1) return undefined;
  if (isExhausted(run) && run.fed) return 'nothing else is left to write';
  if (isExhausted(run)) return 'staging is full of what another tape has already';
  return writer.impatient ? 'nothing else has come for a while' : undefined;
}

/** True when nothing is left for any drive, except what a draining run leaves to the next. */
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
 * Where the next run begins: before the first group that is left to it, or that was put back into the queue. What is
 * written and not synced is left too: its write finds in the catalog on which tape it is.
 */
export function cursorAfter(run: SetRun): number {
  const left = allLanes(run).flatMap(({ ready, unsynced }) => [
    ...ready.map(({ group }) => group),
    ...unsynced.keys(),
  ]);
  const before = [...left, ...run.left].map((group) => group - 1);
  return Math.min(run.cursor, run.lookAgainAfter ?? run.cursor, ...before);
}
