import type { Insertable } from 'kysely';
import { english } from '../../messages/sentence.js';
import { usageFailure } from '../../config/failures.js';
import { ownerChoiceSchema, selectionSchema } from '../../entry/choice-schemas.js';
import { ownersAsBackedUp, type OwnerChoice } from '../../entry/owner-choice.js';
import type { Selection } from '../../entry/selection.js';
import type { Catalog } from '../open-catalog.js';
import type { RetrievalArchiveRow, RetrievalRow } from '../rows.js';
import {
  finalRetrievalStates,
  type RetrievalArchivesTable,
  type RetrievalState,
} from '../schema/retrieval-tables.js';
import { insertProblems, type RetrievalProblem } from './retrieval-problems.js';

export { finalRetrievalStates };

export function selectionOf(row: RetrievalRow): Selection {
  return selectionSchema.parse(JSON.parse(row.selection));
}

/** Whose what a restore brings back becomes. */
export function ownersOf({ owners }: Pick<RetrievalRow, 'owners'>): OwnerChoice {
  return owners === null ? ownersAsBackedUp : ownerChoiceSchema.parse(JSON.parse(owners));
}

/** True for a retrieval that may have archives in staging: a copy, and a restore to another host than the drive's. */
export function usesStaging({ kind, target_host }: Pick<RetrievalRow, 'kind' | 'target_host'>): boolean {
  return kind === 'copy' || target_host !== null;
}

/** One archive that a retrieval reads. */
export interface PlannedArchive {
  setId: string;
  group: number;
  copyNo: number;
  tape: string;
  members: number;
  bytes: number;
  /** For a copy: its number, and the pool whose tapes it goes to. */
  to?: { copyNo: number; pool: string } | undefined;
}

export type NewRetrieval = Pick<
  RetrievalRow,
  'kind' | 'subject' | 'drive' | 'target' | 'overwrite' | 'selection'
> & {
  any_drive?: number;
  to_drive?: string | null;
  target_host?: string | null;
  target_asked?: string | null;
  unchecked?: number;
  fresh?: number;
  salvage?: number;
  refused?: string | null;
  owners?: string | null;
  identity_file?: string | null;
};

/** The unfinished retrieval with exactly the same arguments. */
export async function unfinishedRetrievalLike(
  db: Catalog,
  wanted: NewRetrieval,
): Promise<RetrievalRow | undefined> {
  const any = wanted.any_drive ?? 0;
  return db
    .selectFrom('retrievals')
    .selectAll()
    .where('state', 'not in', finalRetrievalStates)
    .where('kind', '=', wanted.kind)
    .where('subject', '=', wanted.subject)
    .where('any_drive', '=', any)
    .$if(any === 0, (query) => query.where('drive', '=', wanted.drive))
    .where('target_host', 'is not distinct from', wanted.target_host ?? null)
    .where((eb) => eb(eb.fn.coalesce('target_asked', 'target'), 'is not distinct from', wanted.target))
    .where('overwrite', '=', wanted.overwrite)
    .where('salvage', '=', wanted.salvage ?? 0)
    .where('owners', 'is', wanted.owners ?? null)
    .where('selection', '=', wanted.selection)
    .where('identity_file', 'is not distinct from', wanted.identity_file ?? null)
    .executeTakeFirst();
}

/** Creates a retrieval: see `insertRetrievalIn`. */
export async function insertRetrieval(
  catalog: Catalog,
  wanted: NewRetrieval,
  archives: readonly PlannedArchive[],
  problems: readonly RetrievalProblem[],
): Promise<RetrievalRow> {
  return catalog.transaction().execute((tx) => insertRetrievalIn(tx, wanted, archives, problems));
}

/**
 * Creates a retrieval with its archives in reading order, and with what is known to be unavailable. Ids are
 * `restore-000001`, `verify-000002`, `copy-000003`, in one sequence. In the caller's transaction.
 */
export async function insertRetrievalIn(
  tx: Catalog,
  wanted: NewRetrieval,
  archives: readonly PlannedArchive[],
  problems: readonly RetrievalProblem[],
): Promise<RetrievalRow> {
  const { count } = await tx
    .selectFrom('retrievals')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  const row = {
    to_drive: null,
    target_host: null,
    target_asked: null,
    unchecked: 0,
    fresh: 0,
    taken_up: 0,
    taken_up_at: null,
    looked: null,
    any_drive: 0,
    looks: null,
    salvage: 0,
    refused: null,
    owners: null,
    identity_file: null,
    unset: '{}',
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
}

/** The retrieval of that id; throws a usage failure when there is none. */
export async function retrievalNamed(db: Catalog, id: string): Promise<RetrievalRow> {
  const row = await db.selectFrom('retrievals').selectAll().where('id', '=', id).executeTakeFirst();
  if (row !== undefined) return row;
  throw usageFailure('NoSuchRetrieval', english`There is no restore, verify or copy ${id} in the catalog.`);
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

/** The last retrievals, newest first. */
export function lastRetrievals(db: Catalog, limit: number): Promise<RetrievalRow[]> {
  return db
    .selectFrom('retrievals')
    .selectAll()
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}

/** Records how many times in a row workers have resumed an unfinished retrieval automatically. */
export async function recordRetrievalResume(db: Catalog, id: string, times: number): Promise<void> {
  const taken = { taken_up: times, taken_up_at: Date.now() };
  await db.updateTable('retrievals').set(taken).where('id', '=', id).execute();
}

/** Records what the host of a restore's target has found there, before anything is restored. */
export async function recordTarget(
  db: Catalog,
  id: string,
  found: Pick<RetrievalRow, 'target' | 'fresh' | 'refused'>,
): Promise<void> {
  await db.updateTable('retrievals').set(found).where('id', '=', id).where('looked', 'is', null).execute();
}

/** Archives still to be read, in reading order. */
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

/** An archive still to be read; undefined when it was read, or when another copy of it is read later. */
export async function pendingArchive(
  db: Catalog,
  id: string,
  no: number,
): Promise<RetrievalArchiveRow | undefined> {
  return db
    .selectFrom('retrieval_archives')
    .innerJoin('retrievals', 'retrievals.id', 'retrieval_archives.retrieval_id')
    .selectAll('retrieval_archives')
    .where('retrieval_id', '=', id)
    .where('no', '=', no)
    .where('retrieval_archives.state', '=', 'pending')
    .where('retrievals.state', 'not in', finalRetrievalStates)
    .executeTakeFirst();
}

/** Records a retrieval's state; a final state is not changed. */
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

/** True for the id of a restore, verify or copy. */
export function isRetrievalId(text: string): boolean {
  return /^(restore|verify|copy)-\d{6,}$/.test(text);
}
