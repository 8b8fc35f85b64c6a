import { sql } from 'kysely';
import { sumUnset, type UnsetCounts } from '../../entry/metadata-kind.js';
import type { Catalog } from '../open-catalog.js';
import type { RetrievalKind, RetrievalState } from '../schema/retrieval-tables.js';
import { unsetOf } from './archive-results.js';
import { retrievalNamed } from './retrievals.js';

/** What a restore, a verify or a copy has done so far. */
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
  /** Bytes of content requested. */
  bytes: number;
  bytesDone: number;
  seconds: number;
  /** Names of the tapes, in reading order. */
  tapes: string[];
  problems: number;
  /** How many of the problems are files that were restored as far as they can be read (`--salvage`). */
  salvaged: number;
  /** Number of entries that lack something besides their content, by what they lack. */
  unset: UnsetCounts;
}

/** Summarizes a retrieval from the catalog alone; a usage failure when there is none of that id. */
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
  const { problems, salvaged } = await db
    .selectFrom('retrieval_problems')
    .select((eb) => [
      eb.fn.countAll<number>().as('problems'),
      sql<number>`coalesce(sum(salvaged), 0)`.as('salvaged'),
    ])
    .where('retrieval_id', '=', id)
    .executeTakeFirstOrThrow();
  const unset = [unsetOf(row)];
  for (const counted of await unsetCounts(db, id)) unset.push(counted);
  const { archives, done, bytesDone, bytes, members, kept, failed } = sums;
  // What an earlier archive or attempt of a fresh restore has made already exists for the next one.
  const [restored, same] = row.fresh === 1 ? [sums.restored + sums.same, 0] : [sums.restored, sums.same];
  return {
    ...{ id, kind: row.kind, subject: row.subject, status: row.state, reason: row.reason },
    ...{ archives, archivesDone: done, members, restored, same, kept, failed, bytes, bytesDone },
    ...{ problems, salvaged, unset: sumUnset(unset) },
    seconds: ((row.finished_at ?? Date.now()) - row.created_at) / 1000,
    tapes: (await tapesInOrder(db, id)).map((tape) => tape.name),
  };
}

/** What was counted of the archives that count anything. */
async function unsetCounts(db: Catalog, id: string): Promise<UnsetCounts[]> {
  const rows = await db
    .selectFrom('retrieval_archives')
    .select('unset')
    .where('retrieval_id', '=', id)
    .where('unset', '!=', '{}')
    .execute();
  return rows.map(unsetOf);
}

/** The tapes of a retrieval in reading order, with what is read from each. */
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
