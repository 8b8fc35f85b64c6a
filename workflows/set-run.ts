import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  TimeoutFailure,
  condition,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { ArchiveActivities, CompressActivities } from '../activities/index.js';
import type { PlannedGroup } from '../activities/set-state.js';
import type { SetState } from '../catalog/schema.js';
import { activityOptions } from './activity-options.js';
import { BackOff, isLongRun } from './back-off.js';
import { allLanes, newWriters, readyBytes, type Lane, type Writer } from './lanes.js';
import { searchAttributes, type BackupSetInput, type SetProgress } from './messages.js';

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
  /** What was left behind when the set was cancelled: steps in a drive that does not answer. */
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
 * True when the run leaves the rest to a next one: its history is long. Every loop of a set asks this in each turn; what waits
 * then, for a tape or for room, is left as well, since the catalog knows of it.
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

/** Numbers of groups in some state on the way to a drive, each once, ascending. */
function numbersIn(run: SetRun, of: (lane: Lane) => Iterable<number>): number[] {
  return [...new Set(allLanes(run).flatMap((lane) => [...of(lane)]))].sort((a, b) => a - b);
}

const readyIn = (lane: Lane) => lane.ready.map((group) => group.group);
const writingIn = ({ writing }: Lane) => (writing === undefined ? [] : [writing.group]);
const unsyncedIn = (lane: Lane) => lane.unsynced.keys();

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

/** The set's state for the catalog, and its reason. */
function stateOf(run: SetRun): { state: SetState; reason: string | null } {
  if (run.paused) return { state: 'paused', reason: `\`tapeflow resume ${run.input.setId}\` lets it go on` };
  const reason = waitingFor(run);
  if (reason !== null) return { state: 'waiting_for_tape', reason };
  return { state: run.scanned ? 'running' : 'scanning', reason: null };
}

/**
 * Writes the state that the set has now into the catalog, one telling after the other: two at once could end in either order,
 * and a paused set would look as if it ran.
 */
export function noteState(run: SetRun): Promise<void> {
  const turn = run.noting.then(async () => {
    const { state, reason } = stateOf(run);
    const noted = `${state} ${reason ?? ''}`;
    if (run.noted === noted) return;
    const { setId } = run.input;
    await run.activities.bookkeeping.recordState.executeWithOptions({ summary: state }, [
      setId,
      state,
      reason,
    ]);
    run.noted = noted;
  });
  run.noting = turn.catch(() => undefined);
  return turn;
}

/** Waits until no background step is under way. */
export async function allStopped(run: SetRun): Promise<void> {
  while (run.tasks.size > 0) await Promise.allSettled([...run.tasks]);
}

/** The progress query's answer. */
export function progressOf(run: SetRun): SetProgress {
  return {
    phase: phaseOf(run),
    reason: waitingFor(run) ?? (isShortOfStaging(run) ? noRoom(run) : null),
    cursor: run.cursor,
    staging: [...run.staging.keys()],
    ready: numbersIn(run, readyIn),
    writing: numbersIn(run, writingIn)[0] ?? null,
    unsynced: numbersIn(run, unsyncedIn),
    stagedBytes: stagedBytes(run),
    historyLength: workflowInfo().historyLength,
  };
}

const numbersOf = (groups: Iterable<number>) => [...groups].slice(0, 20).join(', ') || '–';

function phaseOf(run: SetRun): SetProgress['phase'] {
  if (run.paused) return 'paused';
  if (waitingFor(run) !== null) {
    const waiting = run.writers.filter((writer) => writer.waitingFor !== null);
    return waiting.every((writer) => writer.isHeld) ? 'waiting_for_drive' : 'waiting_for_tape';
  }
  if (isShortOfStaging(run)) return 'short_of_staging';
  if (run.draining) return 'draining';
  if (!run.scanned) return 'scanning';
  return run.fed ? 'finishing' : 'running';
}

/** Nothing goes on to a tape before staging has room for the groups that wait for it: neither a drive nor a release is at work. */
function isShortOfStaging(run: SetRun): boolean {
  if (run.roomless.size === 0 || run.roomless.size < run.staging.size || run.releasing > 0) return false;
  return allLanes(run).every(
    (lane) => lane.ready.length === 0 && lane.writing === undefined && lane.unsynced.size === 0,
  );
}

