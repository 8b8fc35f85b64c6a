import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { sql } from 'kysely';
import { layerOf, stateCode } from '../../catalog/files/entry-rows.js';
import { filesOfGroup } from '../../catalog/files/files.js';
import { foldSet } from '../../catalog/files/fold-set.js';
import { partsOf } from '../../catalog/files/layers.js';
import { offsetAfter } from '../../catalog/files/member-offsets.js';
import { childrenOf, filesNamed } from '../../catalog/files/search.js';
import { treeRows } from '../../catalog/files/tree-rows.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { archivesOf } from '../../catalog/retrievals/plan/wanted-archives.js';
import type { FileRow } from '../../catalog/rows.js';
import { keepRoot } from '../../catalog/rebuilt/keep-root.js';
import { hashedRowsAt } from '../../catalog/sets/base-rows.js';
import { purgeErased } from '../../catalog/tapes/purge-erased.js';
import { fromBytes } from '../../entry/byte-string.js';
import { GroupPlanner } from '../../source/group-planner.js';
import type { WalkedEntry } from '../../source/walked-entry.js';
import { openNewCatalog } from '../support/catalogs.js';
import { addFile } from '../support/file-rows.js';
import { requireCompared } from '../support/compared-rows.js';
import { begin, complete, file, limits, longAgo, rowsOf, scan } from '../support/scanned-sets.js';
import { longTest } from '../support/trees.js';

/** A file of a tree: its names, what is in it, and its mode. */
interface Content {
  from: number;
  nlink?: number;
  mode?: number;
  skipped?: string;
}
type Tree = Map<string, Content>;

function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 8) % below;
  };
}

function entriesOf(tree: Tree): WalkedEntry[] {
  const folders = new Set([...tree.keys()].map((name) => name.slice(0, name.lastIndexOf('/') + 1)));
  const entries = [...tree].map(([name, { from, nlink = 1, mode = 0o644, skipped }]): WalkedEntry => {
    const entry = file(name, { ctime: longAgo + from, mtime: longAgo + from, nlink, ino: from + 1 });
    if (entry.stats !== undefined) entry.stats.mode = 0o100000 + mode;
    return skipped === undefined ? entry : { ...entry, skipped };
  });
  for (const name of folders) entries.push({ ...file(name), type: 'directory' });
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** As in a tree of some folders. */
function newTree(files: number): Tree {
  const tree: Tree = new Map();
  for (let i = 0; i < files; i += 1) tree.set(`f${i % 7}/n${String(i).padStart(5, '0')}`, { from: i });
  return tree;
}

function changeSome(tree: Tree, next: (below: number) => number, changes: number, night: number): void {
  const names = [...tree.keys()];
  for (let i = 0; i < changes; i += 1) {
    const name = names[next(names.length)] ?? '';
    const content = tree.get(name);
    const from = 1e6 * night + i;
    if (content === undefined) continue;
    const what = next(8);
    if (what === 0) tree.delete(name);
    else if (what === 1) tree.set(`f${next(7)}/new${from}`, { from });
    else if (what === 2) {
      tree.delete(name);
      tree.set(`${name} renamed`, content);
    } else if (what === 3) tree.set(name, { ...content, mode: 0o600 });
    else if (what === 4) for (const link of [name, `${name}.link`]) tree.set(link, { ...content, nlink: 2 });
    else if (what === 5) tree.set(name, { ...content, skipped: 'it cannot be read' });
    else tree.set(name, { from });
  }
}

/** One night's set of a tree; the same content has the same SHA-256 in each, and another offset. */
async function backUp(catalog: Catalog, mode: string, tree: Tree): Promise<string> {
  const id = await begin(catalog, mode);
  await scan(catalog, id, entriesOf(tree));
  const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');
  await complete(catalog, id, 'completed', (name) => {
    const from = tree.get(name)?.from ?? 0;
    const offset = 512 * Number.parseInt(hashOf(`${id} ${name}`).slice(0, 8), 16);
    // One that is at no block of a tar, which no archive has.
    return { tar_offset: from === 3 ? 700 : offset, sha256: hashOf(`${from}`) };
  });
  return id;
}

const neverStopped = () => undefined;

async function treeOf(
  catalog: Catalog,
  id: string,
  ...rest: [Parameters<typeof treeRows>[2]?, Parameters<typeof treeRows>[3]?, number?]
): Promise<FileRow[]> {
  const [range = {}, columns, most] = rest;
  const rows: FileRow[] = [];
  for await (const page of treeRows(catalog, id, range, columns, most)) rows.push(...(page as FileRow[]));
  return rows;
}

/** What is in own rows, and how the sets lie on each other. */
async function ownRows(catalog: Catalog, id: string): Promise<number> {
  const rows = catalog.selectFrom('layers').innerJoin('entries', 'entries.layer', 'layers.no');
  return (await rows.select('path').where('set_id', '=', id).execute()).length;
}

const setsOf = async (catalog: Catalog, id: string) => (await partsOf(catalog, id)).map(({ setId }) => setId);

/** Everything that is read of a set, otherwise than row by row. */
async function readings(catalog: Catalog, id: string, tree: readonly FileRow[]): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const page of filesNamed(catalog, id, { holds: '7' })) found.push(...page);
  for await (const page of filesNamed(catalog, undefined, { begins: 'n0001' })) found.push(...page);
  for await (const page of childrenOf(catalog, id, 'f3/')) found.push(...page);
  found.push(
    (await archivesOf(catalog, id)).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
  );
  const hashed = await hashedRowsAt(
    catalog,
    id,
    tree.slice(0, 350).map((row) => row.path),
  );
  found.push(...[...hashed.values()].sort((a, b) => Buffer.compare(a.path, b.path)));
  const groups = await catalog.selectFrom('groups').selectAll().where('set_id', '=', id).execute();
  for (const { no: group, first_path: path, last_path: last } of groups.slice(0, 3)) {
    for await (const { rows, gone } of filesOfGroup(catalog, id, group)) found.push(...rows, ...gone);
    found.push(await offsetAfter(catalog, { setId: id, group, last }, path));
  }
  return found;
}

