import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { layerOf, stateCode } from '../../catalog/files/entry-rows.js';
import { layOn, partsOf } from '../../catalog/files/layers.js';
import { childrenOf, filesBelow, filesNamed } from '../../catalog/files/search.js';
import { treeRows } from '../../catalog/files/tree-rows.js';
import { groupOf } from '../../catalog/groups/groups.js';
import { skipGroup } from '../../catalog/groups/skip-group.js';
import { type Catalog, openCatalog } from '../../catalog/open-catalog.js';
import type { FileRow } from '../../catalog/rows.js';
import { compareSets } from '../../catalog/sets/compare-sets.js';
import { purgeErased } from '../../catalog/tapes/purge-erased.js';
import { projectDir } from '../../config/project-dir.js';
import { fromBytes, toBytes } from '../../entry/byte-string.js';
import { GroupPlanner } from '../../source/group-planner.js';
import type { WalkedEntry } from '../../source/walked-entry.js';
import { openNewCatalog } from '../support/catalogs.js';
import { requireCompared } from '../support/compared-rows.js';
import { addFile } from '../support/file-rows.js';
import { begin, complete, file, limits, longAgo, rowsOf, scan } from '../support/scanned-sets.js';
import { tempFolder } from '../support/trees.js';

/** Numbers from a seed, below a limit. */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 8) % below;
  };
}

const folder = (name: string): WalkedEntry => ({ ...file(`${name}/`), type: 'directory' });

async function ownRows(catalog: Catalog, setId: string): Promise<string[]> {
  const rows = await catalog
    .selectFrom('layer_files')
    .select(['path', 'state'])
    .where('layer', '=', layerOf(setId))
    .orderBy('path')
    .execute();
  return rows.map((row) => `${fromBytes(row.path)} ${row.state}`);
}

/** What a set has of each entry, in the order of the names: from one pass over its layers. */
async function treeOf(catalog: Catalog, setId: string): Promise<FileRow[]> {
  const rows: FileRow[] = [];
  for await (const page of treeRows(catalog, setId, {})) rows.push(...page);
  return rows;
}

