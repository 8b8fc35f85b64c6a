import {
  ActivityFailure,
  ApplicationFailure,
  TimeoutFailure,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type {
  ArchiveActivities,
  CompressActivities,
  DriveActivities,
  DriveHostActivities,
} from '../activities/index.js';
import type { PlannedGroup } from '../activities/set-state.js';
import { activityOptions } from './activity-options.js';
import { searchAttributes, type BackupSetInput, type SetProgress } from './messages.js';

/** The activities of one set, each with its options. */
export function setActivities({ options, drive }: BackupSetInput) {
  const policies = activityOptions(options, drive);
  return {
    bookkeeping: proxyActivities<ArchiveActivities>(policies.bookkeeping),
    scan: proxyActivities<ArchiveActivities>(policies.scan),
    promote: proxyActivities<ArchiveActivities>(policies.promote),
    compress: proxyActivities<CompressActivities>(policies.compress),
    drive: proxyActivities<DriveActivities>(policies.drive),
    waiting: proxyActivities<DriveHostActivities>(policies.waitForFinal),
    watching: proxyActivities<DriveHostActivities>(policies.watchTape),
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
  /** Groups for the drive, lowest number first. */
  ready: PlannedGroup[];
  writing: PlannedGroup | undefined;
  /** With a watermark: it was reached, and the drive writes what is ready until nothing is. */
  streaming: boolean;
  /** The group that the feed has no room for now. */
  next: PlannedGroup | undefined;
  /** Groups that the drive has waited for long enough: later ones go before them. */
  overtaken: Set<number>;
  /** Written groups that no sync has covered, with the tape's UUID. */
  unsynced: Map<number, { group: PlannedGroup; tape: string; bytes: number }>;
  /** When the oldest of them was written, in milliseconds. */
  unsyncedSince: number;
  /** Bytes that each group may hold in staging. */
  staged: Map<number, number>;
  /** Times that the drive found a group's staged bytes damaged or gone. */
  damages: Map<number, number>;
  /** Everything that runs in the background; a set that ends early waits until all of it has stopped. */
  tasks: Set<Promise<unknown>>;
  /** Releases under way. */
  releasing: number;
  /** The next group waits for staging that only a sync and a release can free. */
  shortOfStaging: boolean;
  scanned: boolean;
  paused: boolean;
  /** No further group is begun: the workflow ends its window and continues as new. */
  draining: boolean;
  /** Every group was begun and has come to the drive's queue, or was parked. */
  fed: boolean;
  tapeLoaded: boolean;
  waitingFor: string | null;
  cancel: { discard: boolean } | undefined;
  /** Rejects with the first error of a background task that no step knows: a defect of the workflow. */
  broken: Promise<never>;
  break: (error: unknown) => void;
  /** The first activity that failed for good in the background: the set goes on, and says so if it cannot complete. */
  problem: string | undefined;
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
    ready: [],
    writing: undefined,
    streaming: false,
    next: undefined,
    overtaken: new Set(),
    unsynced: new Map(),
    unsyncedSince: 0,
    staged: new Map(),
    damages: new Map(),
    tasks: new Set(),
    releasing: 0,
    shortOfStaging: false,
    scanned: input.scanned,
    paused: input.paused,
    draining: false,
    fed: false,
    tapeLoaded: false,
    waitingFor: null,
    cancel: undefined,
    broken,
    break: breakRun,
    problem: undefined,
  };
}

/** Puts a group into the drive's queue, in the order of group numbers. */
export function makeReady(run: SetRun, group: PlannedGroup): void {
  const at = run.ready.findIndex((other) => other.group > group.group);
  run.ready.splice(at === -1 ? run.ready.length : at, 0, group);
}

/** Bytes of the archives that wait for the drive. */
export function readyBytes(run: SetRun): number {
  return run.ready.reduce((bytes, { group }) => bytes + (run.staged.get(group) ?? 0), 0);
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
    if (isCancellation(error)) return;
    if (error instanceof ActivityFailure) run.problem ??= failureReason(error);
    else run.break(error);
  });
  return task;
}

/** Waits until no background step is under way. */
export async function allStopped(run: SetRun): Promise<void> {
  while (run.tasks.size > 0) await Promise.allSettled([...run.tasks]);
}

/** The progress query's answer. */
export function progressOf(run: SetRun): SetProgress {
  return {
    phase: phaseOf(run),
    reason: run.waitingFor,
    cursor: run.cursor,
    staging: [...run.staging.keys()],
    ready: run.ready.map((group) => group.group),
    writing: run.writing?.group ?? null,
    unsynced: [...run.unsynced.keys()],
    stagedBytes: stagedBytes(run),
    historyLength: workflowInfo().historyLength,
  };
}

function phaseOf(run: SetRun): SetProgress['phase'] {
  if (run.paused) return 'paused';
  if (run.waitingFor !== null) return 'waiting_for_tape';
  if (run.draining) return 'draining';
  if (!run.scanned) return 'scanning';
  return run.fed ? 'finishing' : 'running';
}

/** Tells the Temporal UI what the set is doing: the phase as a search attribute, the rest as text. */
export function tell(run: SetRun): void {
  const phase = phaseOf(run);
  if (workflowInfo().typedSearchAttributes.get(searchAttributes.phase) !== phase) {
    upsertSearchAttributes([{ key: searchAttributes.phase, value: phase }]);
  }
  const { drainBytes } = run.input.options;
  const gathers = drainBytes > 0 && !run.streaming && !run.fed;
  const numbers = (groups: Iterable<number>) => [...groups].slice(0, 20).join(', ') || '–';
  setCurrentDetails(
    [
      `**Set ${run.input.setId}** · ${phase}${run.waitingFor === null ? '' : `: ${run.waitingFor}`}`,
      `- groups begun so far: ${run.cursor}`,
      `- being compressed or moved: ${numbers(run.staging.keys())}`,
      `- waiting for drive ${run.input.drive}: ${numbers(run.ready.map((group) => group.group))}${gathers ? ` (${readyBytes(run)} bytes; it begins at ${drainBytes})` : ''}`,
      `- being written: ${run.writing?.group ?? '–'}`,
      `- written, waiting for the next sync: ${numbers(run.unsynced.keys())}`,
    ].join('\n'),
  );
}

/** The type of the ApplicationFailure inside an activity's failure. */
export function failureType(error: unknown): string | undefined {
  return error instanceof ActivityFailure && error.cause instanceof ApplicationFailure
    ? (error.cause.type ?? undefined)
    : undefined;
}

/** The sentence inside an activity's failure. */
export function failureReason(error: unknown): string {
  if (error instanceof ActivityFailure) return failureReason(error.cause);
  return error instanceof Error ? error.message : String(error);
}

/** Rounds of a step whose workers died again and again before it counts as poison. */
const mostDeaths = 20;

/**
 * Runs a step, and again when its attempts ended with dead workers. Those say nothing about the step itself: a day of
 * crashes must not park a healthy group.
 */
export async function outlivingWorkers<Result>(step: () => Promise<Result>): Promise<Result> {
  for (let deaths = 0; ; deaths += 1) {
    try {
      return await step();
    } catch (error) {
      const died = error instanceof ActivityFailure && error.cause instanceof TimeoutFailure;
      if (!died || deaths >= mostDeaths) throw error;
    }
  }
}