for (const seed of [1, 2])
  test(
    `folded sets, and those on them, show what others do in everything: trees of seed ${seed}`,
    { skip: seed === 1 && longTest },
    async (t) => {
      const [folding, plain] = [await openNewCatalog(t), await openNewCatalog(t)];
      const next = random(seed);
      const tree = newTree(400);
      const nights = [
        'full',
        'full',
        'incremental',
        'incremental',
        'full',
        'differential',
        'full',
        'incremental',
      ];
      const ids: string[] = [];
      for (const [night, mode] of nights.entries()) {
        // Once, too much has changed.
        changeSome(tree, next, night === 0 ? 0 : night === 6 && seed > 1 ? 1200 : 30, night);
        const id = await backUp(folding, mode, tree);
        ids.push(id);
        assert.equal(await backUp(plain, mode, tree), id);
        if (mode === 'full') await foldSet(folding, id, neverStopped);
      }
      const [first = '', second = '', , third = '', fourth = '', , fifth = ''] = ids;
      assert.deepEqual(await setsOf(folding, second), [second, first]);
      assert.deepEqual(await setsOf(folding, third), [third, ids[2], second, first]);
      assert.deepEqual(await setsOf(folding, fourth), [fourth, first]);
      assert.deepEqual(await setsOf(folding, fifth), seed > 1 ? [fifth] : [fifth, first]);
      assert.ok((await ownRows(folding, fourth)) < 200, 'few rows are left');
      for (const id of ids) {
        const expected = await treeOf(plain, id);
        const shown = await treeOf(folding, id);
        assert.deepEqual(shown, expected, id);
        await requireCompared(folding, id);
        const inView = Object.values(await rowsOf(folding, id)).sort((a, b) =>
          Buffer.compare(a.path, b.path),
        );
        assert.deepEqual(inView, expected, id);
        assert.deepEqual(await readings(folding, id, expected), await readings(plain, id, expected), id);
        for (let i = 0; i < 20; i += 1) {
          const [a, b] = [next(expected.length), next(expected.length)].sort((x, y) => x - y) as [
            number,
            number,
          ];
          const range = i % 2 === 0 ? { from: expected[a]?.path } : { after: expected[a]?.path };
          const rows = await treeOf(
            folding,
            id,
            { ...range, upTo: expected[b]?.path },
            ['tar_offset'],
            1 + next(40),
          );
          assert.deepEqual(
            rows.map((row) => [fromBytes(row.path), row.tar_offset]),
            expected
              .slice(i % 2 === 0 ? a : a + 1, b + 1)
              .map((row) => [fromBytes(row.path), row.tar_offset]),
          );
        }
      }
    },
  );

