import Database from 'better-sqlite3';
import type { Catalog } from '../open-catalog.js';
import { verdictOn } from '../sqlite/unclean-end.js';

/** Number of sets in the catalog, and SQLite's verdict on its file: `ok`, or what is damaged. */
export async function inspectCatalog(
  catalog: Catalog,
  file: string,
): Promise<{ sets: number; verdict: string }> {
  const { sets } = await catalog
    .selectFrom('sets')
    .select((eb) => eb.fn.countAll<number>().as('sets'))
    .executeTakeFirstOrThrow();
  const database = new Database(file, { readonly: true });
  try {
    return { sets, verdict: verdictOn(database) };
  } finally {
    database.close();
  }
}