function noRoom({ roomless }: SetRun): string {
  return `staging has no room for ${roomless.size === 1 ? 'group' : 'groups'} ${numbersOf(roomless)}`;
}

/** Tells when the set begins to wait for nothing but room in staging, and when it no longer does. */
export async function tellOfStaging(run: SetRun): Promise<void> {
  for (let short = false; !run.over; short = !short) {
    await condition(() => run.over || isShortOfStaging(run) !== short);
    tell(run);
  }
}

/** The phase as a search attribute: what the set does, or the state in which it has ended. */
export function tellPhase(phase: SetProgress['phase'] | SetState): void {
  if (workflowInfo().typedSearchAttributes.get(searchAttributes.phase) === phase) return;
  upsertSearchAttributes([{ key: searchAttributes.phase, value: phase }]);
}

/** Tells the Temporal UI what the set is doing: the phase as a search attribute, the rest as text. */
export function tell(run: SetRun): void {
  const phase = phaseOf(run);
  tellPhase(phase);
  const { drainBytes } = run.input.options;
  const { reason: waits } = progressOf(run);
  const atDrives = run.writers.flatMap(({ drive, lanes }) =>
    lanes.flatMap((lane) => {
      const gathers = drainBytes > 0 && !lane.streaming && !run.fed;
      const gathered = gathers ? ` (${readyBytes(run, lane)} bytes; it begins at ${drainBytes})` : '';
      return [
        `- waiting for drive ${drive}, pool ${lane.pool}: ${numbersOf(readyIn(lane))}${gathered}`,
        `- being written: ${numbersOf(writingIn(lane))}`,
        `- written, waiting for the next sync: ${numbersOf(unsyncedIn(lane))}`,
      ];
    }),
  );
  setCurrentDetails(
    [
      `**Set ${run.input.setId}** · ${phase}${waits === null ? '' : `: ${waits}`}`,
      `- groups begun so far: ${run.cursor}`,
      `- being compressed or moved: ${numbersOf([...run.staging.keys()].filter((group) => !run.roomless.has(group)))}`,
      ...(run.roomless.size === 0 ? [] : [`- waiting for room in staging: ${numbersOf(run.roomless)}`]),
      ...atDrives,
    ].join('\n'),
  );
}

/** The type of the ApplicationFailure inside an activity's failure. */
export function failureType(error: unknown): string | undefined {
  return error instanceof ActivityFailure && error.cause instanceof ApplicationFailure
    ? (error.cause.type ?? undefined)
    : undefined;
}

/** The facts that a step gave with its failure. */
export function failureDetails(error: unknown): Record<string, unknown> {
  const details: unknown =
    error instanceof ActivityFailure && error.cause instanceof ApplicationFailure
      ? error.cause.details?.[0]
      : undefined;
  return typeof details === 'object' && details !== null ? { ...details } : {};
}

/** The sentence inside an activity's failure. */
export function failureReason(error: unknown): string {
  if (error instanceof ActivityFailure) return failureReason(error.cause);
  return error instanceof Error ? error.message : String(error);
}

/** Rounds of a step whose workers died again and again before it counts as poison. */
const mostDeaths = 20;

/** True for a step that a shutdown of its worker has ended in a run whose history is long: it is left to the next run. */
export function isLeft(error: unknown): boolean {
  return failureType(error) === 'WorkerShutdown';
}

/**
 * Runs a step, and again when its attempts ended with dead workers. Those say nothing about the step itself: a day of
 * crashes must not park a healthy group, and any number of orderly shutdowns is no failure. See `isLeft`.
 */
export async function outlivingWorkers<Result>(step: () => Promise<Result>): Promise<Result> {
  const backOff = new BackOff();
  for (let deaths = 0; ;) {
    try {
      return await step();
    } catch (error) {
      const died = error instanceof ActivityFailure && error.cause instanceof TimeoutFailure;
      if (!died && (!isLeft(error) || isLongRun())) throw error;
      if (died) deaths += 1;
      if (deaths > mostDeaths) throw error;
      await backOff.pause('its worker has ended: again in a while');
    }
  }
}