/** A tree of which every step folds a part, and two full sets of it with some differences; the second is not folded. */
async function twoSets(catalog: Catalog): Promise<{ first: string; second: string }> {
  const tree = newTree(12_000);
  const large = async () => {
    const id = await begin(catalog, 'full');
    const { planner } = await GroupPlanner.resume(catalog, id, {
      ...limits,
      groupBytes: 50_000,
      groupFiles: 5000,
    });
    for (const entry of entriesOf(tree)) await planner.add(entry);
    await planner.finish([]);
    const packed = { state: stateCode('packed'), sha256: Buffer.alloc(32, 7) };
    const offset = sql<number>`512 * (cast(ino as bigint) % 4096)`;
    await catalog
      .updateTable('entries')
      .set({ ...packed, tar_offset: offset })
      .where('layer', '=', layerOf(id))
      .execute();
    await complete(catalog, id);
    return id;
  };
  const first = await large();
  changeSome(tree, random(5), 300, 1);
  return { first, second: await large() };
}

/** The tree of a set in few bytes. */
async function digestOf(catalog: Catalog, id: string): Promise<string> {
  const hash = createHash('sha256');
  for (const row of await treeOf(catalog, id)) hash.update(JSON.stringify(Object.values(row)));
  return hash.digest('hex');
}

const stopped = new Error('it was stopped');

/** Folds a set until a step, as if it were killed behind that. */
async function foldUntil(catalog: Catalog, id: string, step: number): Promise<void> {
  let steps = 0;
  const onStep = () => {
    steps += 1;
    if (steps === step) throw stopped;
  };
  await assert.rejects(foldSet(catalog, id, onStep), stopped);
}

test('a set whose folding was killed shows the same, goes on, and is read whole by who began before', async (t) => {
  const catalog = await openNewCatalog(t);
  const { second } = await twoSets(catalog);
  const whole = await treeOf(catalog, second);
  const expected = await digestOf(catalog, second);
  const before = await ownRows(catalog, second);
  const readers = [treeRows(catalog, second, {})];
  const read: string[][] = [[]];
  const readOn = async (pages: number) => {
    for (const [at, reader] of readers.entries())
      for (let left = pages; left > 0; left -= 1) {
        const page = await reader.next();
        if (page.done === true) break;
        read[at]?.push(...page.value.map((row) => `${fromBytes(row.path)} ${row.tar_offset}`));
      }
  };
  const finder = filesNamed(catalog, second, { holds: 'n' });
  const found = (await finder.next()).value as FileRow[];
  await readOn(1);
  for (const step of [2, 1]) {
    await foldUntil(catalog, second, step);
    assert.equal(await digestOf(catalog, second), expected, `after ${step}`);
    readers.push(treeRows(catalog, second, {}));
    read.push([]);
    await readOn(2);
  }
  const between = await ownRows(catalog, second);
  assert.ok(between < before && between > 1000, `${before} ${between}`);
  await foldSet(catalog, second, neverStopped);
  assert.ok((await ownRows(catalog, second)) < 1000);
  assert.equal(await digestOf(catalog, second), expected);
  await readOn(1000);
  const names = whole.map((row) => `${fromBytes(row.path)} ${row.tar_offset}`);
  for (const rows of read) assert.deepEqual(rows, names);
  for await (const page of finder) found.push(...page);
  const named = whole.filter((row) => /n[^/]*$/.test(fromBytes(row.path)));
  assert.deepEqual(found, named, 'a search that began before finds all');
  // Once more changes nothing.
  await foldSet(catalog, second, neverStopped);
  assert.equal(await digestOf(catalog, second), expected);
});

