import { HandleEmptyInListsPlugin, Kysely, replaceWithNoncontingentExpression, sql } from 'kysely';
import { english } from '../../messages/sentence.js';
import { shownCatalog } from '../../config/catalog-url.js';
import { TapeflowFailure } from '../../config/failures.js';
import { catalogFailure } from '../catalog-failure.js';
import type { Tables } from '../schema/tables.js';
import { fence } from '../sqlite/fence.js';
import { CatalogDialect } from './dialect.js';
import { isUpToDate, migrate } from './migrate.js';
import { CatalogPool } from './pool.js';

type Catalog = Kysely<Tables>;

/** PostgreSQL 13, the oldest that its makers support. */
const oldestVersion = 130_000;

/** SQL has no empty list. */
const emptyLists = new HandleEmptyInListsPlugin({ strategy: replaceWithNoncontingentExpression });

/** Opens the catalog in PostgreSQL, checks the server, and brings the schema up to date. */
export async function openPostgres(url: string, empty: () => Promise<Catalog>): Promise<Catalog> {
  return opened(url, (catalog) => migrate(catalog, empty));
}

/** The same for a command that only reads: a database without a catalog counts as an empty one. */
export async function openPostgresForReading(
  url: string,
  empty: () => Promise<Catalog>,
  openForWork: () => Promise<Catalog>,
): Promise<Catalog> {
  let state: boolean | undefined;
  const catalog = await opened(url, async (found) => {
    state = await isUpToDate(found);
  });
  if (state === true) return catalog;
  await catalog.destroy();
  return state === undefined ? empty() : openForWork();
}

async function opened(url: string, prepare: (catalog: Catalog) => Promise<void>): Promise<Catalog> {
  const catalog = catalogOn(new CatalogPool(url));
  try {
    await requireSafe(catalog, url);
    await prepare(catalog);
    return catalog;
  } catch (error) {
    await catalog.destroy();
    throw catalogFailure(error, url);
  }
}

/** A catalog on a pool of connections. */
export function catalogOn(pool: CatalogPool): Catalog {
  return new Kysely<Tables>({ dialect: new CatalogDialect(pool), plugins: [fence, emptyLists] });
}

/** Facts about the server. */
export async function serverFacts(catalog: Catalog) {
  const { rows } = await sql<{ version: string; number: number; fsync: string; encoding: string }>`
    select current_setting('server_version') as version,
      current_setting('server_version_num')::bigint as number,
      current_setting('fsync') as fsync, pg_encoding_to_char(encoding) as encoding
    from pg_database where datname = current_database()`.execute(catalog);
  const [facts] = rows;
  if (facts === undefined) throw new Error('the server does not say what it is');
  return facts;
}

/** Staged archives are deleted because of a commit: it must survive a power cut. */
async function requireSafe(catalog: Catalog, url: string): Promise<void> {
  const { version, number, fsync, encoding } = await serverFacts(catalog);
  const unusable = (what: string, advice: string) =>
    new TapeflowFailure('CatalogUnusable', english`The server of the catalog ${shownCatalog(url)} ${what}.`, {
      advice,
    });
  if (number < oldestVersion)
    throw unusable(english`is PostgreSQL ${version}`, english`Use PostgreSQL 13 or newer.`);
  if (fsync !== 'on')
    throw unusable(
      english`does not keep its commits through a power cut`,
      english`Set \`fsync = on\` there.`,
    );
  if (encoding !== 'UTF8')
    throw unusable(
      english`has the encoding ${encoding} in this database`,
      english`Make the database with UTF8.`,
    );
}
