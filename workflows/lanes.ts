import { proxyActivities } from '@temporalio/workflow';
import type { DriveActivities, DriveHostActivities } from '../activities/index.js';
import type { PlannedGroup } from '../activities/set-state.js';
import { activityOptions } from './activity-options.js';
import { BackOff } from './back-off.js';
import type { BackupSetInput } from './messages.js';
import type { SetRun } from './set-run.js';

/** The way of one copy to its tapes. A set has one for each of its copies. */
export interface Lane {
  copyNo: number;
  pool: string;
  /** Groups for the drive, lowest number first. */
  ready: PlannedGroup[];
  writing: PlannedGroup | undefined;
  /** With a watermark: it was reached, and the drive writes what is ready until nothing is. */
  streaming: boolean;
  /** Groups that the drive has waited for long enough: later ones go before them. */
  overtaken: Set<number>;
  /** Written groups that no sync has covered, with the tape's UUID. */
  unsynced: Map<number, { group: PlannedGroup; tape: string; bytes: number }>;
  /** When the oldest of them was written, in milliseconds. */
  unsyncedSince: number;
  /** The tape in the drive was no good for it at its last try. */
  refused: boolean;
}

/** What hands a drive one write at a time: for one copy of the set, or for several whose tapes come one after the other. */
export interface Writer {
  drive: string;
  slot: ReturnType<typeof proxyActivities<DriveActivities>>;
  watching: ReturnType<typeof proxyActivities<DriveHostActivities>>;
  looking: ReturnType<typeof proxyActivities<DriveHostActivities>>;
  lanes: Lane[];
  /** The one whose tape is in the drive, as far as is known. */
  lane: Lane;
  /** Nothing has come for it for long: another one is next. */
  impatient: boolean;
  /** Why it waits, when it does. */
  waitingFor: string | null;
  /** It waits since somebody else has the drive. */
  isHeld: boolean;
  /** A draining run leaves its archives to the next one: the drive takes none of them now, or keeps none. */
  leaves: boolean;
  /** Pauses between the tries of what the drive refuses, or forgets, again and again. */
  backOff: Record<'writing' | 'syncing', BackOff>;
}

/** A writer for each drive of the set. */
export function newWriters(input: BackupSetInput): Writer[] {
  const writers: Writer[] = [];
  for (const [index, { pool, drive }] of placesIn(input).entries()) {
    const lane: Lane = {
      ...{ copyNo: index + 1, pool, ready: [], writing: undefined, streaming: false },
      ...{ overtaken: new Set<number>(), unsynced: new Map(), unsyncedSince: 0, refused: false },
    };
    const writer = writers.find((one) => one.drive === drive);
    if (writer !== undefined) {
      writer.lanes.push(lane);
      continue;
    }
    const policies = activityOptions(input.options, drive);
    writers.push({
      ...{ drive, lanes: [lane], lane, impatient: false, waitingFor: null, isHeld: false },
      ...{ leaves: false, backOff: { writing: new BackOff(), syncing: new BackOff() } },
      slot: proxyActivities<DriveActivities>(policies.drive),
      watching: proxyActivities<DriveHostActivities>(policies.watchTape),
      looking: proxyActivities<DriveHostActivities>(policies.waitForFinal),
    });
  }
  return writers;
}

/** Where the copies of the set go; the input of earlier versions knows one. */
export function placesIn({ places, pool, drive }: BackupSetInput): { pool: string; drive: string }[] {
  return places ?? [{ pool, drive }];
}

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
 * Where the next run begins: before the first group that is left to it, or that was put back into the queue. What is written
 * and not synced is left too: its write finds in the catalog on which tape it is.
 */
export function cursorAfter(run: SetRun): number {
  const left = allLanes(run).flatMap(({ ready, unsynced }) => [
    ...ready.map(({ group }) => group),
    ...unsynced.keys(),
  ]);
  const before = [...left, ...run.left].map((group) => group - 1);
  return Math.min(run.cursor, run.lookAgainAfter ?? run.cursor, ...before);
}
