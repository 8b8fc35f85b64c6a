import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { Kysely, Migrator, SqliteDialect } from 'kysely';
import { fromBytes, fromText } from '../../entry/byte-string.js';
import type { NameQuery } from '../../catalog/files/file-names.js';
import { migrations } from '../../catalog/migrations/migrations.js';
import { openCatalog, type Catalog } from '../../catalog/open-catalog.js';
import type { Tables } from '../../catalog/schema/tables.js';
import { childrenOf, filesBelow, filesNamed } from '../../catalog/files/search.js';
import { openSet } from '../../catalog/sets/open-set.js';
import type { WalkedEntry } from '../../source/walked-entry.js';
import { GroupPlanner } from '../../source/group-planner.js';
import { walk } from '../../source/walk.js';
import { openNewCatalog } from '../support/catalogs.js';
import { tempFolder } from '../support/trees.js';

/** In bytewise order, as a walk gives them; `\xff` is not valid UTF-8. */
const names = [
  'etc/',
  'etc/app.conf',
  'etc/conf',
  'etc/conf/',
  'etc/conf/host',
  'etc/conf/hosts',
  'etc/hosts/',
  'etc/hosts/readme',
  'etc/\xff/',
  'etc/\xff/app.conf',
  'etc/\xffhosts',
  'hosts',
  '\xff\xffz',
];

async function catalogOf(t: TestContext, groupFiles: number): Promise<{ catalog: Catalog; ids: string[] }> {
  const catalog = await openNewCatalog(t);
  const ids: string[] = [];
  for (const source of ['/a', '/b']) {
    const { set } = await openSet(catalog, newSet(source), { fresh: false });
    const limits = { groupBytes: 1000, groupFiles, stagingBytes: 1000, direct: false, tapeBytes: 1e12 };
    const { planner } = await GroupPlanner.resume(catalog, set.id, limits);
    for (const name of names) await planner.add(entry(name));
    await planner.finish([]);
    ids.unshift(set.id);
  }
  return { catalog, ids };
}

function newSet(source: string) {
  const rest = { excludes: [], pool: 'default', drive: 'lto1', mode: 'full', direct: false, options: {} };
  return { sources: [source], ...rest };
}

function entry(name: string): WalkedEntry {
  const type = name.endsWith('/') ? 'directory' : 'symlink';
  return { name, type, stats: undefined, linkTarget: null, skipped: null };
}

async function found(catalog: Catalog, setId: string | undefined, wish: NameQuery): Promise<string[]> {
  const paths: string[] = [];
  for await (const page of filesNamed(catalog, setId, wish)) {
    for (const row of page) paths.push(`${row.set_id} ${fromBytes(row.path)}`);
  }
  return paths;
}

for (const groupFiles of [1, 3, 100]) {
  test(`files are found by their base names, newest set first, in groups of ${groupFiles}`, async (t) => {
    const { catalog, ids } = await catalogOf(t, groupFiles);
    const wishes: [NameQuery, string[]][] = [
      [{ exactly: 'hosts' }, ['etc/conf/hosts', 'etc/hosts/', 'hosts']],
      [{ exactly: fromText('é') }, []],
      [{ begins: 'host' }, ['etc/conf/host', 'etc/conf/hosts', 'etc/hosts/', 'hosts']],
      [{ begins: 'conf' }, ['etc/conf', 'etc/conf/']],
      [{ holds: '.conf' }, ['etc/app.conf', 'etc/\xff/app.conf']],
      [{ holds: 'ost' }, ['etc/conf/host', 'etc/conf/hosts', 'etc/hosts/', 'etc/\xffhosts', 'hosts']],
      [{ holds: 'etc' }, ['etc/']],
    ];
    for (const [wish, expected] of wishes) {
      const everywhere = ids.flatMap((id) => expected.map((name) => `${id} ${name}`));
      assert.deepEqual(await found(catalog, undefined, wish), everywhere, JSON.stringify(wish));
      assert.equal((await found(catalog, ids[0], wish)).length, expected.length);
    }
  });
}

test('files are found by their base names while their group is still open, and again once it is closed', async (t) => {
  const { catalog, ids } = await catalogOf(t, 100);
  const { set } = await openSet(catalog, newSet('/c'), { fresh: false });
  const limits = { groupBytes: 1000, groupFiles: 5, stagingBytes: 1000, direct: false, tapeBytes: 1e12 };
  const { planner } = await GroupPlanner.resume(catalog, set.id, limits);
  for (const name of names.slice(0, 8)) await planner.add(entry(name));
  await planner.flush();
  assert.deepEqual(await found(catalog, set.id, { begins: 'host' }), [
    ...[`${set.id} etc/conf/host`, `${set.id} etc/conf/hosts`, `${set.id} etc/hosts/`],
  ]);
  const resumed = await GroupPlanner.resume(catalog, set.id, limits);
  for (const name of names.slice(8)) await resumed.planner.add(entry(name));
  await resumed.planner.finish([]);
  const other = await found(catalog, ids[0], { holds: 's' });
  assert.deepEqual(
    await found(catalog, set.id, { holds: 's' }),
    other.map((line) => line.replace(ids[0] ?? '', set.id)),
  );
});

