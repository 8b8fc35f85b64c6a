import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import { sql } from 'kysely';
import { compressToTape } from '../../activities/tape/compress-to-tape.js';
import { fetchArchive } from '../../activities/tape-copy/fetch-archive.js';
import { storeArchive } from '../../activities/tape-copy/store-archive.js';
import { syncCopies } from '../../activities/tape-copy/sync-copies.js';
import { eraseLoadedTape } from '../../activities/tape/erase-tape.js';
import { labelLoadedTape } from '../../activities/tape/label-tape.js';
import { readArchive } from '../../activities/retrieval/read-archive.js';
import { releaseArchives } from '../../activities/set/release-archives.js';
import {
  giveUpArchive,
  nextArchives,
  recordRetrievalState,
} from '../../activities/retrieval/retrieval-state.js';
import { finishRetrieval } from '../../activities/retrieval/finish-retrieval.js';
import { scanSources } from '../../activities/set/scan-sources.js';
import { snapshotOptions } from '../../operations/sets/set-options.js';
import { parkFailedGroup, recordState, retryParkedGroups } from '../../activities/set/set-state.js';
import { cancelSet, finishSet } from '../../activities/set/finish-set.js';
import { nextGroups } from '../../activities/set/next-groups.js';
import { syncTape } from '../../activities/tape/sync-tape.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { planCopies } from '../../catalog/retrievals/plan/plan-copies.js';
import { planRestore } from '../../catalog/retrievals/plan/plan-restore.js';
import { planVerify } from '../../catalog/retrievals/plan/plan-verify.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { insertRetrieval, type PlannedArchive } from '../../catalog/retrievals/retrievals.js';
import { tapeByName } from '../../catalog/tapes/tapes.js';
import { setsInProcess, type Around } from '../support/sets-in-process.js';
import { archivesOn, flipBit, noise, tempFolder, writeTree } from '../support/trees.js';
import { FolderDrive } from '../support/two-tapes.js';

/** Columns that a look changes and that say nothing of what was done: how full a disk is, and when it was looked at. */
const looks: Record<string, readonly string[]> = { tapes: ['free', 'capacity', 'seen_at'] };

/** Every row of every table of a catalog. */
async function everything(catalog: Catalog): Promise<Record<string, unknown[]>> {
  const tables = await sql<{ name: string }>`
    select name from sqlite_master where type = 'table' and name not like 'sqlite_%' order by name`.execute(
    catalog,
  );
  const found: Record<string, unknown[]> = {};
  for (const { name } of tables.rows) {
    const { rows } = await sql<Record<string, unknown>>`select * from ${sql.table(name)}`.execute(catalog);
    for (const row of rows) for (const column of looks[name] ?? []) delete row[column];
    found[name] = rows;
  }
  return found;
}

/** Runs each activity again after its end, as when the word of its end was lost: nothing may change in the catalog. */
const twice: Around = async (run, catalog) => {
  const result = await run();
  const before = await everything(catalog);
  // Of the commands that a person waits for, and that are never tried again, one is refused: its tape is another one
  // now.
  await run().catch((error: unknown) => {
    if (!(error instanceof ApplicationFailure) || !/Refused$/.test(error.type ?? '')) throw error;
  });
  const after = await everything(catalog);
  for (const table of Object.keys(before)) assert.deepEqual(after[table], before[table], table);
  return result;
};

