import { english } from '../../messages/sentence.js';
import type { ScheduleRow } from '../rows.js';
import { TapeflowFailure, usageFailure } from '../../config/failures.js';
import type { Catalog } from '../open-catalog.js';
import { finalRetrievalStates, retrievalNamed } from '../retrievals/retrievals.js';
import { reasonOf } from '../retrievals/retrieval-problems.js';
import type { RetrievalState } from '../schema/retrieval-tables.js';
import { finalSetStates, waitingSetStates, type SetState } from '../schema/set-tables.js';
import { isSetId } from '../sets/set-id.js';
import { findSet } from '../sets/sets.js';

/** The fields of a new schedule; unless paused, it runs automatically. */
export type NewSchedule = Pick<ScheduleRow, 'name' | 'cron' | 'zone' | 'command' | 'arguments'> &
  Partial<Pick<ScheduleRow, 'paused'>>;

/** Every schedule, by name. */
export function listSchedules(db: Catalog): Promise<ScheduleRow[]> {
  return db.selectFrom('schedules').selectAll().orderBy('name').execute();
}

/** The schedule of that name, or undefined. */
export function findSchedule(db: Catalog, name: string): Promise<ScheduleRow | undefined> {
  return db.selectFrom('schedules').selectAll().where('name', '=', name).executeTakeFirst();
}

/** The schedule of that name; throws a usage failure when there is none. */
export async function scheduleNamed(db: Catalog, name: string): Promise<ScheduleRow> {
  const row = await findSchedule(db, name);
  if (row !== undefined) return row;
  throw usageFailure(
    'NoSuchSchedule',
    english`There is no schedule ${name}.`,
    english`\`tapeflow schedule list\` lists them.`,
  );
}

/** Creates a schedule; with `replace` it replaces the one of that name, whose runs are forgotten. */
export async function insertSchedule(
  catalog: Catalog,
  schedule: NewSchedule,
  { replace }: { replace: boolean },
): Promise<void> {
  await catalog.transaction().execute(async (tx) => {
    if ((await findSchedule(tx, schedule.name)) !== undefined) {
      if (!replace)
        throw usageFailure(
          'ScheduleExists',
          english`There is a schedule ${schedule.name} already.`,
          english`Use --replace, or another name.`,
        );
      await tx.deleteFrom('schedules').where('name', '=', schedule.name).execute();
    }
    await tx
      .insertInto('schedules')
      .values({ ...schedule, created_at: Date.now() })
      .execute();
  });
}

/** Key in `meta`: the schedules of version 0.1, which only the server knew, were imported. */
const importedKey = 'schedules_imported';

/** True once the schedules of version 0.1 were imported. */
export async function schedulesImported(db: Catalog): Promise<boolean> {
  const mark = db.selectFrom('meta').select('value').where('key', '=', importedKey);
  return (await mark.executeTakeFirst()) !== undefined;
}

/** Records that they were. */
export async function recordSchedulesImported(db: Catalog): Promise<void> {
  await db
    .insertInto('meta')
    .values({ key: importedKey, value: new Date().toISOString() })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .execute();
}

/** Records whether a schedule runs automatically. */
export async function pauseSchedule(db: Catalog, name: string, paused: boolean): Promise<void> {
  const set = paused ? { paused: 1 } : { paused: 0, resumed_at: Date.now() };
  await db.updateTable('schedules').set(set).where('name', '=', name).execute();
}

/** Records when the server created a registered schedule. */
export async function recordRegistered(
  db: Catalog,
  { name, created_at: madeAt }: Pick<ScheduleRow, 'name' | 'created_at'>,
  toldAt: number,
): Promise<void> {
  await db
    .updateTable('schedules')
    .set({ told_at: toldAt })
    .where('name', '=', name)
    .where('created_at', '=', madeAt)
    .execute();
}

/** Records that a command requests a run now. */
export async function requestRun(db: Catalog, name: string): Promise<void> {
  await db.updateTable('schedules').set({ run_asked_at: Date.now() }).where('name', '=', name).execute();
}

/** Forgets a schedule; its sets stay. */
export async function removeSchedule(db: Catalog, name: string): Promise<void> {
  await db.deleteFrom('schedules').where('name', '=', name).execute();
}

/**
 * Records that a run has begun; a repeated step of the same run changes nothing.
 *
 * @param made what it continues, if an earlier run left something unfinished.
 */
