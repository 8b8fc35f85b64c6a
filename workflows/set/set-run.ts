import { ActivityFailure, CancelledFailure, isCancellation, proxyActivities } from '@temporalio/workflow';
import type { ArchiveActivities, CompressActivities } from '../../activities/index.js';
import type { PlannedGroup } from '../../activities/set/set-state.js';
import { activityOptions } from '../activity-options.js';
import { isLongRun } from '../back-off.js';
import { failureReason } from '../step-failures.js';
import { newWriters, type Writer } from '../drive/writers.js';
import type { BackupSetInput } from '../messages.js';

/** The activities of one set, each with its options. */
export function setActivities({ options, drive }: BackupSetInput) {
  const policies = activityOptions(options, drive);
  return {
    bookkeeping: proxyActivities<ArchiveActivities>(policies.bookkeeping),
    finish: proxyActivities<ArchiveActivities>(policies.finish),
    scan: proxyActivities<ArchiveActivities>(policies.scan),
    promote: proxyActivities<ArchiveActivities>(policies.promote),
    compress: proxyActivities<CompressActivities>(policies.compress),
  };
}

/** What one run of a set's workflow knows: references and sizes, never file lists. */
export interface SetRun {
  input: BackupSetInput;
  activities: ReturnType<typeof setActivities>;
  cursor: number;
  /** Groups on their way to the drive's queue. */
  staging: Map<number, PlannedGroup>;
  /** Compressions asked for and not ended. */
  compressing: number;
  /** One for each drive. */
  writers: Writer[];
  /** The group that the feed has no room for now. */
  next: PlannedGroup | undefined;
  /** Bytes that each group may hold in staging. */
  staged: Map<number, number>;
  /** Times that the drive found a group's staged bytes damaged or gone. */
  damages: Map<number, number>;
  /** Everything that runs in the background; a set that ends early waits until all of it has stopped. */
  tasks: Set<Promise<unknown>>;
  /** Releases under way. */
  releasing: number;
  /** Groups that wait for room in staging before they can be compressed. */
  roomless: Set<number>;
  /** The next group waits for staging that only a sync and a release can free. */
  shortOfStaging: boolean;
  scanned: boolean;
  paused: boolean;
  /** No further group is begun: the workflow ends its window and continues as new. See `drains`. */
  draining: boolean;
  /** Groups on their way to the drives that a draining run has left to the next, since they wait for something. */
  left: Set<number>;
  /** Every group was begun and has come to the drive's queue, or was parked. */
  fed: boolean;
  /** Groups that this run has begun and has not parked since. */
  taken: Set<number>;
  /** The feed goes back to the group after this one: groups were put back into the queue. */
  lookAgainAfter: number | undefined;
  /** Retries so far, and those under way. */
  retries: number;
  retrying: number;
  /** Nothing more is begun or written: what is left is to write the set's end down, or to continue as new. */
  over: boolean;
  /** The state that the catalog was told of, and the end of the last telling. */
  noted: string | undefined;
  noting: Promise<void>;
  /** Times that a person has said that a tape was loaded. */
  tapeLoads: number;
  cancel: { discard: boolean } | undefined;
  /** Rejects with the first error of a background task that no step knows: a defect of the workflow. */
  broken: Promise<never>;
  break: (error: unknown) => void;
  /** The first activity that failed for good in the background: the set goes on, and says so if it cannot complete. */
  problem: string | undefined;
  /** What was left behind when the set was cancelled: steps in a drive, or a source, that does not answer. */
  hanging: string | undefined;
}

export function newRun(input: BackupSetInput): SetRun {
  let breakRun: SetRun['break'] = () => undefined;
  const broken = new Promise<never>((_resolve, reject) => (breakRun = reject));
  broken.catch(() => undefined);
  return {
    input,
    activities: setActivities(input),
    cursor: input.cursor,
    staging: new Map(),
    compressing: 0,
    writers: newWriters(input),
    next: undefined,
    staged: new Map(),
    damages: new Map(),
    tasks: new Set(),
    releasing: 0,
    roomless: new Set(),
    shortOfStaging: false,
    scanned: input.scanned,
    paused: input.paused,
    draining: false,
    left: new Set(),
    fed: false,
    taken: new Set(),
    lookAgainAfter: undefined,
    retries: 0,
    retrying: 0,
    over: false,
    noted: undefined,
    noting: Promise.resolve(),
    tapeLoads: 0,
    cancel: undefined,
    broken,
    break: breakRun,
    problem: undefined,
    hanging: undefined,
  };
}

/**
 * True when the run leaves the rest to a next one: its history is long. Every loop of a set asks this in each turn;
 * what waits then, for a tape or for room, is left as well, since the catalog knows of it.
 */
export function drains(run: SetRun): boolean {
  run.draining ||= isLongRun();
  return run.draining;
}

/** Why the set waits for a tape, in the first of its drives that does; null: it does not. */
export function waitingFor(run: SetRun): string | null {
  return run.writers.find((writer) => writer.waitingFor !== null)?.waitingFor ?? null;
}

/** Sends the feed back to this group, or to an earlier one to which it goes back already. */
export function lookAgainFrom(run: SetRun, group: number): void {
  run.lookAgainAfter = Math.min(run.lookAgainAfter ?? group - 1, group - 1);
}

/** Bytes of staging that the run's groups may hold. */
export function stagedBytes(run: SetRun): number {
  let bytes = 0;
  for (const held of run.staged.values()) bytes += held;
  return bytes;
}

/**
 * Notes a background step, until it has ended, however it does. What fails is never lost: Temporal would try a workflow
 * task with an unhandled rejection for ever.
 */
export function track<Result>(run: SetRun, task: Promise<Result>): Promise<Result> {
  run.tasks.add(task);
  const forget = () => void run.tasks.delete(task);
  task.then(forget, (error: unknown) => {
    forget();
    if (isCancellation(error)) return noteHanging(run, error);
    if (error instanceof ActivityFailure) run.problem ??= failureReason(error);
    else run.break(error);
  });
  return task;
}

/** Notes what a cancelled step has said that it leaves behind. */
export function noteHanging(run: SetRun, error: unknown): void {
  const cause = error instanceof ActivityFailure ? error.cause : undefined;
  const [details] = cause instanceof CancelledFailure ? ((cause.details as unknown[] | undefined) ?? []) : [];
  const { left } = (details ?? {}) as { left?: string };
  run.hanging ??= left;
}

/** Waits until no background step is under way. */
export async function allStopped(run: SetRun): Promise<void> {
  while (run.tasks.size > 0) await Promise.allSettled([...run.tasks]);
}
