import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import semver from 'semver';
import { fromBytes } from '../../entry/byte-string.js';
import { firstPathOf } from '../../catalog/files/files.js';
import { FileBatch } from '../../catalog/files/file-batch.js';
import { openCatalog, type Catalog } from '../../catalog/open-catalog.js';
import { recordSetState } from '../../catalog/sets/set-states.js';
import { writtenCopiesOn } from '../../catalog/copies/copies.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { outermost } from '../../source/sources.js';
import type { WalkedEntry } from '../../source/walked-entry.js';
import { TapeflowFailure } from '../../config/failures.js';
import type { PlanLimits } from '../../source/group-cutter.js';
import { GroupPlanner } from '../../source/group-planner.js';
import { scanInThread } from '../../source/scan.js';
import { walk } from '../../source/walk.js';
import type { WalkOptions } from '../../source/walker.js';
import { sameThreadWriter } from '../../catalog/files/write-batch.js';
import { ThreadWriter } from '../../source/write-in-thread.js';
import { manyFiles, tempFolder, writeTree } from '../support/trees.js';

const limits: PlanLimits = {
  groupBytes: 1000,
  groupFiles: 1000,
  stagingBytes: 3000,
  direct: false,
  tapeBytes: 1e12,
};

function namesOf(options: Partial<WalkOptions> & { sources: string[] }): string[] {
  const all = { excludes: [], ownFolders: [], after: undefined, onLeftOut: () => undefined, ...options };
  return [...walk(all)].map((entry) => {
    assert.equal(entry.skipped, null, entry.name);
    return entry.name;
  });
}

async function newCatalog(t: TestContext): Promise<{ catalog: Catalog; file: string; setId: string }> {
  const file = path.join(tempFolder(t), 'catalog.db');
  const catalog = await openCatalog(file);
  t.after(() => catalog.destroy());
  const { set } = await openSet(catalog, newSet(['/x']), { fresh: false });
  return { catalog, file, setId: set.id };
}

function newSet(sources: string[], id?: string) {
  return {
    id,
    sources,
    excludes: [],
    pool: 'default',
    drive: 'lto1',
    mode: 'full',
    direct: false,
    options: {},
  };
}

async function planAll(catalog: Catalog, setId: string, root: string, stopAfter = Infinity): Promise<void> {
  const { planner, after } = await GroupPlanner.resume(catalog, setId, limits);
  let seen = 0;
  for (const entry of walk({
    sources: [root],
    excludes: [],
    ownFolders: [],
    after,
    onLeftOut: () => undefined,
  })) {
    if (seen++ === stopAfter) return;
    await planner.add(entry);
  }
  await planner.finish([]);
}

test('the walk gives names in bytewise order, and goes on after any of them', (t) => {
  const root = tempFolder(t);
  writeTree(root, {
    'a/x': '',
    'a b': '',
    'a-b/y': '',
    'a.txt': '',
    'a/z/deep': '',
    B: '',
    é: '',
    'a/b/c/d': '',
  });
  const all = namesOf({ sources: [root] });
  assert.deepEqual(all, [...all].sort());
  assert.equal(all.length, 14);
  for (const [at, after] of all.entries())
    assert.deepEqual(namesOf({ sources: [root], after }), all.slice(at + 1), after);
});

const notGnu = process.platform !== 'linux' && 'needs GNU find';

