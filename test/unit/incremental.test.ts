import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { Kysely, Migrator, SqliteDialect } from 'kysely';
import { fromBytes, toBytes } from '../../entry/byte-string.js';
import type { UnchangedMember } from '../../entry/member.js';
import { Packer } from '../../archive/pack/pack.js';
import { examineManifest, manifestEntries } from '../../archive/manifest/examine-manifest.js';
import { readManifest, type ManifestLine } from '../../archive/manifest/read-manifest.js';
import type { FileRow } from '../../catalog/rows.js';
import { newestVersion } from '../../catalog/files/newest-version.js';
import { forgetArchive } from '../../catalog/groups/forget-archive.js';
import type { IgnoredSigns } from '../../catalog/sets/ignored-signs.js';
import type { WalkedEntry } from '../../source/walked-entry.js';
import { forgetImported, importArchive } from '../../catalog/rebuilt/import-archive.js';
import { migrations } from '../../catalog/migrations/migrations.js';
import { openCatalog } from '../../catalog/open-catalog.js';
import { planRestore } from '../../catalog/retrievals/plan/plan-restore.js';
import { registerSet } from '../../catalog/rebuilt/rebuilt-sets.js';
import type { Tables } from '../../catalog/schema/tables.js';
import { filesNamed } from '../../catalog/files/search.js';
import { recordSetState } from '../../catalog/sets/set-states.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { changeFiles } from '../support/file-rows.js';
import { openNewCatalog } from '../support/catalogs.js';
import {
  begin,
  complete,
  file,
  hashFor,
  type FileStats,
  longAgo,
  rowsOf,
  scan,
} from '../support/scanned-sets.js';
import { tempFolder } from '../support/trees.js';

const everything = { names: [], globs: [] };
/** When the full sets of `afterwards` began. */
const began = 1.1e9;

/** A full set of some files, completed; then an incremental one of others. Returns the rows of the second. */
async function afterwards(
  t: TestContext,
  before: WalkedEntry[],
  now: WalkedEntry[],
  options: IgnoredSigns = {},
) {
  const catalog = await openNewCatalog(t);
  const full = await begin(catalog, 'full', '/x', new Date(began * 1000));
  await scan(catalog, full, before);
  await complete(catalog, full);
  const next = await begin(catalog, 'incremental', '/x', new Date(), options);
  await scan(catalog, next, now);
  return { catalog, full, next, rows: await rowsOf(catalog, next) };
}

test('an incremental set builds on the newest completed one of its sources, a differential on the newest full one', async (t) => {
  const catalog = await openNewCatalog(t);
  const at = (hour: number) => new Date(2026, 5, 1, hour);
  const baseOf = async (id: string) => (({ mode, base_id }) => [mode, base_id])(await setNamed(catalog, id));
  const first = await begin(catalog, 'incremental', '/x', at(1));
  assert.deepEqual(await baseOf(first), ['full', null], 'there is none: it is a full one');
  assert.deepEqual(
    await baseOf(await begin(catalog, 'incremental', '/x', at(2))),
    ['full', null],
    'unfinished',
  );
  await recordSetState(catalog, first, 'completed_with_skips', null);
  const second = await begin(catalog, 'incremental', '/x', at(3));
  assert.deepEqual(await baseOf(second), ['incremental', first]);
  await recordSetState(catalog, second, 'completed', null);
  for (const state of ['failed', 'cancelled'] as const) {
    const id = await begin(catalog, 'full', '/x', at(4));
    await recordSetState(catalog, id, state, null);
  }
  await recordSetState(catalog, await begin(catalog, 'full', '/y', at(5)), 'completed', null);
  assert.deepEqual(await baseOf(await begin(catalog, 'incremental', '/x', at(6))), ['incremental', second]);
  assert.deepEqual(await baseOf(await begin(catalog, 'differential', '/x', at(7))), ['differential', first]);
  assert.deepEqual(await baseOf(await begin(catalog, 'full', '/x', at(8))), ['full', null]);
});

