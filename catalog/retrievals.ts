import { sql, type Insertable, type Selectable } from 'kysely';
import { usageFailure } from '../config/failures.js';
import { selectionSchema, type Selection } from '../source/selection.js';
import type { Catalog } from './open-catalog.js';
import type { RetrievalArchivesTable, RetrievalKind, RetrievalState, RetrievalsTable } from './schema.js';

export type RetrievalRow = Selectable<RetrievalsTable>;
export type RetrievalArchiveRow = Selectable<RetrievalArchivesTable>;

export const finalRetrievalStates: readonly RetrievalState[] = [
  'completed',
  'incomplete',
  'failed',
  'cancelled',
];

export function selectionOf(row: RetrievalRow): Selection {
  return selectionSchema.parse(JSON.parse(row.selection));
}

/** One archive that a retrieval reads. */
export interface PlannedArchive {
  setId: string;
  group: number;
  copyNo: number;
  tape: string;
  members: number;
  bytes: number;
  /** Of a copy: the number that it gets, and the pool whose tapes take it. */
  to?: { copyNo: number; pool: string } | undefined;
}

export type NewRetrieval = Pick<
  RetrievalRow,
  'kind' | 'subject' | 'drive' | 'target' | 'overwrite' | 'selection'
> & { to_drive?: string | null; fresh?: number };

/** The unfinished retrieval that was asked for with exactly the same words. */
export async function unfinishedLike(db: Catalog, wanted: NewRetrieval): Promise<RetrievalRow | undefined> {
  return db
    .selectFrom('retrievals')
    .selectAll()
    .where('state', 'not in', finalRetrievalStates)
    .where('kind', '=', wanted.kind)
    .where('subject', '=', wanted.subject)
    .where('drive', '=', wanted.drive)
    .where('target', 'is', wanted.target)
    .where('overwrite', '=', wanted.overwrite)
    .where('selection', '=', wanted.selection)
    .executeTakeFirst();
}

/**
 * Writes a retrieval down with its archives in the order of reading, and what is known beforehand not to be had.
 * Ids are `restore-000001`, `verify-000002`, `copy-000003`, in one sequence.
 */
export async function insertRetrieval(
  catalog: Catalog,
  wanted: NewRetrieval,
  archives: readonly PlannedArchive[],
  problems: readonly RetrievalProblem[],
): Promise<RetrievalRow> {
  return catalog.transaction().execute(async (tx) => {
    const { count } = await tx
      .selectFrom('retrievals')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    const row = {
      to_drive: null,
      fresh: 0,
      taken_up: 0,
      taken_up_at: null,
      ...wanted,
      id: `${wanted.kind}-${String(count + 1).padStart(6, '0')}`,
      state: 'running',
      reason: null,
      created_at: Date.now(),
      finished_at: null,
    } as const;
    await tx.insertInto('retrievals').values(row).execute();
    for (const [index, archive] of archives.entries()) {
      const planned: Insertable<RetrievalArchivesTable> = {
        retrieval_id: row.id,
        no: index + 1,
        set_id: archive.setId,
        group_no: archive.group,
        copy_no: archive.copyNo,
        tape_uuid: archive.tape,
        state: 'pending',
        members: archive.members,
        bytes: archive.bytes,
        restored: 0,
        same: 0,
        kept: 0,
        failed: 0,
        ms: null,
        to_copy: archive.to?.copyNo ?? null,
        to_pool: archive.to?.pool ?? null,
      };
      await tx.insertInto('retrieval_archives').values(planned).execute();
    }
    await insertProblems(tx, row.id, null, problems);
    return row;
  });
}

/** The retrieval of that id; a usage failure with a sentence when there is none. */
export async function retrievalNamed(db: Catalog, id: string): Promise<RetrievalRow> {
  const row = await db.selectFrom('retrievals').selectAll().where('id', '=', id).executeTakeFirst();
  if (row !== undefined) return row;
  throw usageFailure('NoSuchRetrieval', `There is no restore, verify or copy ${id} in the catalog.`);
}