test('the walk tells of every entry what find tells of it', { skip: notGnu }, (t) => {
  const root = tempFolder(t);
  writeTree(root, { 'a/x': 'some text', 'a/x y': '', 'a/x-': '', 'set/uid': 'x', b: 'first' });
  mkdirSync(path.join(root, 'e'));
  linkSync(path.join(root, 'b'), path.join(root, 'b2'));
  symlinkSync('../nowhere\n', path.join(root, 'a/link'));
  execFileSync('mkfifo', [path.join(root, 'pipe')]);
  chmodSync(path.join(root, 'set/uid'), 0o6751);
  execFileSync('touch', ['-d', '1960-02-03T04:05:06.789012345Z', path.join(root, 'a/x')]);
  for (const odd of ['\xff\xfe', '\x80', 'new\nline', 'é'])
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from(odd, 'latin1')]), odd);
  const format = '%P\\0%m %s %T@ %C@ %U %G %n %D %i\\0';
  const told = execFileSync('find', [root, '-printf', format], { encoding: 'latin1' }).split('\0');
  const time = (seconds: number, ns: number) => `${seconds}.${String(ns).padStart(9, '0')}0`;
  const options = { excludes: [], ownFolders: [], after: undefined, onLeftOut: () => undefined };
  const walked = [...walk({ ...options, sources: [root] })].filter(
    ({ name }) => name !== `${root.slice(1)}/`,
  );
  assert.equal(walked.length, 15);
  for (const { name, stats } of walked) {
    assert.ok(stats);
    const { mode, size, mtimeS, mtimeNs, ctimeS, ctimeNs, uid, gid, nlink, dev, ino } = stats;
    const known = [
      (mode & 0o7777).toString(8),
      size,
      time(mtimeS, mtimeNs),
      time(ctimeS, ctimeNs),
      uid,
      gid,
      nlink,
      dev,
      ino,
    ];
    const at = told.indexOf(name.slice(root.length).replace(/\/$/, ''));
    assert.equal(known.join(' '), told[at + 1], name);
  }
});

test('a large folder that goes while it is walked: each entry that was not looked at says so', (t) => {
  const rest = { excludes: [], ownFolders: [], after: undefined, onLeftOut: () => undefined };
  const root = tempFolder(t);
  const folder = path.join(root, 'many');
  mkdirSync(folder);
  for (let i = 0; i < 3000; i += 1) writeFileSync(path.join(folder, String(i)), '');
  const entries = [];
  for (const entry of walk({ ...rest, sources: [root] })) {
    entries.push(entry);
    if (entries.length === 5) rmSync(folder, { recursive: true });
  }
  assert.equal(new Set(entries.map((entry) => entry.name)).size, 3002);
  const lost = entries.filter((entry) => entry.skipped !== null);
  assert.ok(lost.length >= 2000, `${lost.length}`);
  for (const { skipped } of lost)
    assert.match(skipped ?? '', /cannot be looked at: does not exist \(ENOENT\)/);
});

test('excludes, own folders and special files', (t) => {
  const root = tempFolder(t);
  writeTree(root, { 'keep.txt': '', 'drop.log': '', 'cache/big': '', 'sub/drop.log': '', 'ours/tape': '' });
  execFileSync('mkfifo', [path.join(root, 'pipe')]);
  symlinkSync('.', path.join(root, 'loop'));
  const leftOut: string[] = [];
  const options = {
    ...{ sources: [root], excludes: ['*.log', 'cache/'], after: undefined },
    ownFolders: [path.join(root, 'ours')],
    onLeftOut: (where: string) => leftOut.push(where),
  };
  const entries = [...walk(options)];
  const names = entries.map((entry) => entry.name.slice(root.length));
  assert.deepEqual(names, ['', 'keep.txt', 'loop', 'pipe', 'sub/']);
  const pipe = entries.find((entry) => entry.name.endsWith('pipe'));
  assert.deepEqual([pipe?.type, pipe?.skipped], ['fifo', null]);
  assert.equal(leftOut.length, 1);
});

test('sources inside others are dropped, and siblings with a common beginning are not', () => {
  assert.deepEqual(outermost(['/a/b', '/a', '/ab', '/a/b/c', '/..a']), ['/..a', '/a', '/ab']);
});