test('only what is certain to be unchanged is left out; in every doubt a file is stored again', async (t) => {
  const changes: Record<string, FileStats> = {
    'changed ctime': { ctime: longAgo + 0.001 },
    'changed inode': { ino: 8 },
    'changed mtime': { mtime: longAgo + 0.001 },
    'changed size': { size: 11 },
  };
  const recent = { mtime: began - 1, ctime: began - 1 };
  const { rows, full } = await afterwards(
    t,
    [...Object.keys(changes).map((name) => file(name)), file('changed just then', recent), file('same')].sort(
      (a, b) => (a.name < b.name ? -1 : 1),
    ),
    [
      ...Object.entries(changes).map(([name, stats]) => file(name, stats)),
      file('changed just then', recent),
      file('new'),
      file('same', { dev: 99 }),
    ].sort((a, b) => (a.name < b.name ? -1 : 1)),
  );
  for (const name of [...Object.keys(changes), 'changed just then', 'new'])
    assert.deepEqual([rows[name]?.state, rows[name]?.held_set], ['planned', null], name);
  const same = rows['same'];
  assert.deepEqual(
    [same?.state, same?.held_set, same?.held_group, same?.sha256],
    ['unchanged', full, 1, hashFor(full, 'same')],
  );
});

test('what a set is to ignore is not compared, and the rest still is', async (t) => {
  const before = ['ctime', 'inode', 'just then', 'mtime', 'size'].map((name) =>
    file(name, name === 'just then' ? { mtime: began - 1 } : {}),
  );
  const now = [
    file('ctime', { ctime: longAgo + 1 }),
    file('inode', { ino: 8 }),
    file('just then', { mtime: began - 1 }),
    file('mtime', { mtime: longAgo + 1 }),
    file('size', { size: 11 }),
  ];
  const found = async (options: IgnoredSigns) => {
    const { rows } = await afterwards(t, before, now, options);
    return Object.values(rows).map(({ state }) => state === 'unchanged');
  };
  assert.deepEqual(await found({}), [false, false, true, false, false]);
  assert.deepEqual(await found({ ignoreCtime: true }), [true, false, false, false, false]);
  assert.deepEqual(await found({ ignoreInode: true }), [false, true, true, false, false]);
});

test('inodes too large for a number are told apart to the last bit', async (t) => {
  const large = 2n ** 63n + 12_345n;
  const before = ['other', 'same', 'small'].map((name) => file(name, { ino: large }));
  const now = [file('other', { ino: large + 1n }), file('same', { ino: large }), file('small', { ino: 7 })];
  const { rows } = await afterwards(t, before, now);
  assert.deepEqual(
    Object.values(rows).map(({ state }) => state),
    ['planned', 'unchanged', 'planned'],
  );
});

test('files that became one while inodes are ignored are told to be one', async (t) => {
  const linked = { ino: 9, nlink: 2 };
  const options = { ignoreCtime: true, ignoreInode: true };
  const { rows } = await afterwards(
    t,
    [file('a'), file('b')],
    [file('a', linked), file('b', linked)],
    options,
  );
  const { a, b } = rows;
  assert.deepEqual([a?.state, a?.hard_link_of, b?.state], ['unchanged', null, 'unchanged']);
  assert.equal(fromBytes(b?.hard_link_of ?? new Uint8Array()), 'a');
});

