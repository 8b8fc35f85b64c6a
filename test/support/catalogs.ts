import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { TestContext } from 'node:test';
import pg from 'pg';
import { type Catalog, openCatalog } from '../../catalog/open-catalog.js';
import { tempFolder } from './trees.js';

/** Set by `test/integration/postgres.test.ts`: the tests of the catalog run on this PostgreSQL database then. */
const server = process.env['CATALOG_OF_TESTS'];

/** True where the tests of the catalog run on PostgreSQL. */
export const onPostgres = server !== undefined;

/** The path of a new catalog; or its URL, where the tests run on PostgreSQL. */
export async function newCatalog(t: TestContext): Promise<string> {
  if (server === undefined) return path.join(tempFolder(t), 'catalog.db');
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
