import { english } from '../../messages/sentence.js';
import { toRanges, type NumberRange } from '../../config/number-ranges.js';
import type { Catalog } from '../open-catalog.js';
import { CatalogConflict, isRebuilt, isUnknownSet } from '../rebuilt/rebuilt-sets.js';
import { placesOf } from './copy-places.js';
import { findSet } from './sets.js';
import type { SetRow } from '../rows.js';
import type { TapeState } from '../schema/tape-tables.js';

/** What is known once a set's scan has ended: without it nobody knows whether more groups belong to the set. */
export interface SetEnd {
  groups: number;
  /** 0 for an encrypted set, which does not tell it. */
  entries: number;
  /** Groups without an archive, since all their entries were skipped; ascending. */
  without: NumberRange[];
}

/** The same as stored in an end mark on tape, with the time of writing (ISO 8601). */
export type MarkedEnd = SetEnd & { written: string };

/** The end of a set, as the catalog knows it; undefined while the scan runs, and when no tape has said it. */
export async function setEndOf(db: Catalog, set: SetRow): Promise<SetEnd | undefined> {
  if (isRebuilt(set)) return markedEnd(set);
  if (set.scanned === 0) return undefined;
  const { groups, entries } = await db
    .selectFrom('groups')
    .select((eb) => [
      eb.fn.countAll<number>().as('groups'),
      eb.fn.sum<number | null>('entries').as('entries'),
    ])
    .where('set_id', '=', set.id)
    .executeTakeFirstOrThrow();
  if (groups === 0) return undefined;
  const skipped = await db
    .selectFrom('groups')
    .select('no')
    .where('set_id', '=', set.id)
    .where('state', '=', 'skipped')
    .execute();
  // What is encrypted does not tell how much there is.
  const told = set.recipients === null ? Number(entries ?? 0) : 0;
  return { groups, entries: told, without: toRanges(skipped.map(({ no }) => no)) };
}

/** What an end mark said about a set read from tapes. */
export function markedEnd(set: Pick<SetRow, 'end_facts'>): MarkedEnd | undefined {
  return set.end_facts === null ? undefined : (JSON.parse(set.end_facts) as MarkedEnd);
}

/** A text for comparing two ends. */
function setEndKey({ groups, entries, without }: SetEnd): string {
  return JSON.stringify({ groups, entries, without });
}

/** True when the tape is known to durably hold this end mark. */
export async function isMarked(db: Catalog, setId: string, tape: string, end: SetEnd): Promise<boolean> {
  return (await marksOf(db, setId)).get(tape) === setEndKey(end);
}

/** True when the tape is known to hold any end mark of the set: then the file of that name is ours to replace. */
export async function wasMarked(db: Catalog, setId: string, tape: string): Promise<boolean> {
  return (await marksOf(db, setId)).has(tape);
}

/** The end marks of a set, by tape. */
async function marksOf(db: Catalog, setId: string): Promise<Map<string, string>> {
  const rows = await db
    .selectFrom('end_marks')
    .select(['tape_uuid', 'facts'])
    .where('set_id', '=', setId)
    .execute();
  return new Map(rows.map((row) => [row.tape_uuid, row.facts]));
}

/** Records, after the sync, that a tape holds a set's end mark. */
export async function noteMark(db: Catalog, setId: string, tape: string, end: SetEnd): Promise<void> {
  const facts = setEndKey(end);
  await db
    .insertInto('end_marks')
    .values({ set_id: setId, tape_uuid: tape, facts })
    .onConflict((conflict) => conflict.columns(['set_id', 'tape_uuid']).doUpdateSet({ facts }))
    .execute();
}

/** Records that a tape no longer has a set's end mark. */
export async function forgetMark(db: Catalog, setId: string, tape: string): Promise<void> {
  await db.deleteFrom('end_marks').where('set_id', '=', setId).where('tape_uuid', '=', tape).execute();
}

