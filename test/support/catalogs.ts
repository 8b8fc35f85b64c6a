import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { TestContext } from 'node:test';
import pg from 'pg';
import { type Catalog, openCatalog } from '../../catalog/open-catalog.js';
import { tempFolder } from './trees.js';

/** True where the tests of the catalog run on PostgreSQL: `test/integration/postgres.test.ts` names the database. */
export const onPostgres = process.env['CATALOG_OF_TESTS'] !== undefined;

/** The path of a new catalog; or its URL, where the tests run on PostgreSQL. */
export async function newCatalog(t: TestContext): Promise<string> {
  return (await newSchema()) ?? path.join(tempFolder(t), 'catalog.db');
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
