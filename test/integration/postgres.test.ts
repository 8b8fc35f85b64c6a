import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { sql } from 'kysely';
import pg from 'pg';
import { copyCatalog } from '../../catalog/backup/copy-catalog.js';
import { isCatalogOutOfReach } from '../../catalog/catalog-failure.js';
import { FileBatch } from '../../catalog/files/file-batch.js';
import { writeBatch } from '../../catalog/files/write-batch.js';
import { fromBytes } from '../../entry/byte-string.js';
import { beginCompressing, reserveAndBegin, whileOwned } from '../../catalog/groups/group-owner.js';
import { groupOf } from '../../catalog/groups/groups.js';
import { installationId } from '../../catalog/installation.js';
import { type Catalog, openCatalog } from '../../catalog/open-catalog.js';
import { openForReading } from '../../catalog/open-for-reading.js';
import { filesView } from '../../catalog/schema/file-views.js';
import { catalogOn } from '../../catalog/postgres/open-postgres.js';
import { CatalogPool } from '../../catalog/postgres/pool.js';
import { isServerAway } from '../../catalog/postgres/server-error.js';
import { noteExisting } from '../../catalog/retrievals/existing-entries.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { setNamed } from '../../catalog/sets/sets.js';
import type { TapeflowFailure } from '../../config/failures.js';
import { projectDir } from '../../config/project-dir.js';
import { Installation } from '../support/installation.js';
import { noPostgres, PostgresServer } from '../support/postgres.js';
import { assertSameTree, longTest, manyFiles, noise, tempFolder } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

const skip = noPostgres;

let server: PostgresServer;
const ends: (() => Promise<void>)[] = [];
before(async () => {
  if (skip === false)
    server = await PostgresServer.make({ after: (end) => void ends.push(end as () => Promise<void>) });
});
after(async () => {
  for (const end of ends) await end();
});

/** Further ones, of all that is done with it. */
const longTests = [
  ...[
    'first-archive',
    'hooks',
    'incremental',
    'tape-search',
    'reading-wait',
    'set-base',
    'start-set',
    'copies',
    'damaged-version',
    'discard',
    'end-marks',
  ],
  ...[
    'existing-target',
    'folded-sets',
    'layers',
    'lost-manifests',
    'metadata',
    'only-metadata',
    'rebuilt-base',
    'rebuilt-chains',
    'taken',
    'tape-format',
  ],
  ...['tape-states', 'catalog-metrics', 'repack', 'report', 'slices', 'notify', 'notify-facts'],
  ...['hosts', 'notify-outbox'],
];

/** Test files of the catalog, which open it by `openNewCatalog`. */
const catalogTests = [
  ...['claimed-starts', 'fences', 'open-set', 'retention', 'search'],
  ...(longTest === false ? longTests : []),
];