test('no group exceeds the limit unless one file alone does', async (t) => {
  const root = tempFolder(t);
  const { catalog, setId } = await newCatalog(t);
  for (let i = 0; i < 30; i += 1)
    writeFileSync(path.join(root, `f${String(i).padStart(2, '0')}`), 'x'.repeat((i * 97) % 700));
  writeFileSync(path.join(root, 'f10-huge'), 'x'.repeat(2500));
  writeFileSync(path.join(root, 'f20-direct'), 'x'.repeat(3500));
  await planAll(catalog, setId, root);
  const groups = await catalog.selectFrom('groups').selectAll().orderBy('no').execute();
  assert.deepEqual(
    groups.map((group) => group.no),
    groups.map((_, at) => at + 1),
  );
  const over = groups.filter((group) => group.bytes > limits.groupBytes);
  assert.deepEqual(
    over.map((group) => [group.bytes, group.entries, group.direct]),
    [
      [2500, 1, 0],
      [3500, 1, 1],
    ],
  );
  assert.ok(groups.every((group) => group.state === 'planned'));
});

test('a scan that was killed goes on after its last batch, with the same groups as one in one go', async (t) => {
  const root = tempFolder(t);
  manyFiles(root, 400, 90);
  const whole = await newCatalog(t);
  await planAll(whole.catalog, whole.setId, root);
  const killed = await newCatalog(t);
  for (const stop of [3, 57, 120, 7]) {
    const { planner, after } = await GroupPlanner.resume(killed.catalog, killed.setId, limits);
    let seen = 0;
    for (const entry of walk({
      sources: [root],
      excludes: [],
      ownFolders: [],
      after,
      onLeftOut: () => undefined,
    })) {
      await planner.add(entry);
      if (++seen === stop) break;
    }
    await planner.flush();
    // What was added after the last flush is lost with the process.
  }
  await planAll(killed.catalog, killed.setId, root);
  const groupsOf = (catalog: Catalog) =>
    catalog
      .selectFrom('groups')
      .select(['no', 'bytes', 'entries', 'first_path', 'last_path'])
      .orderBy('no')
      .execute();
  assert.deepEqual(await groupsOf(killed.catalog), await groupsOf(whole.catalog));
  const files = await killed.catalog.selectFrom('files').select('path').orderBy('path').execute();
  assert.deepEqual(
    files.map((file) => fromBytes(file.path)),
    namesOf({ sources: [root] }),
  );
});

test('a hard link into another group names the first path, one in its own group does not', async (t) => {
  const root = tempFolder(t);
  const { catalog, setId } = await newCatalog(t);
  writeTree(root, { 'a/first': 'x'.repeat(600), 'b/filler': 'y'.repeat(600) });
  linkSync(path.join(root, 'a/first'), path.join(root, 'a/same-group'));
  linkSync(path.join(root, 'a/first'), path.join(root, 'c-other-group'));
  await planAll(catalog, setId, root);
  const rows = await catalog
    .selectFrom('files')
    .select(['path', 'group_no', 'hard_link_of'])
    .where('type', '=', 'file')
    .execute();
  const links = Object.fromEntries(
    rows.map((row) => [
      path.basename(fromBytes(row.path)),
      row.hard_link_of === null ? null : fromBytes(row.hard_link_of),
    ]),
  );
  assert.equal(links['same-group'], null);
  assert.equal(links['c-other-group'], `${root}/a/first`.slice(1));
});

test('the first path of an inode, and what no sync has covered, are found by an index, not by a look at the whole set', async (t) => {
  const { catalog, file } = await newCatalog(t);
  const database = new Database(file, { readonly: true });
  t.after(() => database.close());
  for (const [query, index] of [
    [firstPathOf(catalog, '2026-11_000001', '1', '2'), /USING (COVERING )?INDEX entries_by_inode/],
    [writtenCopiesOn(catalog, 'tape', '2026-11_000001'), /INDEX copies_by_\w+ \(tape_uuid=\? AND state=\?\)/],
    [writtenCopiesOn(catalog, 'tape'), /INDEX copies_by_\w+ \(tape_uuid=\? AND state=\?\)/],
  ] as const) {
    const { sql, parameters } = query.compile();
    const steps = database.prepare(`explain query plan ${sql}`).all(parameters) as { detail: string }[];
    assert.ok(
      steps.some(({ detail }) => index.test(detail)),
      JSON.stringify(steps),
    );
    // Two subqueries of the view have one row each.
    const isWhole = ({ detail }: { detail: string }) => /^SCAN (?!(found|counted)$)/.test(detail);
    assert.ok(!steps.some(isWhole), JSON.stringify(steps));
  }
});