test('a set has rows for what changed, and shows its whole tree all the same, along a chain with branches', async (t) => {
  const catalog = await openNewCatalog(t);
  const number = numbersFrom(7);
  /** By name: the second that its content is from, and the set that stored it. */
  const files = new Map<string, { ctime: number; holder?: string }>();
  for (let i = 0; i < 120; i += 1) files.set(`f${i % 4}/n${i}`, { ctime: longAgo });
  // UTF-8, bytes that are none, and the character that stands for those where they are read as text.
  for (const odd of ['\xc3\xa9', '\xff\xfe', '\xc3', '\xef\xbf\xbd'])
    files.set(`f1/${odd}`, { ctime: longAgo });
  const expected = new Map<string, Map<string, string>>();
  for (let night = 0; night < 24; night += 1) {
    const mode = night === 0 || night === 15 ? 'full' : night % 5 === 4 ? 'differential' : 'incremental';
    for (let i = 0; night > 0 && i < 4; i += 1) {
      const names = [...files.keys()];
      const name = names[number(names.length)] ?? '';
      if (number(3) === 0) files.delete(name);
      else
        files.set(number(3) === 0 ? `f${number(4)}/new${night}${i}` : name, {
          ctime: longAgo + night * 60 + i,
        });
    }
    const id = await begin(catalog, mode);
    const names = [...files.keys(), 'f0/', 'f1/', 'f2/', 'f3/'].sort();
    const entries = names.map((name) =>
      name.endsWith('/') ? folder(name.slice(0, -1)) : file(name, { ctime: files.get(name)?.ctime ?? 0 }),
    );
    const stopAt = number(2) === 0 ? number(names.length) : undefined;
    if (stopAt !== undefined) await scan(catalog, id, entries, stopAt);
    await scan(catalog, id, entries);
    await complete(catalog, id);
    const rows = await rowsOf(catalog, id);
    assert.deepEqual(Object.keys(rows).sort(), names, id);
    expected.set(
      id,
      new Map(names.map((name) => [name, `${String(rows[name]?.ctime_s)} ${String(rows[name]?.sha256)}`])),
    );
    for (const name of files.keys())
      assert.equal(rows[name]?.ctime_s, files.get(name)?.ctime, `${id} ${name}`);
  }
  const ids = [...expected.keys()];
  const all = new Map<string, Record<string, FileRow>>();
  for (const id of ids) all.set(id, await rowsOf(catalog, id));
  for (const id of ids) {
    const rows = all.get(id) ?? {};
    const inOrder = Object.values(rows).sort((a, b) => Buffer.compare(a.path, b.path));
    assert.deepEqual(await treeOf(catalog, id), inOrder, id);
    await requireCompared(catalog, id);
    for (const row of inOrder) {
      const name = fromBytes(row.path);
      assert.equal(`${row.ctime_s} ${String(row.sha256)}`, expected.get(id)?.get(name), `${id} ${name}`);
      const holder = row.held_set === null ? row : all.get(row.held_set)?.[name];
      assert.deepEqual([holder?.state, holder?.held_set], ['packed', null], `${id} ${name}`);
      assert.equal(row.held_group ?? row.group_no, holder?.group_no, `${id} ${name}`);
    }
    const found: string[] = [];
    for await (const page of filesNamed(catalog, id, { holds: 'n1' }))
      found.push(...page.map((row) => fromBytes(row.path)));
    assert.deepEqual(
      found,
      [...(expected.get(id)?.keys() ?? [])].filter((name) => name.includes('/n1')),
    );
    let below = 0;
    for await (const page of filesBelow(catalog, id, 'f1/')) below += page.length;
    assert.equal(below, inOrder.filter((row) => fromBytes(row.path).startsWith('f1/')).length);
  }
  const changes: string[] = [];
  for await (const { row } of compareSets(catalog, ids[2] ?? '', ids[3] ?? ''))
    changes.push(fromBytes(row.path));
  const [before, after] = [expected.get(ids[2] ?? ''), expected.get(ids[3] ?? '')];
  const differ = [...new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])])].filter(
    (name) => !name.endsWith('/') && before?.get(name)?.split(' ')[1] !== after?.get(name)?.split(' ')[1],
  );
  assert.deepEqual(
    changes.filter((name) => !name.endsWith('/')),
    differ.sort(),
  );
});

test('an unchanged entry has no row; what is gone, is a folder, or has other rights has one', async (t) => {
  const catalog = await openNewCatalog(t);
  const full = await begin(catalog, 'full');
  const all = ['a', 'b', 'c', 'd', 'e'].map((name) => file(name));
  await scan(catalog, full, [...all, folder('f'), file('f/link', { nlink: 2 })]);
  await complete(catalog, full);
  const next = await begin(catalog, 'incremental');
  const [a, , c, d] = all as [WalkedEntry, WalkedEntry, WalkedEntry, WalkedEntry];
  const other = { ...c, stats: { ...c.stats, mode: 0o100600 } } as WalkedEntry;
  await scan(catalog, next, [a, other, d, folder('f'), file('f/link', { nlink: 2 })]);
  assert.deepEqual(await ownRows(catalog, next), [
    ...['b gone', 'c unchanged', 'e gone', 'f/ planned', 'f/link unchanged'],
  ]);
  const rows = await rowsOf(catalog, next);
  assert.deepEqual(
    Object.entries(rows)
      .map(([name, row]) => `${name} ${row.state} ${String(row.held_set)} ${row.mode.toString(8)}`)
      .sort(),
    [
      ...[`a unchanged ${full} 644`, `c unchanged ${full} 600`, `d unchanged ${full} 644`],
      ...[`f/ planned null 644`, `f/link unchanged ${full} 644`],
    ],
  );
  await complete(catalog, next);
  // What comes back is none of the set before.
  const third = await begin(catalog, 'incremental');
  await scan(catalog, third, [...all, folder('f'), file('f/link', { nlink: 2 })]);
  const states = Object.entries(await rowsOf(catalog, third)).map(([name, row]) => `${name} ${row.state}`);
  assert.deepEqual(states.sort(), [
    ...[
      'a unchanged',
      'b planned',
      'c unchanged',
      'd unchanged',
      'e planned',
      'f/ planned',
      'f/link unchanged',
    ],
  ]);
});