test('the tests of the catalog pass on PostgreSQL too', { skip }, async (t) => {
  const files = catalogTests.map((name) =>
    path.join(projectDir, 'dist', 'bundled-tests', `unit-${name}.test.js`),
  );
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  // In one process: to load the program takes longer than most of these tests.
  const all = files.map((file) => `await import('${pathToFileURL(file).href}');`).join('\n');
  // A file, since their threads take over the options of the process.
  const script = path.join(tempFolder(t), 'all.mjs');
  writeFileSync(script, all);
  const child = spawn(process.execPath, [script], {
    env: { ...env, CATALOG_OF_TESTS: server.database },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 0, output);
});

const wanted = { sources: ['/s'], excludes: [], pool: 'default', drive: 'lto1', mode: 'full', options: {} };

/** Two processes, as it were, with one catalog in PostgreSQL, and a set of two planned groups. */
async function twoUsers(t: {
  after(end: () => Promise<void>): void;
}): Promise<{ one: Catalog; other: Catalog; setId: string; url: string }> {
  const url = await server.makeCatalog();
  const [one, other] = await Promise.all([openCatalog(url), openCatalog(url)]);
  t.after(async () => {
    await Promise.all([one.destroy(), other.destroy()]);
  });
  const { set } = await openSet(one, { ...wanted, direct: false }, { fresh: true });
  const group = { state: 'planned', bytes: 1, entries: 1, direct: 0, reserved: 0 } as const;
  for (const no of [1, 2])
    await one
      .insertInto('groups')
      .values({ ...group, set_id: set.id, no, first_path: Buffer.of(no), last_path: Buffer.of(no) })
      .execute();
  return { one, other, setId: set.id, url };
}

/** Waits until a transaction waits for the lock of the catalog. */
async function untilOneWaits(): Promise<void> {
  const waiting = `select 1 from pg_locks where locktype = 'advisory' and not granted`;
  await waitFor(async () => (await server.query(waiting)).length > 0, 'a transaction to wait');
}

test('in PostgreSQL, what a transaction has read stays true until it has ended', { skip }, async (t) => {
  const { one, other, setId } = await twoUsers(t);
  await t.test('nobody takes a group over while its owner renames its files', async () => {
    assert.ok(await beginCompressing(one, setId, 1, 'first'));
    const order: string[] = [];
    let taken: Promise<boolean> | undefined;
    await one.transaction().execute(async (tx) => {
      assert.equal((await groupOf(tx, setId, 1)).token, 'first');
      taken = beginCompressing(other, setId, 1, 'second').finally(() => order.push('taken over'));
      await untilOneWaits();
      assert.equal((await groupOf(tx, setId, 1)).token, 'first');
      order.push('renamed');
    });
    assert.equal(await taken, true);
    assert.deepEqual(order, ['renamed', 'taken over']);
    const act = (token: string) =>
      whileOwned(one, { setId, group: 1, token, state: 'compressing' }, () => order.push(token));
    assert.deepEqual([await act('first'), await act('second')], [false, true]);
    assert.deepEqual(order.slice(2), ['second']);
  });
  await t.test('a single statement waits for it, too', async () => {
    let written: Promise<unknown> | undefined;
    await one.transaction().execute(async (tx) => {
      const { reason } = await setNamed(tx, setId);
      written = other.updateTable('sets').set({ reason: 'other' }).where('id', '=', setId).execute();
      await untilOneWaits();
      assert.equal((await setNamed(tx, setId)).reason, reason);
    });
    await written;
    assert.equal((await setNamed(one, setId)).reason, 'other');
  });
  await t.test('of two that reserve the last bytes of staging, one gets them', async () => {
    await one.updateTable('groups').set({ reserved: 0, state: 'planned', token: null }).execute();
    const reserve = (catalog: Catalog, group: number) =>
      reserveAndBegin(catalog, { setId, group, token: `t${group}` }, 60, 100);
    const got = await Promise.all([reserve(one, 1), reserve(other, 2)]);
    assert.deepEqual(got.sort(), ['begun', 'full']);
  });
  await t.test('two commands that ask for the same at once get one set', async () => {
    const sources = ['/both'];
    const opened = await Promise.all(
      [one, other, one, other].map((catalog) =>
        openSet(catalog, { ...wanted, sources, direct: false }, { fresh: false }),
      ),
    );
    assert.equal(new Set(opened.map(({ set }) => set.id)).size, 1);
    assert.equal(opened.filter(({ attached }) => !attached).length, 1);
  });
  await t.test('two that make the identity of the installation get the same', async () => {
    const [first, second] = await Promise.all([installationId(one), installationId(other)]);
    assert.equal(first, second);
  });
  await t.test(
    'a transaction in which a statement has failed is not committed, whoever caught that',
    async () => {
      const failing = one.transaction().execute(async (tx) => {
        await tx.updateTable('sets').set({ reason: 'half' }).execute();
        await tx
          .insertInto('seen_sets')
          .values([{ set_id: 'x' }, { set_id: 'x' }])
          .execute()
          .catch(() => undefined);
      });
      await assert.rejects(failing, /had failed and is not committed/);
      assert.equal((await setNamed(other, setId)).reason, 'other');
    },
  );
  await t.test('one that was cut off has changed nothing, and its lock is free', async () => {
    const cut = one.transaction().execute(async (tx) => {
      await tx.updateTable('sets').set({ reason: 'cut' }).execute();
      await server.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where state = 'idle in transaction'`,
      );
      await tx.updateTable('sets').set({ reason: 'cut again' }).execute();
    });
    await assert.rejects(cut, isCatalogOutOfReach);
    await other.updateTable('sets').set({ reason: 'free' }).where('id', '=', setId).execute();
    assert.equal((await setNamed(one, setId)).reason, 'free');
  });
  await t.test(
    'what a process did not commit is gone when the server is killed; the rest goes on',
    async () => {
      const killed = one.transaction().execute(async (tx) => {
        await tx.updateTable('sets').set({ reason: 'lost' }).execute();
        await server.kill();
      });
      await assert.rejects(killed, isCatalogOutOfReach);
      const read = setNamed(other, setId);
      const written = one.updateTable('sets').set({ pool: 'after' }).where('id', '=', setId).execute();
      await server.start();
      assert.equal((await read).reason, 'free', 'a query waits while the server is away');
      await written;
      assert.equal((await setNamed(other, setId)).pool, 'after');
    },
  );
});

test('names are in the order of their bytes, whatever the order of the database', { skip }, async (t) => {
  const { one } = await twoUsers(t);
  const names = ['Z', 'a', 'B', 'ä', 'a-b', 'a/', 'ab'];
  for (const name of names) await one.insertInto('seen_sets').values({ set_id: name }).execute();
  const rows = await one.selectFrom('seen_sets').select('set_id').orderBy('set_id').execute();
  assert.deepEqual(
    rows.map((row) => row.set_id),
    ['B', 'Z', 'a', 'a-b', 'a/', 'ab', 'ä'],
  );
});

test('a path that no index of PostgreSQL holds is told in a sentence', { skip }, async (t) => {
  const { one, setId } = await twoUsers(t);
  const path = Buffer.from(noise(4000, 'path'));
  const existing = noteExisting(one, setId, 'look', [{ path, ino: '1' }]);
  await assert.rejects(existing, (error: TapeflowFailure) => error.code === 'PathTooLong');
  await noteExisting(one, setId, 'look', [{ path: Buffer.alloc(4000, 'deep/er/'), ino: '1' }]);
});

test(
  'an entry whose path no index of PostgreSQL holds is listed as skipped, and the others are stored',
  { skip },
  async (t) => {
    const { one, setId } = await twoUsers(t);
    const long = 'b/' + noise(3500, 'long').toString('latin1').replaceAll('/', '-').replaceAll('\0', '-');
    const names = ['a', 'b/', `${long}/`, `${long}/file`, 'b/\xff\xff', 'c'];
    const batch = new FileBatch(10);
    for (const name of names)
      batch.add({
        name,
        type: 'file',
        state: 'planned',
        group: 1,
        size: 1,
        stats: undefined,
        rare: undefined,
      });
    await writeBatch(one, { setId, files: batch.take(), closed: [], open: undefined });
    const rows = await one
      .selectFrom('files')
      .selectAll()
      .where('set_id', '=', setId)
      .orderBy('path')
      .execute();
    const beginning = long.slice(0, 2500);
    assert.deepEqual(
      rows.map(({ path, state }) => [fromBytes(path), state]),
      [
        ...[
          ['a', 'planned'],
          ['b/', 'planned'],
          [beginning, 'skipped'],
        ],
        ...[
          ['b/\xff\xff', 'planned'],
          ['c', 'planned'],
        ],
      ],
    );
    assert.match(rows[2]?.reason ?? '', /more than 2500 bytes begins like this/);
  },
);

test('a catalog in PostgreSQL from before sets lay on others gets their layers', { skip }, async (t) => {
  const { one, setId, url } = await twoUsers(t);
  const batch = new FileBatch(10);
  for (const name of ['a', 'b'])
    batch.add({ name, type: 'file', state: 'planned', group: 1, size: 1, stats: undefined, rare: undefined });
  await writeBatch(one, { setId, files: batch.take(), closed: [], open: undefined });
  const rows = (catalog: Catalog) => catalog.selectFrom('files').selectAll().orderBy('path').execute();
  const before = await rows(one);
  assert.equal(before.length, 2);
  for (const statement of [
    ...['drop view files', 'drop view layer_files', 'drop table chains', filesView(true)],
    `delete from kysely_migration where name = '0038_layers'`,
  ])
    await sql.raw(statement).execute(one);
  const migrated = await openCatalog(url);
  t.after(() => migrated.destroy());
  assert.deepEqual(await rows(migrated), before);
  const chains = await migrated.selectFrom('chains').select('depth').execute();
  assert.deepEqual(chains, [{ depth: 0 }]);
});

test('a catalog moves to PostgreSQL and back, every row the same', { skip }, async (t) => {
  const folder = tempFolder(t);
  const [file, back] = ['catalog.db', 'back.db'].map((name) => path.join(folder, name)) as [string, string];
  const catalog = await openCatalog(file);
  const { set } = await openSet(catalog, { ...wanted, direct: false }, { fresh: true });
  const events = Array.from({ length: 4500 }, (_, at) => ({ set_id: set.id, stage: `e${at}`, at }));
  for (let at = 0; at < events.length; at += 500)
    await catalog
      .insertInto('events')
      .values(events.slice(at, at + 500))
      .execute();
  await catalog
    .insertInto('set_lists')
    .values({ set_id: set.id, paths: Buffer.from([0, 255, 10]) })
    .execute();
  const url = await server.makeCatalog();
  await assert.rejects(copyCatalog(file, url), /in use/, 'it is open here');
  await catalog.destroy();
  const there = await copyCatalog(file, url);
  assert.equal(there['events']?.rows, 4500);
  await assert.rejects(copyCatalog(file, url), /is a catalog already/);
  const user = await openCatalog(url);
  await assert.rejects(copyCatalog(url, back), (error: TapeflowFailure) => error.code === 'CatalogInUse');
  await user.destroy();
  assert.deepEqual(await copyCatalog(url, back), there);
  const moved = await openCatalog(url);
  await moved.insertInto('events').values({ set_id: set.id, stage: 'next', at: 0 }).execute();
  const last = await moved.selectFrom('events').select('id').where('stage', '=', 'next').executeTakeFirst();
  assert.equal(last?.id, 4501, 'numbers go on');
  await moved.destroy();
});

test(
  'a database that is empty, away or refuses is told in a sentence, without the password',
  { skip },
  async () => {
    const url = await server.makeCatalog();
    const read = await openForReading(url, '/', () => assert.fail('it would be made'));
    assert.deepEqual(await read.selectFrom('sets').selectAll().execute(), []);
    await read.destroy();
    const none = url.replace('/postgres?', '/none?');
    await assert.rejects(openCatalog(none), (error: TapeflowFailure) => /does not exist/.test(error.message));
    const wrong = 'postgres://me:secret@127.0.0.1:1/x';
    const away = openCatalog(wrong);
    await assert.rejects(away, (error: TapeflowFailure) => {
      assert.match(
        error.sentence,
        /PostgreSQL does not answer .*postgres:\/\/me@127\.0\.0\.1:1\/x \(ECONNREFUSED\)/,
      );
      assert.ok(!error.sentence.includes('secret'));
      return isCatalogOutOfReach(error.cause);
    });
  },
);

test(
  'a connection has its time while the process is busy, and a silent server is given up',
  { skip },
  async (t) => {
    const pool = new CatalogPool(server.database, 100);
    t.after(() => pool.close());
    const taken = pool.take();
    // As the whole process would be that is stopped, or has a very busy machine.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    (await taken).release();
    const silent = createServer().listen(0, '127.0.0.1');
    t.after(() => silent.close());
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const other = new CatalogPool(`postgres://me@127.0.0.1:${port}/x`, 100);
    t.after(() => other.close());
    await assert.rejects(other.take(), isServerAway);
  },
);

test('a query whose connection ends while the process is stopped is asked again', { skip }, async (t) => {
  const url = await server.makeCatalog();
  await (await openCatalog(url)).destroy();
  const catalog = catalogOn(new CatalogPool(url, 100));
  t.after(() => catalog.destroy());
  const holder = new pg.Client({ connectionString: url });
  await holder.connect();
  t.after(() => holder.end());
  await holder.query('begin; lock table sets');
  const asked = catalog.selectFrom('sets').selectAll().execute();
  const active = (waits: string) =>
    waitFor(async () => {
      const where = `from pg_stat_activity where wait_event_type = '${waits}'`;
      return (await server.query<{ pid: number }>(`select pid ${where}`))[0]?.pid;
    }, `a connection to wait: ${waits}`);
  const waiting = await active('Lock');
  const ended = holder.query(`select pg_sleep(1); select pg_terminate_backend(${waiting}); commit`);
  await active('Timeout');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);
  assert.deepEqual(await asked, []);
  await ended;
});

test(
  'a backup goes on when PostgreSQL is killed in its middle, and a restore is the same',
  { skip },
  async (t) => {
    const installation = await Installation.make(t, {
      CATALOG_URL: await server.makeCatalog(),
      MAX_GROUP_SIZE: '100kB',
    });
    const source = path.join(installation.root, 'source');
    manyFiles(source, 400);
    const backup = installation.start(['backup', source, '--json']);
    const catalog = installation.env['CATALOG_URL'] ?? '';
    const written = `select 1 from copies where state = 'committed'`;
    await waitFor(
      async () => (await server.query(written, catalog).catch(() => [])).length > 0,
      'a first archive on tape',
    );
    await server.kill();
    await server.start();
    const { code, stdout, stderr } = await backup.ended;
    assert.equal(code, 0, stderr);
    const { setId, skipped } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
      setId: string;
      skipped: number;
    };
    assert.equal(skipped, 0);
    const target = path.join(installation.root, 'target');
    const restore = await installation.run(['restore', setId, '--target', target]);
    assert.equal(restore.code, 0, restore.stderr);
    assertSameTree(path.join(target, source), source, { folderTimes: true });
  },
);
