import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { filesOfGroup } from '../../catalog/files/files.js';
import { foldSet } from '../../catalog/files/fold-set.js';
import { partsOf } from '../../catalog/files/layers.js';
import { offsetAfter } from '../../catalog/files/member-offsets.js';
import { childrenOf, filesNamed } from '../../catalog/files/search.js';
import { treeRows } from '../../catalog/files/tree-rows.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { archivesOf } from '../../catalog/retrievals/plan/wanted-archives.js';
import type { FileRow } from '../../catalog/rows.js';
import { hashedRowsAt } from '../../catalog/sets/base-rows.js';
import { fromBytes } from '../../entry/byte-string.js';
import type { WalkedEntry } from '../../source/walked-entry.js';
import { openNewCatalog } from '../support/catalogs.js';
import { begin, complete, file, longAgo, rowsOf, scan } from '../support/scanned-sets.js';

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
    else if (what === 2) tree.delete(name) && tree.set(`${name} renamed`, content);
    else if (what === 3) tree.set(name, { ...content, mode: 0o600 });
    else if (what === 4) for (const link of [name, `${name}.link`]) tree.set(link, { ...content, nlink: 2 });
    else if (what === 5) tree.set(name, { ...content, skipped: 'it cannot be read' });
    else tree.set(name, { from });
  }
}

/** One night's set of a tree; the same content has the same SHA-256 in each, and another offset. */
async function backUp(catalog: Catalog, mode: string, tree: Tree): Promise<string> {
  const id = await begin(catalog, mode);
  await scan(catalog, id, entriesOf(tree));
  let packed = 0;
  await complete(catalog, id, 'completed', (name) => {
    packed += 1;
    const sha256 = createHash('sha256')
      .update(`${tree.get(name)?.from}`)
      .digest('hex');
    // One that is at no block of a tar, which no archive has.
    const tar_offset = packed === 3 ? 700 : packed * 1024 + Number(id.slice(-3)) * 2 ** 32;
    return { tar_offset, sha256 };
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
    tree.slice(0, 700).map((row) => row.path),
  );
  found.push(...[...hashed.values()].sort((a, b) => Buffer.compare(a.path, b.path)));
  const groups = await catalog.selectFrom('groups').selectAll().where('set_id', '=', id).execute();
  for (const { no: group, first_path: path, last_path: last } of groups.slice(0, 3)) {
    for await (const { rows, gone } of filesOfGroup(catalog, id, group)) found.push(...rows, ...gone);
    found.push(await offsetAfter(catalog, { setId: id, group, last }, path));
  }
  return found;
}

for (const seed of [1, 2, 3])
  test(`folded sets, and those on them, show what others do in everything: trees of seed ${seed}`, async (t) => {
    const [folding, plain] = [await openNewCatalog(t), await openNewCatalog(t)];
    const next = random(seed);
    const tree = newTree(800);
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
    assert.ok((await ownRows(folding, fourth)) < 250, 'few rows are left');
    for (const id of ids) {
      const expected = await treeOf(plain, id);
      const shown = await treeOf(folding, id);
      assert.deepEqual(shown, expected, id);
      const inView = Object.values(await rowsOf(folding, id)).sort((a, b) => Buffer.compare(a.path, b.path));
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
          expected.slice(i % 2 === 0 ? a : a + 1, b + 1).map((row) => [fromBytes(row.path), row.tar_offset]),
        );
      }
    }
  });
