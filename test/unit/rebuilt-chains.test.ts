/** Sets whose manifests list only what is other than in their base, in a catalog that is read from their tapes. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { examineManifest, manifestEntries } from '../../archive/manifest/examine-manifest.js';
import { filesNamed } from '../../catalog/files/search.js';
import { treeRows } from '../../catalog/files/tree-rows.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { ArchiveRow } from '../../catalog/rows.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { fromBytes } from '../../entry/byte-string.js';
import { writeCatalogManifest } from '../../operations/rebuild/catalog-manifest.js';
import { requireCompared } from '../support/compared-rows.js';
import { fourTapes } from '../support/four-tapes.js';
import { describeTree, tempFolder } from '../support/trees.js';

/** What a set has of each entry, but what no tape tells of: links and inodes of folders. */
async function treeOf(catalog: Catalog, setId: string): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for await (const page of treeRows(catalog, setId, {}))
    for (const { path: name, nlink, ...row } of page)
      found[fromBytes(name)] = { ...row, nlink: row.type === 'directory' ? 0 : nlink };
  return found;
}

/** The same through the view, which says it in another way. */
async function namesIn(catalog: Catalog, setId: string): Promise<string[]> {
  const rows = await catalog.selectFrom('files').select('path').where('set_id', '=', setId).execute();
  return rows.map((row) => fromBytes(row.path)).sort();
}

test('sets of four tapes are as they were in whatever order the tapes are read, and say until then what is missing', async (t) => {
  const { drive, sets, ids } = await fourTapes(t);
  const expected = new Map<string, Record<string, unknown>>();
  for (const id of ids) expected.set(id, await treeOf(sets.catalog, id));
  assert.ok(Object.keys(expected.get(ids[2]) ?? {}).some((name) => name.endsWith('/z')));
  const tapes = ['one', 'two', 'three', 'four'];
  /** What each set needs: its tape and those of its bases. */
  const needs = [[0], [0, 1], [0, 1, 2], [0, 3]];
  for (const order of [
    [2, 0, 3, 1],
    [3, 1, 2, 0],
    [0, 1, 2, 3],
  ]) {
    const read = new Set<number>();
    const [first = 0, ...others] = order;
    drive.load(tapes[first] ?? '');
    const { catalog, reading, readAgain } = await sets.rebuilt();
    for (const tape of [first, ...others]) {
      drive.load(tapes[tape] ?? '');
      const told = tape === first ? reading : await readAgain();
      assert.deepEqual(told.troubles, []);
      read.add(tape);
      for (const [no, id] of ids.entries()) {
        if (!read.has(no)) continue;
        const { state, reason } = await setNamed(catalog, id);
        const isWhole = needs[no]?.every((needed) => read.has(needed));
        assert.equal(
          state,
          isWhole === true ? 'completed' : 'failed',
          `${order.join()} ${id}: ${String(reason)}`,
        );
        if (isWhole === true) {
          const tree = await treeOf(catalog, id);
          assert.deepEqual(tree, expected.get(id), `${order.join()} ${id}`);
          assert.deepEqual(await namesIn(catalog, id), Object.keys(tree).sort());
          continue;
        }
        const missing = (needs[no] ?? []).filter((needed) => !read.has(needed)).at(-1) ?? 0;
        const { uuid } = await setNamed(sets.catalog, ids[missing] ?? '');
        assert.match(
          String(reason),
          new RegExp(`from the set ${ids[missing]} \\(${uuid}; it was on TAPE0${missing + 1}\\)`),
        );
      }
    }
    const names: string[] = [];
    for await (const page of filesNamed(catalog, ids[2], { holds: 'g' }))
      names.push(...page.map((row) => fromBytes(row.path)).filter((name) => name.endsWith('/g')));
    assert.deepEqual(names, [], 'what is gone is not found');
  }
});