/** Retrievals that are not in a final state, oldest first. */
export async function unfinishedRetrievals(db: Catalog): Promise<RetrievalRow[]> {
  return db
    .selectFrom('retrievals')
    .selectAll()
    .where('state', 'not in', finalRetrievalStates)
    .orderBy('created_at')
    .execute();
}

/** Notes that workers have taken an unfinished retrieval up by themselves, so many times in a row. */
export async function recordTakenUp(db: Catalog, id: string, times: number): Promise<void> {
  const taken = { taken_up: times, taken_up_at: Date.now() };
  await db.updateTable('retrievals').set(taken).where('id', '=', id).execute();
}

/** Archives that were not read yet, in the order of reading. */
export async function pendingArchives(
  db: Catalog,
  id: string,
  limit: number,
): Promise<RetrievalArchiveRow[]> {
  return db
    .selectFrom('retrieval_archives')
    .selectAll()
    .where('retrieval_id', '=', id)
    .where('state', '=', 'pending')
    .orderBy('no')
    .limit(limit)
    .execute();
}

/** An archive that is still to be read; undefined when it was, or when another copy of it is read later instead. */
export async function pendingArchive(
  db: Catalog,
  id: string,
  no: number,
): Promise<RetrievalArchiveRow | undefined> {
  return db
    .selectFrom('retrieval_archives')
    .selectAll()
    .where('retrieval_id', '=', id)
    .where('no', '=', no)
    .where('state', '=', 'pending')
    .executeTakeFirst();
}

/** A member that could not be had, or is damaged, and why. `path` null: the archive as a whole. */
export interface RetrievalProblem {
  path: Uint8Array | null;
  reason: string;
}

/** What became of the members of one archive. */
export interface ArchiveResult {
  state: 'done' | 'failed';
  restored: number;
  same: number;
  kept: number;
  failed: number;
  ms: number;
}

/** Records what became of an archive, in place of what an earlier attempt has recorded of it. */
export async function recordArchive(
  catalog: Catalog,
  id: string,
  no: number,
  result: ArchiveResult,
  problems: readonly RetrievalProblem[],
): Promise<void> {
  await catalog.transaction().execute(async (tx) => {
    await tx
      .updateTable('retrieval_archives')
      .set({ ...result, ms: Math.round(result.ms) })
      .where('retrieval_id', '=', id)
      .where('no', '=', no)
      .execute();
    await tx.deleteFrom('retrieval_problems').where('retrieval_id', '=', id).where('no', '=', no).execute();
    await insertProblems(tx, id, no, problems);
  });
}

/**
 * Records that an archive could not be had, or not any more.
 * @param restored members that were had of it all the same.
 */
export async function recordFailed(
  catalog: Catalog,
  row: Pick<RetrievalArchiveRow, 'retrieval_id' | 'no' | 'members'>,
  reason: string,
  restored = 0,
): Promise<void> {
  const counts = { restored, same: 0, kept: 0, failed: row.members - restored };
  const result = { state: 'failed', ...counts, ms: 0 } as const;
  await recordArchive(catalog, row.retrieval_id, row.no, result, [{ path: null, reason }]);
}

/** Adds problems in the caller's transaction; `no`: the archive that they are of. */
async function insertProblems(
  tx: Catalog,
  id: string,
  no: number | null,
  problems: readonly RetrievalProblem[],
): Promise<void> {
  for (const { path, reason } of problems)
    await tx.insertInto('retrieval_problems').values({ retrieval_id: id, no, path, reason }).execute();
}

/** Adds problems that belong to no archive. */
export async function addProblems(
  catalog: Catalog,
  id: string,
  problems: readonly RetrievalProblem[],
): Promise<void> {
  await catalog.transaction().execute((tx) => insertProblems(tx, id, null, problems));
}

/** Notes that a copy was read back whole and compared; `damage` says what is wrong with it. */
export async function recordVerified(
  db: Catalog,
  copy: Pick<RetrievalArchiveRow, 'set_id' | 'group_no' | 'copy_no'>,
  damage: string | null,
): Promise<void> {
  await db
    .updateTable('copies')
    .set({ verified_at: Date.now(), damage })
    .where('set_id', '=', copy.set_id)
    .where('group_no', '=', copy.group_no)
    .where('copy_no', '=', copy.copy_no)
    .execute();
}

