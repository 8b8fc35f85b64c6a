import { sql } from 'kysely';
import type { Catalog } from '../open-catalog.js';
import type { RetrievalRow, SetRow } from '../rows.js';
import { finalSetStates } from '../schema/set-tables.js';

/** Sets that were at work since a time, oldest first: begun or ended since, or unfinished. Milliseconds since 1970. */
export function setsSince(db: Catalog, since: number): Promise<SetRow[]> {
  return db
    .selectFrom('sets')
    .selectAll()
    .where((eb) =>
      eb.or([
        eb('created_at', '>=', since),
        eb('finished_at', '>=', since),
        eb('state', 'not in', finalSetStates),
      ]),
    )
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

/** Restores, verifies and copies that began since then, oldest first. */
export function retrievalsSince(db: Catalog, since: number): Promise<RetrievalRow[]> {
  return db
    .selectFrom('retrievals')
    .selectAll()
    .where('created_at', '>=', since)
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

/** Milliseconds of a span: every time zone's days begin at the beginning of one. */
export const spanMs = 900_000;

/** Copies that were committed in a span of time and are on tape now. */
export interface CommittedFigure {
  /** When the span begins, in milliseconds since 1970. */
  at: number;
  pool: string;
  archives: number;
  bytes: number;
}

/** When what is on tape now got there, by spans of a quarter of an hour, oldest first; each copy counts. */
export async function committedBySpan(db: Catalog): Promise<CommittedFigure[]> {
  const span = sql<number>`copies.committed_at / ${sql.lit(spanMs)}`;
  const rows = await db
    .selectFrom('copies')
    .innerJoin('archives', (join) =>
      join.onRef('archives.set_id', '=', 'copies.set_id').onRef('archives.group_no', '=', 'copies.group_no'),
    )
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select((eb) => [
      span.as('span'),
      'tapes.pool',
      eb.fn.countAll<number>().as('archives'),
      eb.fn.sum<number>('archives.size').as('bytes'),
    ])
    .where('copies.state', '=', 'committed')
    .where('copies.committed_at', 'is not', null)
    .groupBy([span, 'tapes.pool'])
    .orderBy(span)
    .execute();
  return rows.map(({ span, bytes, ...row }) => ({ ...row, at: Number(span) * spanMs, bytes: Number(bytes) }));
}

/** What was committed on a tape since a time and is on it now. */
export interface TapeUse {
  tape: string;
  archives: number;
  bytes: number;
}

/** The tapes that were written to since then, by their UUID. */
export async function tapesUsedSince(db: Catalog, since: number): Promise<TapeUse[]> {
  const rows = await db
    .selectFrom('copies')
    .innerJoin('archives', (join) =>
      join.onRef('archives.set_id', '=', 'copies.set_id').onRef('archives.group_no', '=', 'copies.group_no'),
    )
    .select((eb) => [
      'copies.tape_uuid as tape',
      eb.fn.countAll<number>().as('archives'),
      eb.fn.sum<number>('archives.size').as('bytes'),
    ])
    .where('copies.state', '=', 'committed')
    .where('copies.committed_at', '>=', since)
    .groupBy('copies.tape_uuid')
    .execute();
  return rows.map((row) => ({ ...row, bytes: Number(row.bytes) }));
}

/** How long the writes of a set to tape took since a time: those that went well, without what lies between them. */
export interface WriteFigure {
  setId: string;
  writes: number;
  bytes: number;
  ms: number;
}

/** The writes of sets that were at work since then. */
export async function writesSince(db: Catalog, since: number): Promise<WriteFigure[]> {
  const rows = await db
    .selectFrom('events')
    .innerJoin('sets', 'sets.id', 'events.set_id')
    .select((eb) => [
      'events.set_id as setId',
      eb.fn.countAll<number>().as('writes'),
      eb.fn.sum<number | null>('events.bytes').as('bytes'),
      eb.fn.sum<number | null>('events.ms').as('ms'),
    ])
    .where((eb) => eb.or([eb('sets.finished_at', '>=', since), eb('sets.finished_at', 'is', null)]))
    .where('events.stage', '=', 'written')
    .where('events.at', '>=', since)
    .groupBy('events.set_id')
    .orderBy('events.set_id')
    .execute();
  return rows.map((row) => ({ ...row, bytes: Number(row.bytes ?? 0), ms: Number(row.ms ?? 0) }));
}