test('a set whose base is lost restores what its own tape holds, and says in which set the rest is', async (t) => {
  const { drive, sets, source, ids } = await fourTapes(t);
  drive.load('three');
  const { catalog, restore } = await sets.rebuilt();
  const target = tempFolder(t);
  const { status, problems } = await restore(ids[2], target);
  assert.equal(status, 'incomplete');
  assert.match(
    problems[0]?.reason ?? '',
    new RegExp(`unchanged from the set ${ids[1]} \\(.*; it was on TAPE02\\) is not all`),
  );
  const there = Object.keys(describeTree(path.join(target, source))).sort();
  assert.deepEqual(
    there.filter((name) => name !== ''),
    ['d', 'd/c', 'd/z'],
  );
  assert.equal((await setNamed(catalog, ids[2])).state, 'failed');
});

test('where a group of a base is lost, nothing older is taken for what was there, and all else is', async (t) => {
  const { drive, sets, source, ids } = await fourTapes(t);
  drive.load('two');
  const folder = path.join(drive.path, ids[1]);
  const group = await sets.catalog
    .selectFrom('files')
    .select('group_no')
    .where('set_id', '=', ids[1])
    .where('path', '=', Buffer.from(path.join(source, 'd/c').slice(1)))
    .executeTakeFirstOrThrow();
  const lost = `_${String(group.group_no).padStart(6, '0')}.`;
  for (const name of readdirSync(folder)) if (name.includes(lost)) rmSync(path.join(folder, name));
  const { catalog, readAgain } = await sets.rebuilt();
  for (const tape of ['one', 'three']) {
    drive.load(tape);
    await readAgain();
  }
  const [second, third] = [await treeOf(catalog, ids[1]), await treeOf(catalog, ids[2])];
  for (const id of ids) await requireCompared(catalog, id);
  const was = { second: await treeOf(sets.catalog, ids[1]), third: await treeOf(sets.catalog, ids[2]) };
  const nameOf = (name: string) => `${source.slice(1)}/d/${name}`;
  for (const [is, all] of [[second, was.second] as const, [third, was.third] as const]) {
    for (const [name, row] of Object.entries(is)) assert.deepEqual(row, all[name], name);
    const lacking = Object.keys(all).filter((name) => !(name in is));
    assert.ok(lacking.length > 0 && lacking.length <= 4, lacking.join());
  }
  assert.ok(!(nameOf('c') in second), 'what the lost group had stored');
  assert.equal((await setNamed(catalog, ids[2])).state, 'failed');
  assert.deepEqual(await namesIn(catalog, ids[2]), Object.keys(third).sort());
});

test('a manifest that is written anew of such a set, from either catalog, tells what the lost one did', async (t) => {
  const { drive, sets, ids } = await fourTapes(t);
  drive.load('two');
  const { catalog } = await sets.rebuilt();
  const [{ uuid }, folder] = [await setNamed(sets.catalog, ids[0]), path.join(drive.path, ids[1])];
  const archives = await sets.catalog
    .selectFrom('archives')
    .selectAll()
    .where('set_id', '=', ids[1])
    .execute();
  assert.ok(archives.length > 2);
  for (const archive of archives) {
    const told = await toldBy(path.join(folder, archive.manifest_name), archive);
    assert.equal(told.header.changes?.baseUuid, uuid);
    assert.deepEqual(told.header.changes.baseTapes, ['TAPE01']);
    for (const one of [sets.catalog, catalog]) {
      const file = path.join(tempFolder(t), 'anew');
      await writeCatalogManifest(one, archive, file);
      const anew = await toldBy(file, archive);
      assert.deepEqual(anew.entries, told.entries);
      assert.deepEqual(anew.header.changes, told.header.changes);
      assert.deepEqual([anew.end.gone, anew.end.unchanged], [told.end.gone, told.end.unchanged]);
    }
  }
});

/** What a manifest tells, sorted, but what no catalog has: where content begins, and links of folders. */
async function toldBy(file: string, { set_id: set, group_no: group, name }: ArchiveRow) {
  const facts = await examineManifest(file, { set, group, archives: [name] });
  if ('wrong' in facts) assert.fail(facts.wrong);
  const entries: string[] = [];
  for await (const entry of manifestEntries(file))
    entries.push(
      JSON.stringify(entry, (key, value: unknown) =>
        ['contentOffset', 'nlink'].includes(key) ? null : value,
      ),
    );
  return { ...facts, entries: entries.sort() };
}