/** Writes a retrieval's state down; a final one is not changed any more. */
export async function recordRetrieval(
  db: Catalog,
  id: string,
  state: RetrievalState,
  reason: string | null,
): Promise<void> {
  await db
    .updateTable('retrievals')
    .set({ state, reason, finished_at: finalRetrievalStates.includes(state) ? Date.now() : null })
    .where('id', '=', id)
    .where('state', 'not in', finalRetrievalStates)
    .execute();
}

export interface RetrievalSummary {
  id: string;
  kind: RetrievalKind;
  subject: string;
  status: RetrievalState;
  reason: string | null;
  archives: number;
  archivesDone: number;
  members: number;
  restored: number;
  same: number;
  kept: number;
  failed: number;
  /** Bytes of content that were asked for. */
  bytes: number;
  bytesDone: number;
  seconds: number;
  /** Names of the tapes, in the order of reading. */
  tapes: string[];
  problems: number;
}

export async function summarizeRetrieval(db: Catalog, id: string): Promise<RetrievalSummary> {
  const row = await retrievalNamed(db, id);
  const sums = await db
    .selectFrom('retrieval_archives')
    .select((eb) => [
      eb.fn.countAll<number>().as('archives'),
      sql<number>`count(case when state != 'pending' then 1 end)`.as('done'),
      sql<number>`coalesce(sum(case when state != 'pending' then bytes end), 0)`.as('bytesDone'),
      sql<number>`coalesce(sum(bytes), 0)`.as('bytes'),
      sql<number>`coalesce(sum(members), 0)`.as('members'),
      sql<number>`coalesce(sum(restored), 0)`.as('restored'),
      sql<number>`coalesce(sum(same), 0)`.as('same'),
      sql<number>`coalesce(sum(kept), 0)`.as('kept'),
      sql<number>`coalesce(sum(failed), 0)`.as('failed'),
    ])
    .where('retrieval_id', '=', id)
    .executeTakeFirstOrThrow();
  const { problems } = await db
    .selectFrom('retrieval_problems')
    .select((eb) => eb.fn.countAll<number>().as('problems'))
    .where('retrieval_id', '=', id)
    .executeTakeFirstOrThrow();
  const { archives, done, bytesDone, bytes, members, kept, failed } = sums;
  // What an earlier archive or attempt of a fresh restore has made is there already for the next one.
  const [restored, same] = row.fresh === 1 ? [sums.restored + sums.same, 0] : [sums.restored, sums.same];
  return {
    ...{ id, kind: row.kind, subject: row.subject, status: row.state, reason: row.reason },
    ...{ archives, archivesDone: done, members, restored, same, kept, failed, bytes, bytesDone, problems },
    seconds: ((row.finished_at ?? Date.now()) - row.created_at) / 1000,
    tapes: (await tapesInOrder(db, id)).map((tape) => tape.name),
  };
}

/** The tapes of a retrieval in the order of reading, with what is read of each. */
export async function tapesInOrder(
  db: Catalog,
  id: string,
): Promise<{ name: string; archives: number; bytes: number }[]> {
  return db
    .selectFrom('retrieval_archives')
    .innerJoin('tapes', 'tapes.uuid', 'retrieval_archives.tape_uuid')
    .select((eb) => [
      'tapes.name',
      eb.fn.countAll<number>().as('archives'),
      sql<number>`sum(retrieval_archives.bytes)`.as('bytes'),
    ])
    .where('retrieval_id', '=', id)
    .groupBy('tapes.name')
    .orderBy(sql`min(retrieval_archives.no)`)
    .execute();
}

/** What could not be had, in order. */
export async function problemsOf(
  db: Catalog,
  id: string,
  limit: number,
): Promise<{ path: Uint8Array | null; reason: string }[]> {
  return db
    .selectFrom('retrieval_problems')
    .select(['path', 'reason'])
    .where('retrieval_id', '=', id)
    .orderBy('id')
    .limit(limit)
    .execute();
}
