import { ActivityFailure, CancelledFailure, isCancellation, proxyActivities } from '@temporalio/workflow';
import type { ArchiveActivities, CompressActivities, SourceActivities } from '../../activities/index.js';
import type { PlannedGroup } from '../../activities/set/next-groups.js';
import { activityOptions } from '../activity-options.js';
import { shouldContinueAsNew } from '../back-off.js';
import { failureReason } from '../step-failures.js';
import { newWriters, type Writer } from '../drive/writers.js';
import type { BackupSetInput } from '../messages.js';

/** The activities of one set with their options. */
export function setActivities({ options, drive, host }: BackupSetInput) {
  const policies = activityOptions(options, drive, host);
  return {
    bookkeeping: proxyActivities<ArchiveActivities>(policies.bookkeeping),
    finish: proxyActivities<ArchiveActivities>(policies.finish),
    lookout: proxyActivities<ArchiveActivities>(policies.lookout),
    scan: proxyActivities<SourceActivities>(policies.scan),
    promote: proxyActivities<SourceActivities>(policies.promote),
    compress: proxyActivities<CompressActivities>(policies.compress),
  };
}

/** State of one run of a set's workflow: references and sizes, never file lists. */
export interface SetRun {
  input: BackupSetInput;
  activities: ReturnType<typeof setActivities>;
  cursor: number;
  /** Groups on their way to the drive's queue. */
  staging: Map<number, PlannedGroup>;
  /** Number of compressions requested and not finished. */
  compressing: number;
  /** One for each drive. */
  writers: Writer[];
  /** The group that the feed currently has no room for. */
  next: PlannedGroup | undefined;
  /** Bytes that each group may hold in staging. */
  staged: Map<number, number>;
  /** How often the drive found a group's staged bytes damaged or gone. */
  damages: Map<number, number>;
  /** All background tasks; a set that ends early waits until they have stopped. */
  tasks: Set<Promise<unknown>>;
  /** Number of releases in progress. */
  releasing: number;
  /** Groups that wait for room in staging before they can be compressed. */
  awaitingRoom: Set<number>;
  /** The next group waits for staging that only a sync and release can free. */
  shortOfStaging: boolean;
  scanned: boolean;
  paused: boolean;
  /** No further group is started: the workflow drains its window and continues as new. See `drains`. */
  draining: boolean;
  /** Groups on their way to the drives that a draining run has left to the next run, since they are waiting. */
  left: Set<number>;
  /** Every group was started and has reached the drive's queue, or was parked. */
  fed: boolean;
  /** Groups that this run has started and not parked since. */
  taken: Set<number>;
  /** The feed goes back to the group after this one, because groups were queued again. */
  lookAgainAfter: number | undefined;
  /** Number of retries so far, and in progress. */
  retries: number;
  retrying: number;
  /** Nothing more is started or written: what remains is to record the set's end, or to continue as new. */
  over: boolean;
  /** The state last saved in the catalog, and the promise of the last save. */
  noted: string | undefined;
  noting: Promise<void>;
  /** How often a person has reported that a tape was loaded. */
  tapeLoads: number;
  cancel: { discard: boolean } | undefined;
  /** Rejects with the first unexpected error of a background task, which is a bug in the workflow. */
  broken: Promise<never>;
  break: (error: unknown) => void;
  /** The first permanent failure of a background activity: the set continues, and reports it if it cannot complete. */
  problem: string | undefined;
  /** The steps of its hook, one after the other, and whether its `before` has run since the last `after`. */
  hook: { turn: Promise<void>; isOpen: boolean };
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
    awaitingRoom: new Set(),
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
    hook: { turn: Promise.resolve(), isOpen: false },
    hanging: undefined,
  };
}

/**
 * True when the run has to continue as new because its history is long. Every loop of a set checks this in each turn;
 * what waits for a tape or for room is left too, since the catalog knows of it.
 */
export function drains(run: SetRun): boolean {
  run.draining ||= shouldContinueAsNew();
  return run.draining;
}

/** Why the set waits for a tape, for the first waiting drive; null: it does not. */
export function waitingFor(run: SetRun): string | null {
  return run.writers.find((writer) => writer.waitingFor !== null)?.waitingFor ?? null;
}

/** Sends the feed back to this group, unless it already goes back to an earlier one. */
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
 * Tracks a background step until it has ended. Failures are never lost: Temporal would retry a workflow task with an
 * unhandled rejection for ever.
 */
export function track<Result>(run: SetRun, task: Promise<Result>): Promise<Result> {
  run.tasks.add(task);
  const forget = () => void run.tasks.delete(task);
  task.then(forget, (error: unknown) => {
    forget();
    if (isCancellation(error)) return noteAbandoned(run, error);
    if (error instanceof ActivityFailure) run.problem ??= failureReason(error);
    else run.break(error);
  });
  return task;
}

/** Records what a cancelled step reports to leave behind. */
export function noteAbandoned(run: SetRun, error: unknown): void {
  const cause = error instanceof ActivityFailure ? error.cause : undefined;
  const [details] = cause instanceof CancelledFailure ? ((cause.details as unknown[] | undefined) ?? []) : [];
  const { left } = (details ?? {}) as { left?: string };
  run.hanging ??= left;
}

/** Waits until no background step is running. */
export async function allStopped(run: SetRun): Promise<void> {
  while (run.tasks.size > 0) await Promise.allSettled([...run.tasks]);
}