test('what a killed scan took for gone and is there when it goes on is in the set', async (t) => {
  const catalog = await openNewCatalog(t);
  const full = await begin(catalog, 'full');
  await scan(
    catalog,
    full,
    ['a', 'b', 'c', 'd'].map((name) => file(name)),
  );
  await complete(catalog, full);
  const next = await begin(catalog, 'incremental');
  await scan(catalog, next, [file('a')], 1);
  // As a batch that was full before the entry behind what was gone.
  const times = { mtime_s: 0, mtime_ns: 0, ctime_s: 0, ctime_ns: 0 };
  await addFile(catalog, {
    ...{
      set_id: next,
      path: toBytes('b'),
      group_no: 1,
      type: 'other',
      size: 0,
      ...times,
      mode: 0,
      uid: 0,
      gid: 0,
    },
    ...{
      dev: '0',
      ino: '0',
      nlink: 1,
      link_target: null,
      hard_link_of: null,
      state: 'skipped',
      reason: null,
    },
    ...{
      sha256: null,
      tar_offset: null,
      held_set: null,
      held_group: null,
      stored_size: null,
      attributes: null,
    },
  });
  await catalog
    .updateTable('entries')
    .set({ state: stateCode('gone') })
    .where('path', '=', toBytes('b'))
    .where('layer', '=', layerOf(next))
    .execute();
  assert.deepEqual(Object.keys(await rowsOf(catalog, next)), ['a'], 'the scan has not come to the others');
  await scan(
    catalog,
    next,
    ['a', 'b', 'c', 'd'].map((name) => file(name)),
  );
  assert.deepEqual(Object.keys(await rowsOf(catalog, next)).sort(), ['a', 'b', 'c', 'd']);
  assert.deepEqual(await ownRows(catalog, next), []);
});

test('what is gone is not among the skipped entries of a group that is skipped', async (t) => {
  const catalog = await openNewCatalog(t);
  const full = await begin(catalog, 'full');
  const all = ['a', 'b', 'c'].map((name) => file(name));
  await scan(catalog, full, all);
  await complete(catalog, full);
  const next = await begin(catalog, 'incremental');
  await scan(catalog, next, [file('a'), file('c', { ctime: longAgo + 1 })]);
  const group = await groupOf(catalog, next, 1);
  await catalog.transaction().execute((tx) => skipGroup(tx, group, 'larger than the tape', null));
  assert.deepEqual(await ownRows(catalog, next), ['b gone', 'c skipped']);
});

test('a scan that an earlier version began, with a row for each entry, goes on like that, and others lie on it', async (t) => {
  const catalog = await openNewCatalog(t);
  const all = ['a', 'b', 'c', 'd', 'e'].map((name) => file(name));
  const full = await begin(catalog, 'full');
  await scan(catalog, full, all);
  await complete(catalog, full);
  const next = await begin(catalog, 'incremental');
  await scan(catalog, next, all, 3);
  const rows = await treeOf(catalog, next);
  assert.equal(rows.length, 3);
  // As that version left it, and the migration then.
  await catalog.deleteFrom('chains').where('depth', '>', 0).execute();
  for (const row of rows) await addFile(catalog, row);
  const [a, b, , d, e] = all as [WalkedEntry, WalkedEntry, WalkedEntry, WalkedEntry, WalkedEntry];
  await scan(catalog, next, [a, b, d, e]);
  const states = ['a unchanged', 'b unchanged', 'c unchanged', 'd unchanged', 'e unchanged'];
  assert.deepEqual(await ownRows(catalog, next), states);
  await complete(catalog, next);
  const third = await begin(catalog, 'incremental');
  await scan(catalog, third, [a, b, d, e]);
  assert.deepEqual(await ownRows(catalog, third), ['c gone']);
  assert.deepEqual(
    Object.entries(await rowsOf(catalog, third)).map(([name, row]) => `${name} ${String(row.held_set)}`),
    ['a', 'b', 'd', 'e'].map((name) => `${name} ${full}`),
  );
});

