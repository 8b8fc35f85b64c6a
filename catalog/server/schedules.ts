import type { ScheduleRow } from '../rows.js';
import { TapeflowFailure, usageFailure } from '../../config/failures.js';
import type { Catalog } from '../open-catalog.js';
import { finalRetrievalStates, reasonOf, retrievalNamed } from '../retrievals/retrievals.js';
import { finalSetStates, type RetrievalState, type SetState } from '../schema.js';
import { findSet, isSetId } from '../sets/sets.js';

/** What a schedule is made of; one that is not said to be paused runs by itself. */
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

/** The schedule of that name; a usage failure with a sentence when there is none. */
export async function scheduleNamed(db: Catalog, name: string): Promise<ScheduleRow> {
  const row = await findSchedule(db, name);
  if (row !== undefined) return row;
  throw usageFailure(
    'NoSuchSchedule',
    `There is no schedule ${name}.`,
    '`tapeflow schedule list` lists them.',
  );
}

/** Writes a schedule down; with `replace` in the place of the one of that name, whose runs are forgotten. */
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
          `There is a schedule ${schedule.name} already.`,
          'Use --replace, or another name.',
        );
      await tx.deleteFrom('schedules').where('name', '=', schedule.name).execute();
    }
    await tx
      .insertInto('schedules')
      .values({ ...schedule, created_at: Date.now() })
      .execute();
  });
}

/** Key in `meta`: the schedules of version 0.1, which only the server knew, were taken over. */
const importedKey = 'schedules_imported';

/** True once the schedules of version 0.1 were taken over. */
export async function areImported(db: Catalog): Promise<boolean> {
  const mark = db.selectFrom('meta').select('value').where('key', '=', importedKey);
  return (await mark.executeTakeFirst()) !== undefined;
}

/** Notes that they were. */
export async function noteImported(db: Catalog): Promise<void> {
  await db
    .insertInto('meta')
    .values({ key: importedKey, value: new Date().toISOString() })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .execute();
}

/** Notes whether a schedule runs by itself. */
export async function pauseSchedule(db: Catalog, name: string, paused: boolean): Promise<void> {
  const set = { paused: paused ? 1 : 0 };
  await db.updateTable('schedules').set(set).where('name', '=', name).execute();
}

/** Notes when the server has made the schedule, of that beginning, as it was told. */
export async function recordTold(
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

/** Notes that a command asks for a run now. */
export async function askForRun(db: Catalog, name: string): Promise<void> {
  await db.updateTable('schedules').set({ run_asked_at: Date.now() }).where('name', '=', name).execute();
}

/** Forgets a schedule; its sets stay. */
export async function removeSchedule(db: Catalog, name: string): Promise<void> {
  await db.deleteFrom('schedules').where('name', '=', name).execute();
}

/**
 * Notes that a run has begun; a repeated step of the same run changes nothing.
 *
 * @param made what it goes on with, if an earlier run has left that.
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

/** Notes the set, verify or copy that the run of that beginning makes. */
export async function recordRunSet(db: Catalog, name: string, runAt: number, id: string): Promise<void> {
  const made = { run_set: id, run_ended_at: null, run_reason: null };
  await db.updateTable('schedules').set(made).where('name', '=', name).where('run_at', '=', runAt).execute();
}

/** Notes that the run of that beginning ended and made nothing: why, or null where nothing was to be done. */
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
 * Fails where a run of that beginning has ended without making anything, or a later one has begun: what is asked for in
 * its name then makes nothing any more.
 */
export function requireOpenRun(row: ScheduleRow, runAt: number): void {
  const { name, run_at: lastAt, run_set: made, run_ended_at: endedAt, run_reason: reason } = row;
  if (lastAt === null || lastAt < runAt) return;
  if (lastAt === runAt && (made !== null || endedAt === null)) return;
  throw new TapeflowFailure('RunIsOver', reason ?? `That run of the schedule ${name} is over.`);
}

/** How the last run of a schedule ended, or how it stands. Times are milliseconds since 1970. */
export interface LastRun {
  startedAt: number;
  endedAt: number | null;
  /** Its set, verify or copy; null: it made none. */
  id: string | null;
  /**
   * That of what it made; without that `failed`, `running` where it has not yet, `completed` where nothing was to be
   * done.
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

/** What has expired was a success. */
const successes: readonly LastRun['state'][] = ['completed', 'completed_with_skips', 'expired'];
const ends: readonly LastRun['state'][] = [...finalSetStates, ...finalRetrievalStates];

/**
 * A sentence's end for a schedule whose last run has ended without a success; undefined where nothing is to be said.
 */
export function runTrouble(run: LastRun | undefined): string | undefined {
  if (run === undefined || !ends.includes(run.state) || successes.includes(run.state)) return undefined;
  const { id, state } = run;
  const of = id === null ? '' : isSetId(id) ? `, set ${id},` : `, ${id},`;
  const how = { failed: 'failed', incomplete: 'ended incomplete' }[state as string] ?? 'was cancelled';
  return `its last run${of} ${how}: ${run.reason ?? 'no reason is known'}`;
}