test('the scan in its thread writes the same, and stops when it is told', async (t) => {
  const root = tempFolder(t);
  manyFiles(root, 3000, 50);
  const { catalog, file, setId } = await newCatalog(t);
  const job = { catalogFile: file, setId, sources: [root], excludes: [], ownFolders: [], limits };
  // Told before it begins: it looks after some hundred entries, and might be through before it is told later.
  assert.equal(await scanInThread(job, AbortSignal.abort(), () => undefined), false);
  const first = await catalog
    .selectFrom('files')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow();
  assert.ok(first.n > 0 && first.n < 3031);
  assert.equal(await scanInThread(job, new AbortController().signal, () => undefined), true);
  const all = await catalog
    .selectFrom('files')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow();
  assert.equal(all.n, 3031);
});

test('when a batch of a scan cannot be written, none after it is, and the scan fails with the reason', async (t) => {
  const { catalog, file, setId } = await newCatalog(t);
  const raw = new Database(file);
  raw.exec(
    `create trigger poison before insert on entries when new.path = x'62' begin select raise(abort, 'poisoned'); end`,
  );
  raw.close();
  const writer = new ThreadWriter(file, sameThreadWriter(catalog), 1);
  t.after(() => writer.close());
  const files = new FileBatch(1);
  const batchOf = (name: string) => {
    files.add({ name, type: 'file', state: 'planned', group: 1, size: 0, stats: undefined, rare: undefined });
    return { setId, files: files.take(), closed: [], open: undefined };
  };
  await writer.write(batchOf('a'));
  await writer.idle();
  await writer.write(batchOf('b'));
  await writer.write(batchOf('c')).catch(() => undefined);
  await assert.rejects(writer.idle(), /poisoned/);
  const rows = await catalog.selectFrom('files').select('path').execute();
  assert.deepEqual(
    rows.map((row) => fromBytes(row.path)),
    ['a'],
  );
});

test('a hard link finds its first name, although that is in a batch which is only being written', async (t) => {
  const { catalog, file, setId } = await newCatalog(t);
  const writer = new ThreadWriter(file, sameThreadWriter(catalog), 1);
  t.after(() => writer.close());
  const { planner } = await GroupPlanner.resume(catalog, setId, limits, { writer });
  const times = { mtimeS: 1, mtimeNs: 0, ctimeS: 1, ctimeNs: 0, mode: 0o644, uid: 0, gid: 0 };
  const entry = (name: string, ino: number, nlink: number): WalkedEntry => {
    const stats = { ...times, size: 0, dev: 1, ino, nlink };
    return { name, type: 'file', stats, linkTarget: null, skipped: null };
  };
  await planner.add(entry('a', 1, 2));
  for (let i = 10_001; i < 14_100; i += 1) await planner.add(entry(`b${i}`, i, 1));
  await planner.add(entry('c', 1, 2));
  await planner.finish([]);
  const links = await catalog.selectFrom('files').select('hard_link_of').where('nlink', '=', 2).execute();
  assert.deepEqual(
    links.map((row) => row.hard_link_of && fromBytes(row.hard_link_of)),
    [null, 'a'],
  );
});