test('files that the base has not stored whole, or whose archive is lost or damaged, are stored again', async (t) => {
  const files = [
    file('a', { size: 900 }),
    file('b', { size: 900 }),
    file('c', { size: 900 }),
    file('d'),
    file('e'),
  ];
  const catalog = await openNewCatalog(t);
  const full = await begin(catalog, 'full');
  await scan(catalog, full, files);
  await complete(catalog, full, 'completed_with_skips');
  const change = (name: string, changes: { state?: 'skipped'; reason: string }) =>
    changeFiles(
      catalog,
      (rows) => rows.where('set_id', '=', full).where('path', '=', toBytes(name)),
      changes,
    );
  await change('d', { state: 'skipped', reason: 'padded' });
  await change('e', { reason: 'changed while it was read' });
  await catalog.updateTable('copies').set({ state: 'lost' }).where('group_no', '=', 1).execute();
  await catalog.updateTable('copies').set({ damage: 'block 1' }).where('group_no', '=', 2).execute();
  const next = await begin(catalog, 'incremental');
  await scan(catalog, next, files);
  const states = Object.values(await rowsOf(catalog, next)).map((row) => row.state);
  assert.deepEqual(states, ['planned', 'planned', 'unchanged', 'planned', 'planned']);
});

test('along a chain each row names the set that holds the content, and a restore needs just those', async (t) => {
  const { catalog, full, next, rows } = await afterwards(
    t,
    [file('a'), file('b'), file('c')],
    [file('a'), file('b', { mtime: 1 }), file('c')],
  );
  assert.deepEqual([rows['a']?.held_set, rows['b']?.held_set], [full, null]);
  await complete(catalog, next);
  const third = await begin(catalog, 'incremental');
  const now = [file('a'), file('b', { mtime: 1 }), file('d')];
  await scan(catalog, third, now);
  await complete(catalog, third);
  const held = Object.values(await rowsOf(catalog, third)).map((row) => row.held_set);
  assert.deepEqual(held, [full, next, null]);
  const [group] = await catalog.selectFrom('groups').selectAll().where('set_id', '=', third).execute();
  assert.deepEqual([group?.entries, group?.unchanged, group?.bytes], [3, 2, 10]);
  const needed = async (names: string[]) =>
    (await planRestore(catalog, third, { names, globs: [] })).archives.map(({ setId, members }) => [
      setId,
      members,
    ]);
  assert.deepEqual(await needed([]), [
    [full, 1],
    [next, 1],
    [third, 1],
  ]);
  assert.deepEqual(await needed(['b', 'd']), [
    [next, 1],
    [third, 1],
  ]);

  await catalog.deleteFrom('copies').where('set_id', '=', full).execute();
  const { archives, problems } = await planRestore(catalog, third, everything);
  assert.deepEqual(
    archives.map((archive) => archive.setId),
    [next, third],
  );
  assert.deepEqual(
    problems.map(({ path: name }) => (name === null ? '' : fromBytes(name))),
    ['a'],
  );
  assert.match(
    problems[0]?.reason ?? '',
    new RegExp(`Unchanged since set ${full}, whose group 1 is on no tape`),
  );
});

test('a scan that goes on after a kill compares as one in one go', async (t) => {
  const names = Array.from({ length: 5000 }, (_, i) => `f${String(i).padStart(5, '0')}`);
  const now = names
    .filter((_, i) => i % 7 !== 0 && !(i > 2100 && i < 4600))
    .map((name, i) => file(name, { size: i % 3 === 0 ? 11 : 10 }));
  const { catalog, rows: whole } = await afterwards(
    t,
    names.map((name) => file(name)),
    now,
  );
  const killed = await begin(catalog, 'incremental');
  for (const stopAt of [1, 1999, 2000, undefined]) await scan(catalog, killed, now, stopAt);
  const rows = await rowsOf(catalog, killed);
  const states = (of: Record<string, FileRow>) =>
    Object.entries(of).map(([name, row]) => `${name} ${row.state} ${row.group_no}`);
  assert.deepEqual(states(rows), states(whole));
  const unchanged = Object.values(rows).filter((row) => row.state === 'unchanged').length;
  assert.equal(unchanged, now.filter((entry) => entry.stats?.size === 10).length);
});

