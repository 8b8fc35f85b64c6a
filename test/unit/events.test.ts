import assert from 'node:assert/strict';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { Kysely, Migrator, SqliteDialect } from 'kysely';
import { recordEvents } from '../../catalog/groups/events.js';
import { migrations } from '../../catalog/migrations/migrations.js';
import { openCatalog } from '../../catalog/open-catalog.js';
import { recordArchive } from '../../catalog/retrievals/archive-results.js';
import {
  insertRetrieval,
  recordRetrievalResume,
  retrievalNamed,
} from '../../catalog/retrievals/retrievals.js';
import type { Tables } from '../../catalog/schema/tables.js';
import { recordResume, setResumeAttempts } from '../../catalog/sets/resume-attempts.js';
import { wasBegunOn } from '../../catalog/copies/begun-copies.js';
import { unknownArchives } from '../../operations/tapes/erase-archives.js';
import { driveSteps } from '../support/drive-steps.js';
import { tempFolder } from '../support/trees.js';
import { FolderDrive } from '../support/two-tapes.js';

/** The drive's steps, with the tape T1 in the drive, and T2 on the shelf. */
async function steps(t: TestContext) {
  const drive = FolderDrive.in(t);
  drive.load('T2');
  const made = await driveSteps(t, drive.path);
  await made.label('T2');
  drive.load('T1');
  await made.label('T1');
  const { catalog } = made.deps;
  return { ...made, drive, catalog, forgetEvents: () => catalog.deleteFrom('events').execute() };
}

test('without any event a write still replaces what its archive has left on a tape before it went to another', async (t) => {
  const { drive, catalog, forgetEvents, ...drives } = await steps(t);
  await drives.stage(1);
  await drives.write(1);
  await drives.distrust('T1');
  drive.load('T2');
  await drives.write(1);
  await drives.distrust('T2');
  await forgetEvents();
  drive.load('T1');
  const t1 = await drives.tape('T1');
  assert.deepEqual(await unknownArchives(drive.path, catalog, t1), [], 'an erasing knows it too');
  await drives.trust(t1.uuid);
  assert.equal((await drives.write(1)).tape, t1.uuid);
  assert.ok(drives.isWhole(1));
  assert.equal(await wasBegunOn(catalog, drives.setId, 2, t1.uuid), false);
});

test('an event makes nothing ours that lies on a tape', async (t) => {
  const { catalog, ...drives } = await steps(t);
  await drives.stage(1);
  const archive = drives.onTape(1);
  mkdirSync(path.dirname(archive));
  writeFileSync(archive, "somebody else's");
  await recordEvents(catalog, [
    { setId: drives.setId, group: 1, stage: 'writing', detail: 'tape T1' },
    { setId: drives.setId, group: 1, stage: 'found_on_tape', detail: 'T1' },
  ]);
  await assert.rejects(drives.write(1), /which this catalog did not write/);
  renameSync(archive, `${archive}-saved`);
  await drives.write(1);
});

test('how often a set was taken up is the set’s own, and begins anew when a copy of it is committed', async (t) => {
  const { catalog, forgetEvents, ...drives } = await steps(t);
  const { setId } = drives;
  const now = Date.now();
  const known = async (at = now) => {
    const { times, leftAlone } = await setResumeAttempts(catalog, setId, at);
    return [times, leftAlone];
  };
  assert.deepEqual(await known(), [0, false]);
  for (let time = 1; time <= 2; time += 1) await recordResume(catalog, setId, 'taken_up', 'it had ended');
  await recordResume(catalog, setId, 'left_alone', 'it had ended again');
  await forgetEvents();
  assert.deepEqual(await known(), [2, true]);
  assert.deepEqual(await known(now + 2 * 86_400_000), [0, false], 'a day later it is tried again');
  await drives.stage(1);
  const { tape } = await drives.write(1);
  assert.deepEqual(await known(), [2, true], 'a write alone proves nothing');
  await drives.sync(tape, [1]);
  assert.deepEqual(await known(), [0, false]);
});

test('how often a restore was taken up begins anew when it has read an archive', async (t) => {
  const { catalog } = await steps(t);
  const wanted = { kind: 'restore', subject: 'x', drive: 'lto1', target: '/x', overwrite: 'never' } as const;
  const archive = { setId: 'x', group: 1, copyNo: 1, tape: 'T1', members: 1, bytes: 1 };
  const { id } = await insertRetrieval(catalog, { ...wanted, selection: '{}' }, [archive], []);
  await recordRetrievalResume(catalog, id, 3);
  const result = { state: 'done', restored: 1, same: 0, kept: 0, failed: 0, ms: 1 } as const;
  await recordArchive(catalog, id, 1, result, []);
  assert.equal((await retrievalNamed(catalog, id)).taken_up, 0);
});

test('a catalog in which only events told where an archive was begun knows it when it is opened', async (t) => {
  const file = path.join(tempFolder(t), 'catalog.db');
  const database = new Database(file);
  const old = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });
  const before = Object.fromEntries(Object.entries(migrations).filter(([name]) => name < '0027'));
  const migrator = new Migrator({ db: old, provider: { getMigrations: async () => before } });
  assert.equal((await migrator.migrateToLatest()).error, undefined);
  const setId = '2026-10_000001';
  database.exec(`
    insert into sets (id, uuid, state, sources, excludes, pool, drive, mode, direct, options, created_at)
      values ('${setId}', 'u', 'running', '[]', '[]', 'p', 'd', 'full', 0, '{}', 0);
  `);
  for (const name of ['T1', 'T2', 'T3', 'T-4'])
    database
      .prepare(
        `insert into tapes (uuid, name, pool, state, capacity, free, labelled_at, seen_at) values (?, ?, 'p', 'usable', 0, 0, 0, 0)`,
      )
      .run(`uuid of ${name}`, name);
  const group = database.prepare(
    `insert into groups (set_id, no, state, bytes, entries, first_path, last_path) values ('${setId}', ?, 'queued', 0, 0, x'00', x'ff')`,
  );
  const event = database.prepare(
    `insert into events (set_id, group_no, stage, at, detail) values ('${setId}', ?, ?, 0, ?)`,
  );
  for (const no of [1, 2, 3]) group.run(no);
  for (const [no, stage, detail] of [
    [1, 'writing', 'tape T1'],
    [1, 'writing', 'tape T1'],
    [1, 'written', 'tape T3'],
    [2, 'writing', 'tape T-4, direct'],
    [2, 'writing', 'tape that is gone'],
    [3, 'found_on_tape', 'T1'],
    [null, 'taken_up', 'its workflow has ended'],
  ] as const)
    event.run(no, stage, detail);
  database.exec(`
    insert into copies (set_id, group_no, copy_no, tape_uuid, state, token)
      values ('${setId}', 1, 1, 'uuid of T2', 'lost', 't');
  `);
  await old.destroy();

  const catalog = await openCatalog(file);
  t.after(() => catalog.destroy());
  const begun = await catalog.selectFrom('begun_copies').select(['group_no', 'tape_uuid']).execute();
  assert.deepEqual(
    begun.map(({ group_no: no, tape_uuid: uuid }) => `${no} ${uuid}`),
    ['1 uuid of T1', '1 uuid of T2', '2 uuid of T-4', '3 uuid of T1'],
  );
  assert.deepEqual(await setResumeAttempts(catalog, setId, Date.now()), {
    times: 0,
    at: null,
    leftAlone: false,
  });
});