test('a path is found by its beginning, whatever bytes that ends in', async (t) => {
  const { catalog, ids } = await catalogOf(t, 3);
  for (const prefix of ['', 'etc/', 'etc/conf', 'etc/hosts/', 'etc/\xff', '\xff', '\xff\xff', 'x']) {
    const paths: string[] = [];
    for await (const page of filesBelow(catalog, undefined, prefix)) {
      for (const row of page) paths.push(`${row.set_id} ${fromBytes(row.path)}`);
    }
    const expected = names.filter((name) => name.startsWith(prefix));
    assert.deepEqual(
      paths,
      ids.flatMap((id) => expected.map((name) => `${id} ${name}`)),
      prefix,
    );
  }
});

test('a catalog from before names were indexed gets them when it is opened', async (t) => {
  const file = path.join(tempFolder(t), 'catalog.db');
  const database = new Database(file);
  const old = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });
  const before = Object.fromEntries(Object.entries(migrations).filter(([name]) => name < '0003'));
  const migrator = new Migrator({ db: old, provider: { getMigrations: async () => before } });
  assert.equal((await migrator.migrateToLatest()).error, undefined);
  const set = database.prepare(
    `insert into sets values (?, ?, 'completed', '[]', '[]', 'p', 'd', 'full', 0, '{}', 1, '[]', null, 0, 0)`,
  );
  const group = database.prepare(
    `insert into groups values (?, 1, 'released', 0, 9, x'00', x'ff', 0, null, 0, null)`,
  );
  const row = database.prepare(
    `insert into files values (?, ?, 1, 'file', 7, 1, 0, 1, 0, 0, 0, 0, '1', '2', 1, null, null, 'packed', null, 'abcd', 512)`,
  );
  const ids = ['2020-01_000002', '2020-01_000001'];
  // More than one step of the upgrade takes.
  const many = Array.from({ length: 6000 }, (_, i) => `many/n${i}`);
  for (const id of ids) {
    set.run(id, `uuid ${id}`);
    group.run(id);
    database.transaction(() => {
      for (const name of [...names, ...(id === ids[0] ? many : [])]) row.run(id, Buffer.from(name, 'latin1'));
    })();
  }
  await old.destroy();

  const catalog = await openCatalog(file);
  t.after(() => catalog.destroy());
  const expected = ids.flatMap((id) =>
    ['etc/conf/hosts', 'etc/hosts/', 'hosts'].map((name) => `${id} ${name}`),
  );
  assert.deepEqual(await found(catalog, undefined, { exactly: 'hosts' }), expected);
  assert.equal((await found(catalog, undefined, { exactly: 'n5999' })).length, 1);
  const rows = await catalog.selectFrom('files').select(['path', 'sha256']).execute();
  assert.equal(rows.length, 2 * names.length + many.length);
  assert.ok(rows.every((file) => file.sha256 === 'abcd'));
});

test('a long listing comes in bytewise order, every name once', (t) => {
  const root = tempFolder(t);
  const made: string[] = [];
  for (let i = 0; i < 1000; i += 1) {
    const name = Buffer.from(
      `${(i * 7919) % 1000}${i % 3 === 0 ? '\xff' : ''}${i % 5 === 0 ? '\n' : 'x'}`,
      'latin1',
    );
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), name]), '');
    made.push(name.toString('latin1'));
  }
  mkdirSync(path.join(root, 'folder'));
  const walked = walk({
    ...{ sources: [root], excludes: [], ownFolders: [], after: undefined, onLeftOut: () => undefined },
  });
  const names = [...walked].map((entry) => entry.name.slice(root.length));
  assert.deepEqual(names, ['', ...made, 'folder/'].sort());
});

test('one level of a folder is its own row and its entries, and folders above a source by their names', async (t) => {
  const { catalog, ids } = await catalogOf(t, 100);
  const level = async (setId: string, folder: string) => {
    const listed: string[] = [];
    for await (const page of childrenOf(catalog, setId, folder)) {
      for (const entry of page)
        listed.push(entry instanceof Uint8Array ? `(${fromBytes(entry)})` : fromBytes(entry.path));
    }
    return listed;
  };
  const [id = ''] = ids;
  assert.deepEqual(await level(id, ''), ['etc/', 'hosts', '\xff\xffz']);
  assert.deepEqual(await level(id, 'etc/'), [
    ...['etc/', 'etc/app.conf', 'etc/conf', 'etc/conf/', 'etc/hosts/', 'etc/\xff/', 'etc/\xffhosts'],
  ]);
  assert.deepEqual(await level(id, 'etc/conf/'), ['etc/conf/', 'etc/conf/host', 'etc/conf/hosts']);
  assert.deepEqual(await level(id, 'usr/'), []);
  // Folders of more entries than a page has, and sources below folders that are none.
  const { set } = await openSet(catalog, newSet('/srv'), { fresh: false });
  const limits = { groupBytes: 1e9, groupFiles: 1e6, stagingBytes: 1e9, direct: false, tapeBytes: 1e12 };
  const { planner } = await GroupPlanner.resume(catalog, set.id, limits);
  const many = (folder: string) => Array.from({ length: 1500 }, (_, i) => `${folder}${10_000 + i}`);
  for (const name of ['srv/a/b/', ...many('srv/a/b/'), 'srv/a/c', 'srv/d/', ...many('srv/d/')])
    await planner.add(entry(name));
  await planner.finish([]);
  assert.deepEqual(await level(set.id, ''), ['(srv/)']);
  assert.deepEqual(await level(set.id, 'srv/'), ['(srv/a/)', 'srv/d/']);
  assert.deepEqual(await level(set.id, 'srv/a/'), ['srv/a/b/', 'srv/a/c']);
  assert.deepEqual(await level(set.id, 'srv/d/'), ['srv/d/', ...many('srv/d/')]);
});