test('a new name of an unchanged file is stored, counts its bytes, and is joined to the first', async (t) => {
  const linked = { ino: 5, nlink: 3, size: 400 };
  const { rows, catalog, next } = await afterwards(
    t,
    [file('a', linked), file('b', linked)],
    [file('a', linked), file('b', linked), file('c', linked), file('d', linked)],
  );
  const told = Object.values(rows).map(({ state, hard_link_of: of }) => [
    state,
    of === null ? null : fromBytes(of),
  ]);
  assert.deepEqual(told, [
    ['unchanged', null],
    ['unchanged', null],
    ['planned', 'a'],
    ['planned', 'a'],
  ]);
  const [group] = await catalog.selectFrom('groups').selectAll().where('set_id', '=', next).execute();
  assert.equal(group?.bytes, 400);
});

test('when an archive is lost before it is on tape, what an earlier one holds stays as it is', async (t) => {
  const { catalog, full, next } = await afterwards(t, [file('a')], [file('a'), file('b')]);
  await complete(catalog, next);
  await catalog.updateTable('groups').set({ state: 'queued' }).where('set_id', '=', next).execute();
  await catalog.updateTable('copies').set({ state: 'lost' }).where('set_id', '=', next).execute();
  await forgetArchive(catalog, { set_id: next, group_no: 1, token: 't' }, 'gone');
  const { a, b } = await rowsOf(catalog, next);
  assert.deepEqual([a?.state, a?.held_set, a?.sha256], ['unchanged', full, hashFor(full, 'a')]);
  assert.equal(b?.state, 'planned');
});

test('the newest set with a path counts what earlier sets hold for it, once its scan is done', async (t) => {
  const { catalog, full, next } = await afterwards(
    t,
    [file('dir/a'), file('dir/b')],
    [file('dir/a'), file('dir/b')],
  );
  assert.equal((await newestVersion(catalog, ['dir']))?.setId, next);
  await catalog.updateTable('sets').set({ scanned: 0 }).where('id', '=', next).execute();
  assert.equal((await newestVersion(catalog, ['dir']))?.setId, full);
});

test('a catalog from before there were incremental sets can be built upon', async (t) => {
  const where = path.join(tempFolder(t), 'catalog.db');
  const database = new Database(where);
  const old = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });
  const before = Object.fromEntries(Object.entries(migrations).filter(([name]) => name < '0005'));
  const migrator = new Migrator({ db: old, provider: { getMigrations: async () => before } });
  assert.equal((await migrator.migrateToLatest()).error, undefined);
  database.exec(`
    insert into sets values ('2020-01_000001', 'u', 'completed', '["/x"]', '[]', 'p', 'd', 'full', 0, '{}', 1, '[]', null, 1577836800000, 0);
    insert into groups values ('2020-01_000001', 1, 'released', 10, 1, x'61', x'61', 0, null, 0, null);
    insert into files values ('2020-01_000001', x'61', 1, 'file', 10, 1000000000, 0, 1000000000, 0, 420, 0, 0, '1', '7', 1, null, null, 'packed', null, 'abcd', 512, 1);
    insert into tapes values ('T', 'T', 'default', null, 'usable', null, 0, 0, 0, 0);
    insert into copies values ('2020-01_000001', 1, 1, 'T', 'committed', 't', 1, 1, null, null);
  `);
  await old.destroy();
  const catalog = await openCatalog(where);
  t.after(() => catalog.destroy());
  const next = await begin(catalog, 'incremental');
  await scan(catalog, next, [file('a'), file('b')]);
  const rows = await rowsOf(catalog, next);
  const { a } = rows;
  assert.deepEqual(
    [a?.state, a?.held_set, a?.sha256, a?.tar_offset],
    ['unchanged', '2020-01_000001', 'abcd', 512],
  );
  assert.equal((await setNamed(catalog, '2020-01_000001')).base_id, null);
});

