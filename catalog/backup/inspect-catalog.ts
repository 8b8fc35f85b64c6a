import Database from 'better-sqlite3';
import { isPostgres } from '../../config/catalog-url.js';
import type { Catalog } from '../open-catalog.js';
import { verdictOn } from '../sqlite/unclean-end.js';

/**
 * Number of sets in the catalog, and SQLite's verdict on its file: `ok`, or what is damaged. Of PostgreSQL its version:
 * where its data checksums are on, it checks by itself what it reads.
 */
export async function inspectCatalog(
  catalog: Catalog,
  file: string,
): Promise<{ sets: number; verdict: string; server?: string }> {
  const { sets } = await catalog
    .selectFrom('sets')
    .select((eb) => eb.fn.countAll<number>().as('sets'))
    .executeTakeFirstOrThrow();
  if (isPostgres(file)) {
    const { serverFacts } = await import('../postgres/open-postgres.js');
    return { sets, verdict: 'ok', server: `PostgreSQL ${(await serverFacts(catalog)).version}` };
  }
  const database = new Database(file, { readonly: true });
  try {
    return { sets, verdict: verdictOn(database) };
  } finally {
    database.close();
  }
}