test('a scan that is killed after it was laid on its base, or in its middle, goes on to the same tree', async (t) => {
  const folder = tempFolder(t);
  const at = path.join(folder, 'catalog.db');
  const catalog = await openCatalog(at);
  t.after(() => catalog.destroy());
  const names = Array.from({ length: 22_000 }, (_, i) => `n${String(i).padStart(6, '0')}`);
  const isGone = (i: number) => i % 1000 === 7;
  const now = names
    .filter((_, i) => !isGone(i))
    .map((name, i) => file(name, { ctime: i % 500 === 3 ? longAgo + 1 : longAgo }));
  const full = await begin(catalog, 'full');
  const large = { ...limits, groupBytes: 1e9, groupFiles: 1e6 };
  const { planner } = await GroupPlanner.resume(catalog, full, large);
  for (const name of names) await planner.add(file(name));
  await planner.finish([]);
  const packed = { state: stateCode('packed'), tar_offset: 512, sha256: Buffer.alloc(32, 1) };
  await catalog.updateTable('entries').set(packed).execute();
  await complete(catalog, full);
  const entry = (what: string) => JSON.stringify(path.join(projectDir, 'dist', `${what}.js`));
  const killed = await begin(catalog, 'incremental');
  const cursors: number[] = [];
  for (const killAfter of [0, 21_000, 1000]) {
    const program = `
      import { openCatalog } from ${entry('catalog/open-catalog')};
      import { GroupPlanner } from ${entry('source/group-planner')};
      import { file, limits } from ${entry('test/support/scanned-sets')};
      const catalog = await openCatalog(${JSON.stringify(at)});
      const { planner, after = '' } = await GroupPlanner.resume(catalog, ${JSON.stringify(killed)}, limits);
      let left = ${killAfter};
      for (const [name, ctime] of ${JSON.stringify(now.map(({ name, stats }) => [name, stats?.ctimeS]))}) {
        if (left === 0) process.kill(process.pid, 'SIGKILL');
        if (name <= after) continue;
        left -= 1;
        await planner.add(file(name, { ctime }));
      }`;
    const script = path.join(folder, 'killed.mjs');
    writeFileSync(script, program);
    const { signal } = spawnSync(process.execPath, [script], { stdio: 'inherit' });
    assert.equal(signal, 'SIGKILL');
    const rows = await treeOf(catalog, killed);
    cursors.push(rows.length);
    const walked = now.slice(0, rows.length).map(({ name }) => name);
    assert.equal(rows.map((row) => fromBytes(row.path)).join(' '), walked.join(' '));
  }
  assert.ok(
    cursors[0] === 0 && (cursors[1] ?? 0) >= 20_000 && cursors[2] === cursors[1],
    `${cursors.join(' ')}`,
  );
  await scan(catalog, killed, now);
  const undisturbed = await begin(catalog, 'incremental');
  await scan(catalog, undisturbed, now);
  const said = async (setId: string) =>
    JSON.stringify((await treeOf(catalog, setId)).map(({ set_id: _, ...row }) => Object.values(row)));
  assert.ok((await said(killed)) === (await said(undisturbed)));
  assert.deepEqual(await ownRows(catalog, killed), await ownRows(catalog, undisturbed));
  assert.equal((await ownRows(catalog, killed)).length, 22 + 44);
});

