import { sql } from 'kysely';
import { layerOf } from './entry-rows.js';
import { filePageSize } from './files.js';
import type { Catalog } from '../open-catalog.js';

/**
 * Entries that a set lists separately. `skipped`: not completely in the backup. `flagged`: stored, but changed since
 * the scan.
 */
export type ListKind = 'skipped' | 'flagged';

/** An entry of one of these lists, and why it is there. */
export interface ListedFile {
  path: Uint8Array;
  group_no: number;
  reason: string | null;
  state: string;
}

/** Entries of one list of a set, in group order and in pages; all, or the first `limit` of them. */
export async function* listedFiles(
  db: Catalog,
  setId: string,
  kind: ListKind,
  limit = Infinity,
): AsyncGenerator<ListedFile[]> {
  let left = limit;
  for (let after: ListedFile | undefined; left > 0;) {
    const size = Math.min(left, filePageSize);
    let query = db
      .selectFrom('layer_files')
      .select(['path', 'group_no', 'reason', 'state'])
      .where('layer', '=', layerOf(setId))
      .where('reason', 'is not', null)
      .where('state', kind === 'skipped' ? '=' : '!=', 'skipped');
    if (after !== undefined)
      query = query.where(sql<boolean>`(group_no, path) > (${after.group_no}, ${after.path})`);
    const page = await query.orderBy('group_no').orderBy('path').limit(size).execute();
    if (page.length > 0) yield page;
    if (page.length < size) return;
    left -= page.length;
    after = page.at(-1);
  }
}

/** How many entries each of the two lists of a set has. */
export async function listedCounts(db: Catalog, setId: string): Promise<Record<ListKind, number>> {
  const row = await db
    .selectFrom('layer_files')
    .select((eb) => [
      eb.fn.countAll<number>().as('all'),
      sql<number>`count(case when state = 'skipped' then 1 end)`.as('skipped'),
    ])
    .where('layer', '=', layerOf(setId))
    .where('reason', 'is not', null)
    .executeTakeFirstOrThrow();
  return { skipped: row.skipped, flagged: row.all - row.skipped };
}