export async function recordRun(
  db: Catalog,
  name: string,
  runAt: number,
  made: string | null = null,
): Promise<void> {
  const begun = { run_at: runAt, run_set: made, run_ended_at: null, run_reason: null };
  await db
    .updateTable('schedules')
    .set(begun)
    .where('name', '=', name)
    .where((eb) => eb.or([eb('run_at', 'is', null), eb('run_at', '<', runAt)]))
    .execute();
}

/** Records the set, verify or copy of the run that began at that time. */
export async function recordRunSet(db: Catalog, name: string, runAt: number, id: string): Promise<void> {
  const made = { run_set: id, run_ended_at: null, run_reason: null };
  await db.updateTable('schedules').set(made).where('name', '=', name).where('run_at', '=', runAt).execute();
}

/**
 * Records that the run that began at that time ended without making anything: why, or null when nothing was to be done.
 */
export async function recordRunEnd(
  db: Catalog,
  name: string,
  runAt: number,
  reason: string | null,
): Promise<void> {
  const ended = { run_ended_at: Date.now(), run_reason: reason };
  await db
    .updateTable('schedules')
    .set(ended)
    .where('name', '=', name)
    .where('run_at', '=', runAt)
    .where('run_set', 'is', null)
    .execute();
}

/**
 * Throws when the run that began at that time has ended without making anything, or a later one has begun: a stale step
 * must not make anything for it.
 */
export function requireOpenRun(row: ScheduleRow, runAt: number): void {
  const { name, run_at: lastAt, run_set: made, run_ended_at: endedAt, run_reason: reason } = row;
  if (lastAt === null || lastAt < runAt) return;
  if (lastAt === runAt && (made !== null || endedAt === null)) return;
  throw new TapeflowFailure('RunIsOver', reason ?? english`That run of the schedule ${name} is over.`);
}

/** How the last run of a schedule ended, or its current state. Times are milliseconds since 1970. */
export interface LastRun {
  startedAt: number;
  endedAt: number | null;
  /** Its set, verify or copy; null: it made none. */
  id: string | null;
  /**
   * The state of what it made; otherwise `failed`, `running` if it may still make something, or `completed` if nothing
   * was to be done.
   */
  state: SetState | RetrievalState;
  reason: string | null;
}

/** The last run; undefined: it has not run yet. */
export async function lastRunOf(db: Catalog, row: ScheduleRow): Promise<LastRun | undefined> {
  const { run_at: startedAt, run_set: id, run_ended_at: endedAt, run_reason: reason } = row;
  if (startedAt === null) return undefined;
  const set = id === null || !isSetId(id) ? undefined : await findSet(db, id);
  if (set !== undefined)
    return { startedAt, id, endedAt: set.finished_at, state: set.state, reason: set.reason };
  if (id !== null && !isSetId(id)) {
    const read = await retrievalNamed(db, id);
    return { startedAt, id, endedAt: read.finished_at, state: read.state, reason: await reasonOf(db, read) };
  }
  const state = reason !== null ? 'failed' : endedAt !== null ? 'completed' : 'running';
  return { startedAt, id, endedAt, state, reason };
}

/**
 * Whether a run is at work: one that falls due meanwhile comes after it. One that waits for a person may wait for days.
 */
export function isAtWork(run: LastRun | undefined): boolean {
  return run !== undefined && run.endedAt === null && !waits.includes(run.state);
}

/** The last time, in ms since 1970, that needs no run any more: what passes while it is paused is not missed. */
export function settledUntil({
  due_at: due,
  created_at: made,
  run_at: run,
  resumed_at: resumed,
}: ScheduleRow): number {
  return Math.max(due ?? 0, run ?? 0, made, resumed ?? 0);
}

/** What has expired was a success. */
const successes: readonly LastRun['state'][] = ['completed', 'completed_with_skips', 'expired'];
const waits: readonly LastRun['state'][] = waitingSetStates;
const ends: readonly LastRun['state'][] = [...finalSetStates, ...finalRetrievalStates];

/**
 * The end of a sentence about a schedule whose last run was not successful; undefined when there is nothing to report.
 */
export function runTrouble(run: LastRun | undefined): string | undefined {
  if (run === undefined || !ends.includes(run.state) || successes.includes(run.state)) return undefined;
  const { id, state } = run;
  const last =
    id === null
      ? english`its last run`
      : isSetId(id)
        ? english`its last run, set ${id},`
        : english`its last run, ${id},`;
  const reason = run.reason ?? english`no reason is known`;
  if (state === 'failed') return english`${last} failed: ${reason}`;
  return state === 'incomplete'
    ? english`${last} ended incomplete: ${reason}`
    : english`${last} was cancelled: ${reason}`;
}
