import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { Kysely, Migrator, SqliteDialect } from 'kysely';
import { migrations } from '../../catalog/migrations/migrations.js';
import { openCatalog } from '../../catalog/open-catalog.js';
import { foldSet } from '../../catalog/files/fold-set.js';
import { partsOf } from '../../catalog/files/layers.js';
import type { Tables } from '../../catalog/schema/tables.js';
import { projectDir } from '../../config/project-dir.js';
import { tempFolder } from '../support/trees.js';

const sets = ['2025-12_000001', '2025-12_000002'];

/** A catalog as the version before left it: two full sets of the same tree. */
async function oldCatalog(file: string): Promise<unknown[]> {
  const database = new Database(file);
  const old = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });
  const before = Object.fromEntries(Object.entries(migrations).filter(([name]) => name < '0043'));
  const migrator = new Migrator({ db: old, provider: { getMigrations: async () => before } });
  assert.equal((await migrator.migrateToLatest()).error, undefined);
  const run = (sql: string, ...values: unknown[]) => database.prepare(sql).run(...values);
  for (const [at, id] of sets.entries()) {
    const no = at + 1;
    run(
      `insert into sets (id, uuid, state, sources, excludes, pool, drive, mode, direct, options, scanned, created_at,
        left_out) values (?, ?, 'completed', '["/x"]', '[]', 'p', 'd', 'full', 0, '{}', 1, ?, '[]')`,
      ...[id, `uuid ${id}`, no],
    );
    run('insert into layers values (?, ?)', no, id);
    run('insert into chains (layer, part, depth) values (?, ?, 0)', no, no);
    run(
      `insert into groups (set_id, no, state, bytes, entries, first_path, last_path, direct, reserved)
        values (?, 1, 'released', 0, 600, ?, ?, 0, 0)`,
      ...[id, Buffer.from('n0000'), Buffer.from('n0599')],
    );
    const insert = database.prepare(
      `insert into entries (layer, path, type, state, group_no, size, mtime_s, mtime_ns, mode, uid, gid, dev, ino,
        nlink, sha256, tar_offset) values (?, ?, 0, 0, 1, 1, 0, 0, 420, 0, 0, 1, ?, 1, ?, ?)`,
    );
    for (let i = 0; i < 600; i += 1)
      insert.run(no, Buffer.from(`n${String(i).padStart(4, '0')}`), i, Buffer.alloc(32, 5), 512 * i * no);
  }
  const rows = database.prepare('select * from files order by set_id, path').all();
  await old.destroy();
  return rows;
}

test('a catalog of the version before, whose migration was killed, is migrated, and its sets are roots', async (t) => {
  const file = path.join(tempFolder(t), 'catalog.db');
  const before = await oldCatalog(file);
  assert.equal(before.length, 1200);
  const killed = `
    import Database from 'better-sqlite3';
    import { Kysely, SqliteDialect } from 'kysely';
    import { foldedSets } from ${JSON.stringify(path.join(projectDir, 'dist/catalog/migrations/layer-changes.js'))};
    const database = new Database(${JSON.stringify(file)});
    database.pragma('journal_mode = WAL');
    database.exec('begin immediate');
    await foldedSets(new Kysely({ dialect: new SqliteDialect({ database }) }));
    process.kill(process.pid, 'SIGKILL');`;
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '-e', killed], { stdio: 'inherit' });
  assert.equal(signal, 'SIGKILL');
  const catalog = await openCatalog(file);
  t.after(() => catalog.destroy());
  const database = new Database(file, { readonly: true });
  t.after(() => database.close());
  const shown = () => database.prepare('select * from files order by set_id, path').all();
  assert.deepEqual(shown(), before);
  const [, second = ''] = sets;
  await foldSet(catalog, second, () => undefined);
  assert.equal((await partsOf(catalog, second)).length, 2);
  const left = await catalog.selectFrom('entries').select('path').where('layer', '=', 2).execute();
  assert.deepEqual(left, []);
  assert.deepEqual(shown(), before);
});
