import { sql } from 'kysely';
import { english } from '../../messages/sentence.js';
import { TapeflowFailure } from '../../config/failures.js';
import type { Catalog } from '../open-catalog.js';

const setIdPattern = /^\d{4}-\d{2}_\d{6}$/;

/** True for `YYYY-MM_NNNNNN`, for example `2026-11_000001`. */
export function isSetId(text: string): boolean {
  return setIdPattern.test(text);
}

/** `YYYY-MM` of the local calendar. */
export function monthOf(date: Date): string {
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, '0')}`;
}

/** The first id of a month (`YYYY-MM`) above those of all sets and of all that were seen on tapes. */
export async function nextSetId(db: Catalog, month: string): Promise<string> {
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

/**
 * Checks the form of a set id. A set that another installation or a lost catalog may have written is never continued:
 * its number is only skipped.
 */
export function requireSetId(text: string): string {
  if (isSetId(text)) return text;
  throw new TapeflowFailure(
    'WrongSetId',
    english`${JSON.stringify(text)} is not a set id: it must look like 2026-11_000001.`,
    {
      kind: 'usage',
    },
  );
}
