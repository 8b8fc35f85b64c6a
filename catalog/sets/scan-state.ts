import type { Catalog } from '../open-catalog.js';
import type { GroupRow } from '../rows.js';

/** The last group made by the scan; undefined when there is none. */
export async function lastGroup(db: Catalog, setId: string): Promise<GroupRow | undefined> {
  return db
    .selectFrom('groups')
    .selectAll()
    .where('set_id', '=', setId)
    .orderBy('no', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** Device and inode of hard-linked files to be stored, from a path on. */
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

/** Entries and bytes of all groups made by the scan so far. */
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

/** Records that every source of a set was walked, and which of tapeflow's own folders were left out. */
export async function recordScanned(db: Catalog, setId: string, leftOut: readonly string[]): Promise<void> {
  await db
    .updateTable('sets')
    .set({ scanned: 1, left_out: JSON.stringify(leftOut) })
    .where('id', '=', setId)
    .execute();
}