test('a set on too many layers has a row for each of its entries, and shows the same', async (t) => {
  const catalog = await openNewCatalog(t);
  const all = ['a', 'b', 'c'].map((name) => file(name));
  const full = await begin(catalog, 'full');
  await scan(catalog, full, all);
  await complete(catalog, full);
  const next = await begin(catalog, 'incremental');
  await scan(catalog, next, all);
  await complete(catalog, next);
  const third = await begin(catalog, 'incremental');
  assert.equal(await layOn(catalog, third, next, 2), false);
  await scan(catalog, third, all);
  assert.deepEqual(await ownRows(catalog, third), ['a unchanged', 'b unchanged', 'c unchanged']);
  const said = async (id: string) => (await treeOf(catalog, id)).map((row) => ({ ...row, set_id: '' }));
  assert.deepEqual(await said(third), await said(next));
  await complete(catalog, third);
  const fourth = await begin(catalog, 'incremental');
  await scan(catalog, fourth, all);
  assert.deepEqual(await partsOf(catalog, fourth).then((parts) => parts.map((part) => part.setId)), [
    fourth,
    third,
  ]);
});

test('what is gone behind the last name of a set does not come back in a later set with names behind it', async (t) => {
  const catalog = await openNewCatalog(t);
  const nights = [['a', 'b', 'y', 'z'], ['a', 'b'], ['a', 'b', 'zz'], []];
  for (const [night, names] of [...nights, ['a', 'zzz']].entries()) {
    const id = await begin(catalog, night === 0 ? 'full' : 'incremental');
    await scan(
      catalog,
      id,
      names.map((name) => file(name, { ctime: longAgo + (name.startsWith('zz') ? night : 0) })),
    );
    await complete(catalog, id);
    assert.deepEqual(Object.keys(await rowsOf(catalog, id)), names);
    assert.deepEqual(
      (await treeOf(catalog, id)).map(({ path: name }) => fromBytes(name)),
      names,
    );
  }
});

test('one level of a folder is whole where much of it is gone, on its base and read from tapes without it', async (t) => {
  const catalog = await openNewCatalog(t);
  const all = Array.from({ length: 2500 }, (_, i) => `d/${10_000 + i}`);
  const full = await begin(catalog, 'full');
  await scan(
    catalog,
    full,
    all.map((name) => file(name)),
  );
  await complete(catalog, full);
  const id = await begin(catalog, 'incremental');
  // The first thousand, so that a whole page is gone, and some of the next.
  const left = all.filter((_, i) => i >= 1000 && i % 7 !== 0);
  await scan(
    catalog,
    id,
    left.map((name) => file(name, { ctime: longAgo + 1 })),
  );
  await complete(catalog, id);
  const level = async () => {
    const names: string[] = [];
    for await (const page of childrenOf(catalog, id, 'd/'))
      for (const row of page) names.push(fromBytes(row instanceof Uint8Array ? row : row.path));
    return names;
  };
  assert.deepEqual(await level(), left);
  // As it is after `tape catalog` while its base is missing.
  const [own] = await partsOf(catalog, id);
  await catalog
    .deleteFrom('chains')
    .where('layer', '=', own?.no ?? 0)
    .where('depth', '>', 0)
    .execute();
  await catalog
    .updateTable('chains')
    .set({ gated: 1 })
    .where('layer', '=', own?.no ?? 0)
    .execute();
  assert.deepEqual(await level(), left);
  for await (const page of treeRows(catalog, id, {})) assert.notEqual(page.length, 0, 'a page has rows');
});

test('the rows of an erased set stay as long as a set lies on it, and go with the last of them', async (t) => {
  const catalog = await openNewCatalog(t);
  const full = await begin(catalog, 'full');
  await scan(
    catalog,
    full,
    ['a', 'b'].map((name) => file(name)),
  );
  await complete(catalog, full);
  const next = await begin(catalog, 'incremental');
  await scan(catalog, next, [file('a'), file('b'), file('c')]);
  await complete(catalog, next);
  const erase = async (id: string) => {
    await catalog.updateTable('copies').set({ state: 'erased' }).where('set_id', '=', id).execute();
    await catalog.updateTable('sets').set({ erased_at: 1 }).where('id', '=', id).execute();
    await purgeErased(catalog);
  };
  await erase(full);
  assert.deepEqual(Object.keys(await rowsOf(catalog, next)).sort(), ['a', 'b', 'c']);
  await erase(next);
  for (const table of ['entries', 'names', 'chains', 'groups'] as const)
    assert.deepEqual(await catalog.selectFrom(table).selectAll().execute(), [], table);
});
