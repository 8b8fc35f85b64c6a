import { type NewSet, differencesFrom, placesWanted } from './set-differences.js';
import type { SetRow } from '../rows.js';
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { toBytes } from '../../entry/byte-string.js';
import { TapeflowFailure, usageFailure } from '../../config/failures.js';
import { recordEvents } from '../groups/events.js';
import { listedCounts } from '../files/listed-files.js';
import { lostGroupsOf } from '../tapes/lost-tapes.js';
import type { Catalog } from '../open-catalog.js';
import { baseFor } from './set-base.js';
import { placesOf, placesText, type CopyPlace } from './set-copies.js';
import { finalSetStates, type GroupState, type SetState } from '../schema.js';

const setIdPattern = /^\d{4}-\d{2}_\d{6}$/;

/** True for `YYYY-MM_NNNNNN`, for example `2026-11_000001`. */
export function isSetId(text: string): boolean {
  return setIdPattern.test(text);
}

/** `YYYY-MM` of the local calendar. */
export function monthOf(date: Date): string {
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, '0')}`;
}

/** What `openSet` made or found. */
export interface OpenedSet {
  set: SetRow;
  attached: boolean;
  /** Why a new set does not build on the newest set, or on none; see `SetBase`. */
  note: string | undefined;
  /** Unfinished sets of the same sources that differ from what was requested, newest first, with the differences. */
  others: { id: string; differs: string[] }[];
}

/**
 * Creates a set, or finds an unfinished one with the same arguments (unless `fresh`). Both happen in one transaction,
 * so that two simultaneous commands get one set if they ask for the same, and two otherwise. A set that finds no base
 * becomes a full one.
 */
export async function openSet(
  catalog: Catalog,
  wanted: NewSet,
  options: { fresh: boolean; now?: Date },
): Promise<OpenedSet> {
  return catalog.transaction().execute(async (tx) => {
    const sources = JSON.stringify(wanted.sources);
    const found = (set: SetRow): OpenedSet => ({ set, attached: true, note: undefined, others: [] });
    if (wanted.madeBy !== undefined) {
      const made = await tx
        .selectFrom('sets')
        .selectAll()
        .where('made_by', '=', wanted.madeBy)
        .executeTakeFirst();
      if (made !== undefined) return found(made);
    }
    const unfinished = await unfinishedSetsLike(tx, wanted);
    const others = unfinished.filter(({ differs }) => differs.length > 0);
    if (wanted.id !== undefined) {
      const existing = await findSet(tx, wanted.id);
      if (existing !== undefined) return found(attachable(existing, wanted));
    } else if (!options.fresh) {
      const same = unfinished.find(({ differs }) => differs.length === 0);
      if (same !== undefined) return found(same.set);
    }
    const now = options.now ?? new Date();
    const id = wanted.id ?? (await nextSetId(tx, monthOf(now)));
    const pools = placesWanted(wanted).map(({ pool }) => pool);
    const base = await baseFor(tx, wanted.mode, sources, pools);
    const set = await tx
      .insertInto('sets')
      .values({
        id,
        uuid: randomUUID(),
        state: 'scanning',
        sources,
        excludes: JSON.stringify(wanted.excludes),
        pool: wanted.pool,
        drive: wanted.drive,
        places: placesText(wanted.places ?? []),
        mode: base.id === undefined ? 'full' : wanted.mode,
        asked_mode: wanted.mode,
        made_by: wanted.madeBy ?? null,
        base_id: base.id ?? null,
        direct: wanted.direct ? 1 : 0,
        options: JSON.stringify(wanted.options),
        scanned: 0,
        left_out: '[]',
        created_at: now.getTime(),
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    const ids = others.map(({ set: { id }, differs }) => ({ id, differs }));
    return { set, attached: false, note: base.note, others: ids };
  });
}

/** The unfinished sets of the same sources, newest first, and how each differs from what is wanted. */
export async function unfinishedSetsLike(
  db: Catalog,
  wanted: NewSet,
): Promise<{ set: SetRow; differs: string[] }[]> {
  const sets = await db
    .selectFrom('sets')
    .selectAll()
    .where('state', 'not in', finalSetStates)
    .where('sources', '=', JSON.stringify(wanted.sources))
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
  return sets.map((set) => ({ set, differs: differencesFrom(set, wanted) }));
}

function attachable(set: SetRow, wanted: NewSet): SetRow {
  if (finalSetStates.includes(set.state)) {
    throw usageFailure(
      'SetExists',
      `The set ${set.id} exists and is ${set.state}.`,
      'Leave --set out to start the next one.',
    );
  }
  if (set.sources !== JSON.stringify(wanted.sources)) {
    throw usageFailure(
      'SetExists',
      `The set ${set.id} exists with other sources: ${set.sources}.`,
      'Leave --set out.',
    );
  }
  const differs = differencesFrom(set, wanted);
  if (differs.length > 0)
    throw usageFailure(
      'SetExists',
      `The set ${set.id} exists and is another one: ${differs.join(', and ')}.`,
      'Leave --set out.',
    );
  return set;
}

async function nextSetId(db: Catalog, month: string): Promise<string> {
  const prefix = `${month}_`;
  const of = async (table: 'sets' | 'seen_sets') => {
    const column = table === 'sets' ? 'id' : 'set_id';
    const row = await db
      .selectFrom(table)
      .select(sql<string | null>`max(${sql.ref(column)})`.as('last'))
      .where(sql.ref(column), 'like', `${prefix}%`)
      .executeTakeFirst();
    return row?.last?.startsWith(prefix) === true ? Number(row.last.slice(prefix.length)) : 0;
  };
  const last = Math.max(await of('sets'), await of('seen_sets'));
  return prefix + String(last + 1).padStart(6, '0');
}

/** Records set numbers found on a tape, so that they are never reused. */
export async function rememberSeenSets(catalog: Catalog, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const seen = await catalog.selectFrom('seen_sets').select('set_id').where('set_id', 'in', ids).execute();
  // Every write checks its tape: if nothing is new, do not wait for another transaction.
  if (seen.length === new Set(ids).size) return;
  await catalog
    .insertInto('seen_sets')
    .values(ids.map((set_id) => ({ set_id })))
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** The set of that id, or undefined. */
export async function findSet(db: Catalog, id: string): Promise<SetRow | undefined> {
  return db.selectFrom('sets').selectAll().where('id', '=', id).executeTakeFirst();
}

/** The set of that id; throws a usage failure when there is none. */
export async function setNamed(db: Catalog, id: string): Promise<SetRow> {
  const set = await findSet(db, id);
  if (set !== undefined) return set;
  throw usageFailure('NoSuchSet', `There is no set ${id} in the catalog.`, '`tapeflow sets` lists them.');
}

/** The set of that id, for reading its files; throws a failure when there is none, or when nothing of it is left. */
export async function setWithFiles(db: Catalog, id: string): Promise<SetRow> {
  const set = await setNamed(db, id);
  if (set.state !== 'expired') return set;
  throw new TapeflowFailure(
    'SetExpired',
    `The set ${id} has expired, and nothing of it is left: ${set.reason ?? 'its tape was erased'}.`,
    { advice: '`tapeflow find GLOB` looks in the sets that are left.' },
  );
}

/** The newest set with one of these members, or something below it, in a committed archive; undefined: none. */
export async function newestSetWith(db: Catalog, names: readonly string[]): Promise<string | undefined> {
  for (const { id, scanned } of await listSets(db)) {
    for (const name of names) {
      const row = await db
        .selectFrom('files')
        .innerJoin('copies', (join) =>
          join
            .on('copies.set_id', '=', sql<string>`coalesce(files.held_set, files.set_id)`)
            .on('copies.group_no', '=', sql<number>`coalesce(files.held_group, files.group_no)`),
        )
        .select('files.set_id')
        .where('files.set_id', '=', id)
        .where('copies.state', '=', 'committed')
        .where('files.tar_offset', 'is not', null)
        // What earlier sets have on tape says nothing about the progress of this set's scan.
        .$if(scanned === 0, (query) => query.where('files.state', '!=', 'unchanged'))
        .where((eb) =>
          eb.or([
            eb('files.path', '=', toBytes(name)),
            // A folder's contents sort between `name/` and `name0`.
            eb.and([eb('files.path', '>=', toBytes(`${name}/`)), eb('files.path', '<', toBytes(`${name}0`))]),
          ]),
        )
        .limit(1)
        .executeTakeFirst();
      if (row !== undefined) return id;
    }
  }
  return undefined;
}

/** Every set, newest first. */
export async function listSets(db: Catalog): Promise<SetRow[]> {
  return db.selectFrom('sets').selectAll().orderBy('id', 'desc').execute();
}

/** Sets that are not in a final state, oldest first. */
export async function unfinishedSets(db: Catalog): Promise<SetRow[]> {
  return db.selectFrom('sets').selectAll().where('state', 'not in', finalSetStates).orderBy('id').execute();
}

/** Records a set's state, with an event if it changed (unless `quietly`); never over a state in `unless`. */
export async function recordSetState(
  catalog: Catalog,
  setId: string,
  state: SetState,
  reason: string | null,
  unless: readonly SetState[] = [],
  quietly = false,
): Promise<void> {
  await catalog.transaction().execute(async (tx) => {
    const before = await setNamed(tx, setId);
    if (unless.includes(before.state) || (before.state === state && before.reason === reason)) return;
    const finished = finalSetStates.includes(state) ? Date.now() : null;
    await tx
      .updateTable('sets')
      .set({ state, reason, finished_at: finished })
      .where('id', '=', setId)
      .execute();
    if (quietly && before.state === state) return;
    await recordEvents(tx, [{ setId, group: null, stage: state, detail: reason ?? undefined }]);
  });
}

/** Records which workflow works on a set: if ids change, that one is ended before another takes over. */
export async function recordWorkflow(catalog: Catalog, setId: string, workflowId: string): Promise<void> {
  await catalog
    .updateTable('sets')
    .set({ workflow_id: workflowId })
    .where('id', '=', setId)
    .where((eb) => eb.or([eb('workflow_id', 'is', null), eb('workflow_id', '!=', workflowId)]))
    .execute();
}

/** What a set has done so far; sizes in bytes, times in milliseconds since 1970. */
export interface SetSummary {
  setId: string;
  status: SetState;
  reason: string | null;
  sources: string[];
  pool: string;
  drive: string;
  /** For each copy: where it goes, and how many of its archives are committed. */
  copies: (CopyPlace & { archives: number })[];
  mode: string;
  /** The set that it builds on. */
  base: string | null;
  groups: number;
  archives: number;
  files: number;
  /** Entries held by earlier sets. */
  unchanged: number;
  skipped: number;
  /** Stored entries that differ from what the scan saw. */
  flagged: number;
  bytesIn: number;
  bytesOut: number;
  seconds: number;
  tapes: string[];
  scanned: boolean;
  plannedBytes: number;
  stagedBytes: number;
  stages: Partial<Record<GroupState, number>>;
  failedGroups: { group: number; reason: string }[];
  /** Groups that are no longer on any tape. */
  lostGroups: number[];
  leftOut: string[];
}

/**
 * Sums up a set from the catalog alone. `files` counts members of committed archives; `skipped` and `flagged` count the
 * entries of those lists.
 */
export async function summarizeSet(db: Catalog, setId: string): Promise<SetSummary> {
  const set = await setNamed(db, setId);
  const stages: Partial<Record<GroupState, number>> = {};
  let groups = 0;
  let plannedBytes = 0;
  let stagedBytes = 0;
  let unchanged = 0;
  const byState = await db
    .selectFrom('groups')
    .select((eb) => [
      'state',
      eb.fn.countAll<number>().as('count'),
      eb.fn.sum<number>('bytes').as('bytes'),
      eb.fn.sum<number>('reserved').as('reserved'),
      eb.fn.sum<number>('unchanged').as('unchanged'),
    ])
    .where('set_id', '=', setId)
    .groupBy('state')
    .execute();
  for (const row of byState) {
    stages[row.state] = row.count;
    if (row.state !== 'open') groups += row.count;
    plannedBytes += Number(row.bytes);
    stagedBytes += Number(row.reserved);
    unchanged += Number(row.unchanged);
  }
  const committed = await db
    .selectFrom('archives')
    .select((eb) => [
      eb.fn.countAll<number>().as('archives'),
      eb.fn.sum<number | null>('archives.members').as('files'),
      eb.fn.sum<number | null>('archives.bytes_in').as('bytesIn'),
      eb.fn.sum<number | null>('archives.size').as('bytesOut'),
    ])
    .where('archives.set_id', '=', setId)
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom('copies')
          .select('copies.copy_no')
          .whereRef('copies.set_id', '=', 'archives.set_id')
          .whereRef('copies.group_no', '=', 'archives.group_no')
          .where('copies.state', '=', 'committed'),
      ),
    )
    .executeTakeFirstOrThrow();
  const byCopy = await db
    .selectFrom('copies')
    .select((eb) => ['copy_no', eb.fn.countAll<number>().as('archives')])
    .where('set_id', '=', setId)
    .where('state', '=', 'committed')
    .groupBy('copy_no')
    .execute();
  const { skipped, flagged } = await listedCounts(db, setId);
  const tapes = await db
    .selectFrom('copies')
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select('tapes.name')
    .distinct()
    .where('copies.set_id', '=', setId)
    .where('copies.state', 'in', ['writing', 'written', 'committed'])
    .orderBy('tapes.name')
    .execute();
  const failed = await db
    .selectFrom('groups')
    .select(['no', 'reason'])
    .where('set_id', '=', setId)
    .where('state', '=', 'failed')
    .orderBy('no')
    .limit(1000)
    .execute();
  return {
    setId,
    status: set.state,
    reason: set.reason,
    sources: JSON.parse(set.sources) as string[],
    pool: set.pool,
    drive: set.drive,
    copies: placesOf(set).map((place, index) => ({
      ...place,
      archives: byCopy.find((row) => row.copy_no === index + 1)?.archives ?? 0,
    })),
    mode: set.mode,
    base: set.base_id,
    groups,
    archives: committed.archives,
    files: Number(committed.files ?? 0),
    unchanged,
    skipped,
    flagged,
    bytesIn: Number(committed.bytesIn ?? 0),
    bytesOut: Number(committed.bytesOut ?? 0),
    // A wall clock that was set back in between must not make it negative.
    seconds: Math.max(0, Math.round(((set.finished_at ?? Date.now()) - set.created_at) / 10) / 100),
    tapes: tapes.map((tape) => tape.name),
    scanned: set.scanned === 1,
    plannedBytes,
    stagedBytes,
    stages,
    failedGroups: failed.map((row) => ({ group: row.no, reason: row.reason ?? 'unknown' })),
    lostGroups: await lostGroupsOf(db, setId),
    leftOut: JSON.parse(set.left_out) as string[],
  };
}

/**
 * Checks the form of a set id. A set that another installation or a lost catalog may have written is never continued:
 * its number is only skipped.
 */
export function requireSetId(text: string): string {
  if (isSetId(text)) return text;
  throw new TapeflowFailure(
    'WrongSetId',
    `${JSON.stringify(text)} is not a set id: it must look like 2026-11_000001.`,
    {
      kind: 'usage',
    },
  );
}
