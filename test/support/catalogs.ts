import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import Database from 'better-sqlite3';
import pg from 'pg';
import { migrate } from '../../catalog/migrations/migrate.js';
import { type Catalog, catalogOn, openCatalog } from '../../catalog/open-catalog.js';
import { tempFolder } from './trees.js';

/** True where the tests of the catalog run on PostgreSQL: `test/integration/postgres.test.ts` names the database. */
export const onPostgres = process.env['CATALOG_OF_TESTS'] !== undefined;

/** The path of a new catalog; or its URL, where the tests run on PostgreSQL. */
export async function newCatalog(t: TestContext): Promise<string> {
  return (await newSchema()) ?? (await catalogAt(path.join(tempFolder(t), 'catalog.db')));
}

let made: Promise<Buffer> | undefined;

/**
 * Writes an empty catalog where none is yet, which `openCatalog` would make in twenty times the time: one that was made
 * in memory, once for all tests of a process. Nothing but the schema is in it.
 */
export async function catalogAt(file: string): Promise<string> {
  made ??= (async () => {
    const database = new Database(':memory:');
    const catalog = catalogOn(database);
    await migrate(catalog, database);
    const bytes = database.serialize();
    await catalog.destroy();
    return bytes;
  })();
  writeFileSync(file, await made, { flag: 'wx' });
  return file;
}

/** The URL of a new catalog, where the tests run on PostgreSQL. */
export async function newSchema(): Promise<string | undefined> {
  const server = process.env['CATALOG_OF_TESTS'];
  if (server === undefined) return undefined;
  const schema = `c${randomBytes(6).toString('hex')}`;
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  await client.query(`create schema ${schema}`);
  await client.end();
  return `${server}&options=-csearch_path%3D${schema}`;
}

/** An empty catalog, closed at the end of the test. */
export async function openNewCatalog(t: TestContext): Promise<Catalog> {
  const catalog = await openCatalog(await newCatalog(t));
  t.after(() => catalog.destroy());
  return catalog;
}