test('a scan’s rows hold numbers that are not exact as doubles, and entries of which nothing is known', async (t) => {
  const { catalog, setId } = await newCatalog(t);
  const { planner } = await GroupPlanner.resume(catalog, setId, limits);
  const [dev, ino] = [2n ** 64n - 1n, 2n ** 63n + 1n];
  const times = { mtimeS: -5, mtimeNs: 999_999_999, ctimeS: 2 ** 40, ctimeNs: 1 };
  const stats = { ...times, size: 7, mode: 0o106755, uid: 2 ** 32 - 2, gid: 0, nlink: 1, dev, ino };
  await planner.add({ name: 'a/b', type: 'file', stats, linkTarget: null, skipped: null });
  await planner.add({ name: 'c', type: 'other', stats: undefined, linkTarget: null, skipped: 'why' });
  await planner.finish([]);
  const [b, c] = await catalog.selectFrom('files').selectAll().orderBy('path').execute();
  assert.deepEqual([b?.dev, b?.ino, b?.mode, b?.uid], [String(dev), String(ino), 0o6755, 2 ** 32 - 2]);
  assert.deepEqual([b?.mtime_s, b?.mtime_ns, b?.ctime_s, b?.ctime_ns], [-5, 999_999_999, 2 ** 40, 1]);
  assert.deepEqual([c?.state, c?.reason, c?.mtime_s, c?.ino, c?.nlink], ['skipped', 'why', 0, '0', 1]);
});

test('sets: attaching, numbering, and numbers that were seen on a tape', async (t) => {
  const { catalog, setId } = await newCatalog(t);
  const now = new Date(2026, 10, 5);
  const again = await openSet(catalog, newSet(['/x']), { fresh: false, now });
  assert.equal(again.attached, true);
  assert.equal(again.set.id, setId);
  assert.equal((await openSet(catalog, newSet(['/x']), { fresh: true, now })).attached, false);
  await catalog.insertInto('seen_sets').values({ set_id: '2031-01_000041' }).execute();
  const later = await openSet(catalog, newSet(['/y']), { fresh: false, now: new Date(2031, 0, 5) });
  assert.equal(later.set.id, '2031-01_000042');
  await recordSetState(catalog, setId, 'completed', null);
  await assert.rejects(openSet(catalog, newSet(['/x'], setId), { fresh: false }), /exists and is completed/);
});

test('the catalog: durable settings, foreign keys, and refusal of a newer or damaged file', async (t) => {
  const { catalog, file } = await newCatalog(t);
  const version = new Database(':memory:').prepare('select sqlite_version()').pluck().get() as string;
  assert.ok(semver.gte(version, '3.51.3'), `SQLite ${version}`);
  await assert.rejects(
    catalog
      .insertInto('groups')
      .values({
        set_id: 'none',
        no: 1,
        state: 'open',
        bytes: 0,
        entries: 0,
        direct: 0,
        first_path: Buffer.from('x'),
      } as never)
      .execute(),
  );
  // Asked on a connection of the catalog itself: `synchronous` is no property of the file.
  const { rows } = await catalog.executeQuery<{ synchronous: number }>({
    sql: 'pragma synchronous',
    parameters: [],
    query: { kind: 'RawNode' } as never,
    queryId: { queryId: 'x' },
  });
  assert.equal(rows[0]?.synchronous, 2, 'FULL');
  const raw = new Database(file);
  assert.equal(raw.pragma('journal_mode', { simple: true }), 'wal');
  raw.prepare('insert into kysely_migration values (?, ?)').run('9999_future', '');
  raw.close();
  await assert.rejects(
    openCatalog(file),
    (error) => error instanceof TapeflowFailure && error.code === 'CatalogNewer',
  );
  const broken = path.join(tempFolder(t), 'catalog.db');
  writeFileSync(broken, 'no database at all, but long enough to be looked at'.repeat(50));
  await assert.rejects(
    openCatalog(broken),
    (error) => error instanceof TapeflowFailure && error.code === 'CatalogDamaged',
  );
});
