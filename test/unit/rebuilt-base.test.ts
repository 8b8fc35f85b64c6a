import assert from 'node:assert/strict';
import { linkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { Catalog } from '../../catalog/open-catalog.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';

/** A change right before the base began counts as doubtful: the files of these tests are younger than that. */
async function letTimePass(catalog: Catalog): Promise<void> {
  await catalog
    .updateTable('sets')
    .set((eb) => ({ created_at: eb('created_at', '+', 10_000) }))
    .execute();
}

/** Last parts of the names of a set's files, by what becomes of them. */
async function filesOf(catalog: Catalog, setId: string, state: 'planned' | 'unchanged'): Promise<string[]> {
  const rows = await catalog
    .selectFrom('files')
    .select('path')
    .where('set_id', '=', setId)
    .where('type', '=', 'file')
    .where('state', '=', state)
    .orderBy('path')
    .execute();
  return rows.map((row) => path.basename(Buffer.from(row.path).toString()));
}

test('the first incremental set after the catalog was read from the tape stores only what has changed', async (t) => {
  const sets = await setsInProcess(t);
  const source = tempFolder(t);
  writeTree(source, { a: 'a', b: noise(100_000, 'b'), c: 'c', e: '' });
  linkSync(path.join(source, 'a'), path.join(source, 'd'));
  await sets.backUp(source, 'full');
  const first = await sets.rebuilt();
  await letTimePass(first.catalog);
  writeFileSync(path.join(source, 'c'), 'C');
  const afterFull = await first.begin(source, 'incremental');
  assert.deepEqual(await filesOf(first.catalog, afterFull, 'planned'), ['c']);
  assert.deepEqual(await filesOf(first.catalog, afterFull, 'unchanged'), ['a', 'b', 'd', 'e']);

  await letTimePass(sets.catalog);
  await sets.backUp(source, 'incremental');
  const second = await sets.rebuilt();
  await letTimePass(second.catalog);
  const afterIncremental = await second.begin(source, 'incremental');
  assert.deepEqual(await filesOf(second.catalog, afterIncremental, 'planned'), []);
  assert.deepEqual(await filesOf(second.catalog, afterIncremental, 'unchanged'), ['a', 'b', 'c', 'd', 'e']);
});