test('a set on which another lies, or that is no full one, or has no full set before it, is not folded', async (t) => {
  const catalog = await openNewCatalog(t);
  const tree = newTree(50);
  const first = await backUp(catalog, 'full', tree);
  const on = await backUp(catalog, 'incremental', tree);
  const second = await backUp(catalog, 'full', tree);
  const onSecond = await backUp(catalog, 'incremental', tree);
  for (const id of [first, on, second, onSecond]) await foldSet(catalog, id, neverStopped);
  const chains = await catalog
    .selectFrom('chains')
    .select('through')
    .where('through', 'is not', null)
    .execute();
  assert.deepEqual(chains, []);
  const third = await backUp(catalog, 'full', tree);
  await catalog.updateTable('sets').set({ sources: '["/y"]' }).where('id', '=', third).execute();
  await foldSet(catalog, third, neverStopped);
  assert.deepEqual(await setsOf(catalog, third), [third]);
});

async function erase(catalog: Catalog, id: string): Promise<void> {
  await catalog.updateTable('copies').set({ state: 'erased' }).where('set_id', '=', id).execute();
  await catalog.updateTable('sets').set({ erased_at: 1 }).where('id', '=', id).execute();
  await purgeErased(catalog);
}

/** The layers that have rows, by the name of their set. */
async function layersWithRows(catalog: Catalog): Promise<string[]> {
  const rows = catalog
    .selectFrom('entries')
    .innerJoin('layers', 'layers.no', 'layer')
    .select('set_id')
    .distinct();
  return (await rows.orderBy('set_id').execute()).map(({ set_id: id }) => id);
}

test('rows stay as long as folded sets show them, and go with the last of these', async (t) => {
  const catalog = await openNewCatalog(t);
  const tree = newTree(600);
  const nights = ['full', 'incremental', 'full', 'incremental', 'full'];
  const ids: string[] = [];
  for (const [night, mode] of nights.entries()) {
    changeSome(tree, random(night), night === 0 ? 0 : 10, night);
    const id = await backUp(catalog, mode, tree);
    if (mode === 'full') await foldSet(catalog, id, neverStopped);
    ids.push(id);
  }
  const [first = '', onFirst = '', second = '', onSecond = '', third = ''] = ids;
  const digests = new Map<string, string>();
  for (const id of ids) digests.set(id, await digestOf(catalog, id));
  const requireSame = async (...kept: string[]) => {
    for (const id of kept) assert.equal(await digestOf(catalog, id), digests.get(id), id);
  };
  await erase(catalog, onFirst);
  await erase(catalog, first);
  await requireSame(second, onSecond, third);
  const fourth = await backUp(catalog, 'full', tree);
  digests.set(fourth, await digestOf(catalog, fourth));
  await foldSet(catalog, fourth, neverStopped);
  assert.deepEqual(
    await setsOf(catalog, fourth),
    [fourth, first],
    'the rows of an expired set serve a new one',
  );
  // A set that builds on it has its own group and archive of it.
  await erase(catalog, second);
  await requireSame(onSecond, third, fourth);
  await erase(catalog, onSecond);
  await erase(catalog, third);
  await requireSame(fourth);
  assert.deepEqual(await layersWithRows(catalog), [first, fourth]);
  await erase(catalog, fourth);
  for (const table of ['entries', 'names', 'offsets', 'chains', 'groups'] as const)
    assert.deepEqual(await catalog.selectFrom(table).selectAll().execute(), [], table);
});

test('a copy of an expired set that is read again changes nothing in those that were folded on to it', async (t) => {
  const catalog = await openNewCatalog(t);
  const tree = newTree(300);
  const first = await backUp(catalog, 'full', tree);
  const second = await backUp(catalog, 'full', tree);
  await foldSet(catalog, second, neverStopped);
  const expected = await digestOf(catalog, second);
  await erase(catalog, first);
  await catalog.transaction().execute(async (tx) => {
    await keepRoot(tx, first);
    await keepRoot(tx, first);
  });
  assert.deepEqual(await treeOf(catalog, first), []);
  // What is read of it now, from a damaged copy.
  await catalog
    .updateTable('sets')
    .set({ state: 'failed', erased_at: null })
    .where('id', '=', first)
    .execute();
  const [row] = await treeOf(catalog, second);
  assert.ok(row !== undefined);
  await addFile(catalog, { ...row, set_id: first, state: 'skipped', reason: 'it is damaged' });
  assert.equal(await digestOf(catalog, second), expected);
  const found: FileRow[] = [];
  for await (const page of filesNamed(catalog, second, { holds: 'n0' })) found.push(...page);
  assert.equal(found.length, 300);
  await erase(catalog, second);
  assert.deepEqual(await layersWithRows(catalog), [first]);
});