/** Names of the tapes that hold the current end mark of a set. */
export async function tapesWithEndMark(db: Catalog, set: SetRow): Promise<string[]> {
  const end = await setEndOf(db, set);
  if (end === undefined) return [];
  const rows = await db
    .selectFrom('end_marks')
    .innerJoin('tapes', 'tapes.uuid', 'end_marks.tape_uuid')
    .select('tapes.name')
    .where('end_marks.set_id', '=', set.id)
    .where('end_marks.facts', '=', setEndKey(end))
    .where('tapes.state', '!=', 'lost')
    .orderBy('tapes.name')
    .execute();
  return rows.map((row) => row.name);
}

/** Tape states in which an end mark is written. */
const takesMarks: readonly TapeState[] = ['usable', 'full'];

/** A fully committed copy of a set without an end mark on any of its tapes. */
export interface UnmarkedCopy {
  copyNo: number;
  /** The tape with its newest archive, among the good ones. */
  tape: string;
  tapeName: string;
}

/**
 * The complete copies of a set that lack their end mark; rare, since each sync after the scan writes it. None for a set
 * with failed or unstored groups: it continues, or ends as failed.
 */
export async function unmarkedCopies(db: Catalog, setId: string): Promise<UnmarkedCopy[]> {
  const set = await findSet(db, setId);
  const end = set === undefined || isRebuilt(set) ? undefined : await setEndOf(db, set);
  if (set === undefined || end === undefined) return [];
  const unfinished = await db
    .selectFrom('groups')
    .select('no')
    .where('set_id', '=', setId)
    .where('state', 'not in', ['released', 'skipped'])
    .limit(1)
    .executeTakeFirst();
  if (unfinished !== undefined) return [];
  const tapes = await db
    .selectFrom('copies')
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select((eb) => ['copy_no', 'tapes.uuid', 'tapes.name', eb.fn.max('copies.committed_at').as('last')])
    .where('copies.set_id', '=', setId)
    .where('copies.state', '=', 'committed')
    .where('copy_no', '<=', placesOf(set).length)
    .where('tapes.state', 'in', takesMarks)
    .groupBy(['copy_no', 'tapes.uuid'])
    .orderBy('last', 'desc')
    .execute();
  const marks = await marksOf(db, setId);
  const unmarked = new Map<number, UnmarkedCopy>();
  for (const { copy_no: copyNo, uuid, name } of tapes)
    if (!unmarked.has(copyNo)) unmarked.set(copyNo, { copyNo, tape: uuid, tapeName: name });
  for (const { copy_no: copyNo, uuid } of tapes)
    if (marks.get(uuid) === setEndKey(end)) unmarked.delete(copyNo);
  return [...unmarked.values()].sort((a, b) => a.copyNo - b.copyNo);
}

/**
 * Stores an end mark read from a tape in a set that is known only from tapes; the newest counts. Leaves other sets
 * alone: the catalog knows more about them. Throws `CatalogConflict` when the mark belongs to another set with that
 * number.
 */
export async function registerSetEnd(
  catalog: Catalog,
  setId: string,
  tape: string,
  { setUuid, ...told }: MarkedEnd & { setUuid: string },
): Promise<void> {
  await catalog.transaction().execute(async (tx) => {
    const set = await findSet(tx, setId);
    if (set === undefined) return;
    if (!isUnknownSet(set) && set.uuid !== setUuid)
      throw new CatalogConflict(
        english`The end mark of the set ${setId} on the tape is of another set of that number.`,
      );
    if (!isRebuilt(set)) return;
    const { groups, entries, without, written } = told;
    const known = markedEnd(set);
    if (known === undefined || Date.parse(known.written) <= Date.parse(written)) {
      const end_facts = JSON.stringify({ groups, entries, without, written } satisfies MarkedEnd);
      await tx.updateTable('sets').set({ end_facts }).where('id', '=', setId).execute();
    }
    await noteMark(tx, setId, tape, told);
  });
}
