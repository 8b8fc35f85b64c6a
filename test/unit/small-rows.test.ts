import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { Kysely, Migrator, SqliteDialect } from 'kysely';
import { fromBytes } from '../../entry/byte-string.js';
import { nameStart } from '../../catalog/files/file-names.js';
import { filesNamed } from '../../catalog/files/search.js';
import { migrations } from '../../catalog/migrations/migrations.js';
import { openCatalog, type Catalog } from '../../catalog/open-catalog.js';
import type { Tables } from '../../catalog/schema/tables.js';
import { projectDir } from '../../config/project-dir.js';
import { tempFolder } from '../support/trees.js';

const [first, second] = ['2026-01_000001', '2026-01_000002'];

/** Columns of `files` up to version 0.1, with those of the migrations since. */
const columns = [
  ...['set_id', 'path', 'group_no', 'type', 'size', 'mtime_s', 'mtime_ns', 'ctime_s', 'ctime_ns', 'mode'],
  ...['uid', 'gid', 'dev', 'ino', 'nlink', 'link_target', 'hard_link_of', 'state', 'reason', 'sha256'],
  ...['tar_offset', 'stored_size', 'held_set', 'held_group', 'attributes'],
];

type OldRow = Record<string, string | number | Buffer | null>;

function oldRow(setId: string, name: string, more: OldRow = {}): OldRow {
  return {
    ...{ set_id: setId, path: Buffer.from(name, 'latin1'), group_no: 1, type: 'file', size: 7, mtime_s: -5 },
    ...{ mtime_ns: 3, ctime_s: 2 ** 40, ctime_ns: 4, mode: 0o6755, uid: 2 ** 32 - 2, gid: 0, dev: '64769' },
    ...{ ino: '12', nlink: 1, link_target: null, hard_link_of: null, state: 'packed', reason: null },
    ...{ sha256: '0a'.repeat(32), tar_offset: 512, stored_size: null, held_set: null, held_group: null },
    ...{ attributes: null, ...more },
  };
}

/** Every kind of row, and more files than one step of the migration takes. */
function oldRows(): OldRow[] {
  const largest = String(2n ** 64n - 1n);
  const rows = [
    oldRow(first, 'a/', { type: 'directory', sha256: null, reason: 'cannot be listed', state: 'skipped' }),
    oldRow(first, 'a/device', { type: 'block', link_target: Buffer.from('8,1') }),
    oldRow(first, 'a/holes', { stored_size: 3, attributes: '{"x":1}' }),
    oldRow(first, 'a/link', { nlink: 2, link_target: Buffer.from('a/zz'), ino: String(2n ** 63n) }),
    oldRow(first, 'a/other name', {
      nlink: 2,
      hard_link_of: Buffer.from('a/link'),
      ino: String(2n ** 63n - 1n),
    }),
    oldRow(first, 'a/plain', { mtime_s: 9, mtime_ns: 8, ctime_s: 9, ctime_ns: 8 }),
    oldRow(first, 'a/\xff\n', { dev: largest, ino: '10000000000000000000', state: 'planned', sha256: null }),
    ...['fifo', 'character', 'symlink', 'other'].map((type) => oldRow(first, `a/${type}`, { type })),
    oldRow(second, 'a/plain', { state: 'unchanged', held_set: first, held_group: 1 }),
    oldRow(second, 'a/unknown', { state: 'unchanged', held_set: '2025-12_000009', held_group: 4 }),
  ];
  for (let i = 0; i < 5000; i += 1) rows.push(oldRow(second, `many/n${i}`, { group_no: 2, tar_offset: i }));
  return rows;
}

/** A catalog as the version before the migration left it. */
async function oldCatalog(t: TestContext): Promise<{ file: string; rows: OldRow[] }> {
  const file = path.join(tempFolder(t), 'catalog.db');
  const database = new Database(file);
  const old = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });
  const before = Object.fromEntries(Object.entries(migrations).filter(([name]) => name < '0037'));
  const migrator = new Migrator({ db: old, provider: { getMigrations: async () => before } });
  assert.equal((await migrator.migrateToLatest()).error, undefined);
  const set =
    database.prepare(`insert into sets (id, uuid, state, sources, excludes, pool, drive, mode, direct, options,
    created_at) values (?, ?, 'completed', '[]', '[]', 'p', 'd', 'full', 0, '{}', 0)`);
  const insert = database.prepare(
    `insert into files (${columns.join(', ')}, name_at) values (${columns.map(() => '?').join(', ')}, ?)`,
  );
  const rows = oldRows();
  database.transaction(() => {
    for (const id of [first, second]) set.run(id, `uuid ${id}`);
    for (const row of rows) insert.run(...columns.map((name) => row[name]), nameStart(row['path'] as Buffer));
  })();
  await old.destroy();
  return { file, rows };
}

const inOrder = (rows: OldRow[]) =>
  rows.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)).map((row) => columns.map((name) => row[name]));
const keyOf = (row: OldRow) => `${String(row['set_id'])} ${(row['path'] as Buffer).toString('latin1')}`;

async function requireSame(catalog: Catalog, rows: OldRow[]): Promise<void> {
  const now = await catalog.selectFrom('files').selectAll().execute();
  assert.deepEqual(
    inOrder(now.map((row) => ({ ...row, path: Buffer.from(row.path) }) as OldRow)),
    inOrder(rows),
  );
}

test('a catalog with large rows gets small ones that say the same in everything, and its names are found', async (t) => {
  const { file, rows } = await oldCatalog(t);
  const catalog = await openCatalog(file);
  t.after(() => catalog.destroy());
  await requireSame(catalog, rows);
  const found: string[] = [];
  for (const wish of [{ exactly: 'plain' }, { begins: 'n4999' }, { holds: '\xff' }])
    for await (const page of filesNamed(catalog, undefined, wish))
      found.push(...page.map((row) => `${row.set_id} ${fromBytes(row.path)}`));
  assert.deepEqual(found, [
    ...[`${second} a/plain`, `${first} a/plain`, `${second} many/n4999`],
    `${first} a/\xff\n`,
  ]);
});

test('a catalog whose migration to small rows was killed before its end is as it was, and is migrated again', async (t) => {
  const { file, rows } = await oldCatalog(t);
  const killed = `
    import Database from 'better-sqlite3';
    import { Kysely, SqliteDialect } from 'kysely';
    import { smallRows } from ${JSON.stringify(path.join(projectDir, 'dist/catalog/migrations/row-changes.js'))};
    const database = new Database(${JSON.stringify(file)});
    database.pragma('journal_mode = WAL');
    // So that pages of it are in the log when it is killed.
    database.pragma('cache_size = 10');
    database.exec('begin immediate');
    await smallRows(new Kysely({ dialect: new SqliteDialect({ database }) }));
    process.kill(process.pid, 'SIGKILL');`;
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '-e', killed], { stdio: 'inherit' });
  assert.equal(signal, 'SIGKILL');
  const catalog = await openCatalog(file);
  t.after(() => catalog.destroy());
  await requireSame(catalog, rows);
});
