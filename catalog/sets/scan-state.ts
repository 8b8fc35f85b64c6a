import type { Catalog } from '../open-catalog.js';
import type { GroupRow } from '../rows.js';

/** The group that a scan made last; undefined when it has made none. */
export async function lastGroup(db: Catalog, setId: string): Promise<GroupRow | undefined> {
  return db
    .selectFrom('groups')
    .selectAll()
    .where('set_id', '=', setId)
    .orderBy('no', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** Files with several links that are to be stored, of the groups from a path on: device and inode of each. */
export async function linkedInodes(
  db: Catalog,
  setId: string,
  from: Uint8Array,
): Promise<{ dev: string; ino: string }[]> {
  return db
    .selectFrom('files')
    .select(['dev', 'ino'])
    .where('set_id', '=', setId)
    .where('path', '>=', from)
    .where((eb) => eb('nlink', '>', eb.lit(1)))
    .where('state', '!=', 'unchanged')
    .execute();
}

/** Entries and bytes of all groups that a scan has made so far. */
export async function plannedTotals(db: Catalog, setId: string): Promise<{ entries: number; bytes: number }> {
  const { entries, bytes } = await db
    .selectFrom('groups')
    .select((eb) => [
      eb.fn.sum<number | null>('entries').as('entries'),
      eb.fn.sum<number | null>('bytes').as('bytes'),
    ])
    .where('set_id', '=', setId)
    .executeTakeFirstOrThrow();
  return { entries: Number(entries ?? 0), bytes: Number(bytes ?? 0) };
}

/** Writes down that every source of a set was walked, and which folders of ours were left out. */
export async function recordScanned(db: Catalog, setId: string, leftOut: readonly string[]): Promise<void> {
  await db
    .updateTable('sets')
    .set({ scanned: 1, left_out: JSON.stringify(leftOut) })
    .where('id', '=', setId)
    .execute();
}