test('every activity that is run again after its end leaves the catalog as it was', async (t) => {
  const drive = FolderDrive.in(t);
  drive.load('A1');
  const sets = await setsInProcess(t, { TAPE_PATH: drive.path, MAX_GROUP_SIZE: '1MB' }, twice);
  const { deps, attempt, catalog, settings } = sets;
  const source = tempFolder(t);
  writeTree(source, { a: noise(900_000, 'a'), b: noise(900_000, 'b'), 'c/d': 'd' });
  const { setId, status } = await sets.backUp(source, 'full');
  assert.equal(status, 'completed');
  writeTree(source, { e: 'e' });
  assert.equal((await sets.backUp(source, 'incremental')).status, 'completed');
  assert.equal((await sets.verify(setId)).status, 'completed');

  // A restore with problems of every kind: a bad block, something in a file's place, and a folder that cannot be
  // finished.
  const [first = '', second = ''] = archivesOn(drive.path, setId);
  flipBit(first, 600_000);
  const target = tempFolder(t);
  writeTree(target, { [path.join(source, 'b')]: 'another' });
  symlinkSync('/nowhere', path.join(target, source, 'c'));
  const restored = await sets.restore(setId, target);
  assert.equal(restored.status, 'incomplete');
  assert.equal(
    restored.problems.length,
    new Set(restored.problems.map(({ reason, path: at }) => JSON.stringify([at, reason]))).size,
  );
  assert.equal((await sets.verify(setId)).status, 'incomplete');
  flipBit(first, 600_000);
  assert.equal((await sets.verify(setId)).status, 'completed');

  const begin = async (
    kind: 'restore' | 'copy' | 'verify',
    archives: PlannedArchive[],
    to: string | null,
  ) => {
    const row = { kind, subject: setId, drive: 'lto1', target: to, overwrite: 'never', selection: '{}' };
    return (await insertRetrieval(catalog, row, archives, [])).id;
  };
  const copy = await begin('copy', (await planCopies(catalog, { setId }, 'B', undefined)).archives, null);
  const numbers = (await attempt(() => nextArchives(deps, copy))).map(({ no }) => no);
  assert.equal(numbers.length, 2);
  for (const no of numbers) await attempt(() => fetchArchive(deps, { id: copy, no }));
  drive.load('B1');
  await attempt(() => labelLoadedTape(deps, { name: 'B1', pool: 'B', force: true }));
  for (const no of numbers) await attempt(() => storeArchive(deps, { id: copy, no }));
  const b1 = (await tapeByName(catalog, 'B1')) ?? assert.fail();
  await attempt(() => syncCopies(deps, copy, b1.uuid, numbers));
  assert.equal((await attempt(() => finishRetrieval(deps, copy))).status, 'completed');

  // One copy is damaged: the restore goes on with the other one, and one archive is given up.
  drive.load('A1');
  flipBit(second, 600_000);
  const plan = await planRestore(catalog, setId, { names: [], globs: [] });
  const from = await begin('restore', plan.archives, tempFolder(t));
  for (const { no } of await attempt(() => nextArchives(deps, from)))
    await attempt(() => readArchive(deps, { id: from, no }));
  const [left] = await attempt(() => nextArchives(deps, from));
  assert.ok(left !== undefined, 'the other copy is to be read');
  await attempt(() => giveUpArchive(deps, { id: from, no: left.no }, 'its tape is away'));
  assert.equal((await attempt(() => finishRetrieval(deps, from))).status, 'incomplete');
  const ended = await begin('verify', await planVerify(catalog, { setId }, 100), null);
  await attempt(() => recordRetrievalState(deps, ended, 'running', 'waiting'));
  await attempt(() => recordRetrievalState(deps, ended, 'cancelled', 'by a command'));

  // Sets that do not go well: parked, taken up again, cancelled; and one that goes directly to tape.
  const open = async (direct: boolean) => {
    const wanted = { excludes: [], pool: 'default', drive: 'lto1', mode: 'full', direct };
    const options = snapshotOptions(settings);
    return (await openSet(catalog, { ...wanted, sources: [source], options }, { fresh: true })).set.id;
  };
  const parked = await open(false);
  await attempt(() => scanSources(deps, parked));
  await attempt(() => nextGroups(deps, parked, 0));
  await attempt(() => recordState(deps, parked, 'running', null));
  await attempt(() => parkFailedGroup(deps, { setId: parked, group: 1 }, 'compressing', 'it failed'));
  await attempt(() => retryParkedGroups(deps, parked));
  await attempt(() => cancelSet(deps, parked, true));
  const direct = await open(true);
  await attempt(() => scanSources(deps, direct));
  for (const { group } of (await attempt(() => nextGroups(deps, direct, 0))).groups) {
    const written = await attempt(() => compressToTape(deps, { setId: direct, group }));
    await attempt(() => syncTape(deps, direct, written?.tape ?? '', [group]));
    await attempt(() => releaseArchives(deps, direct, [group]));
  }
  assert.equal((await attempt(() => finishSet(deps, direct))).status, 'completed');

  drive.load('B1');
  const wish = { tape: b1.uuid, evenUnexpired: true, retentions: { default: 0, pools: {} } };
  await attempt(() => eraseLoadedTape(deps, wish as unknown as Parameters<typeof eraseLoadedTape>[1]));
});