test('the manifest lists what an earlier archive holds, and a catalog is rebuilt with it; its names must be safe too', async (t) => {
  const folder = tempFolder(t);
  const manifestPath = path.join(folder, 'm');
  const header = {
    ...{ set: '2026-11_000002', setUuid: 'u', group: 1, archive: 'a.tar.gz', created: '', installation: 'i' },
    ...{ sources: ['/x'], hostname: 'h', mode: 'incremental', base: '2026-11_000001', platform: 'linux' },
  };
  const options = {
    archivePath: path.join(folder, 'a'),
    manifestPath,
    level: 6,
    inFlight: 2,
    maxBytes: null,
  };
  const packer = await Packer.open({ ...options, manifestHeader: header }, () => false);
  const kept = (name: string, linkTarget: string | null): UnchangedMember => ({
    ...{ name, set: '2026-11_000001', group: 3, offset: 512, size: 5, mtimeS: 1, mtimeNs: 2, mode: 0o644 },
    ...{ uid: 1, gid: 2, dev: '1', ino: '9', nlink: 2, linkTarget, hardLinkOf: null, sha256: 'a'.repeat(64) },
    ctime: [3, 4],
  });
  const members = [kept('x/a', null), kept('x/\xff', 'x/a')];
  assert.deepEqual(await packer.add(members), { packed: [], unchanged: [], skipped: [] });
  const { archive } = await packer.finish([]);
  await packer.abandon();
  assert.deepEqual([archive.members, archive.kept], [0, 2]);
  const lines: ManifestLine[] = [];
  for await (const line of readManifest(manifestPath)) lines.push(line);
  assert.deepEqual(lines.slice(0, 3), [
    { kind: 'header', header },
    ...members.map((member) => ({ kind: 'kept', kept: member })),
  ]);

  const identity = { set: header.set, group: 1, archives: [header.archive] };
  const facts = await examineManifest(manifestPath, identity);
  assert.ok('end' in facts, JSON.stringify(facts));
  assert.deepEqual([facts.entries, facts.first, facts.last], [2, 'x/a', 'x/\xff']);
  const catalog = await openNewCatalog(t);
  const setId = header.set;
  const entries = () => manifestEntries(manifestPath);
  const found = { setId, group: 1, entries, facts, manifest: null, beside: null, createdAt: 1 };
  await catalog.transaction().execute(async (tx) => {
    await registerSet(tx, { id: setId, header, pool: 'p', drive: 'd', at: 1 });
    await importArchive(tx, found);
  });
  assert.equal((await setNamed(catalog, setId)).base_id, header.base);
  const read = Object.entries(await rowsOf(catalog, setId)).map(([name, row]) => [
    ...[name, row.state, row.held_set, row.held_group, row.tar_offset],
    row.link_target === null ? null : fromBytes(row.link_target),
  ]);
  assert.deepEqual(read, [
    ['x/a', 'unchanged', header.base, 3, 512, null],
    ['x/\xff', 'unchanged', header.base, 3, 512, 'x/a'],
  ]);
  const named = async () => {
    let rows = 0;
    for await (const page of filesNamed(catalog, setId, { exactly: 'a' })) rows += page.length;
    return rows;
  };
  assert.equal(await named(), 1);
  // As for a better copy of the same archive.
  await catalog.transaction().execute(async (tx) => {
    await forgetImported(tx, setId, 1);
    for (const table of ['files', 'names'] as const)
      assert.deepEqual(await tx.selectFrom(table).selectAll().execute(), [], table);
    await importArchive(tx, found);
  });
  assert.equal(await named(), 1);
  const { problems } = await planRestore(catalog, setId, everything);
  assert.deepEqual(
    problems.flatMap(({ path: name }) => (name === null ? [] : [fromBytes(name)])),
    ['x/a', 'x/\xff'],
    'the other tape is not read yet',
  );

  const forged = gunzipSync(readFileSync(manifestPath)).toString().replace('"kept":"x/a"', '"kept":"../a"');
  writeFileSync(manifestPath, gzipSync(forged));
  await assert.rejects(async () => {
    for await (const line of readManifest(manifestPath)) void line;
  }, /line 2: the name/);
});
