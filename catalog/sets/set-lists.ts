import type { Catalog } from '../open-catalog.js';

/** Keeps the paths that a set takes: gzip of member names, each ended by a NUL. */
export async function insertList(db: Catalog, setId: string, paths: Uint8Array): Promise<void> {
  await db.insertInto('set_lists').values({ set_id: setId, paths }).execute();
}

/** The paths that a set takes; undefined when it takes no list, or is scanned already. */
export async function listOf(db: Catalog, setId: string): Promise<Uint8Array | undefined> {
  const row = await db.selectFrom('set_lists').select('paths').where('set_id', '=', setId).executeTakeFirst();
  return row?.paths;
}
