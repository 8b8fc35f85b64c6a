import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { readFileSync, truncateSync } from 'node:fs';
import path from 'node:path';
import { fetchArchive } from '../../activities/tape-copy/fetch-archive.js';
import { storeArchive } from '../../activities/tape-copy/store-archive.js';
import { syncCopies } from '../../activities/tape-copy/sync-copies.js';
import { readArchive } from '../../activities/retrieval/read-archive.js';
import { finishRetrieval } from '../../activities/retrieval/finish-retrieval.js';
import { groupOf } from '../../catalog/groups/groups.js';
import { forgetArchive } from '../../catalog/groups/forget-archive.js';
import { summarizeRetrieval } from '../../catalog/retrievals/retrieval-summary.js';
import { summarizeSet } from '../../catalog/sets/set-summary.js';
import { markTapeFound, heldOnlyBy, markTapeLost } from '../../catalog/tapes/lost-tapes.js';
import { planCopies, planRepair } from '../../catalog/retrievals/plan/plan-copies.js';
import { planRestore } from '../../catalog/retrievals/plan/plan-restore.js';
import {
  insertRetrieval,
  pendingArchives,
  type PlannedArchive,
} from '../../catalog/retrievals/retrievals.js';
import { markReadOnly } from '../../catalog/tapes/tape-states.js';
import { tapeByName } from '../../catalog/tapes/tapes.js';
import type { BackupFlags } from '../../client/commands/set/backup-arguments.js';
import { plannedBackup } from '../../client/commands/set/plan-backup.js';
import { TapeflowFailure } from '../../config/failures.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { labelTape } from '../../operations/tapes/label-tape.js';
import { driveSteps } from '../support/drive-steps.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { archivesOn, assertSameTree, flipBit, noise, tempFolder, writeTree } from '../support/trees.js';
import { FolderDrive } from '../support/two-tapes.js';

const none = { drive: [], pool: [], excludeIfPresent: [], mode: 'full' };

test('copies that would be on one tape, or of which the second could not be written, are refused in a sentence', (t) => {
  const source = tempFolder(t);
  writeTree(source, { a: 'a' });
  const settings = loadSettings({}, tempFolder(t));
  const planned = (flags: Partial<BackupFlags>) => plannedBackup(settings, [source], { ...none, ...flags });
  const two = { copies: '2', pool: ['A', 'B'] };
  for (const [flags, reason] of [
    [{ copies: '2', pool: ['A', 'A'] }, /Each copy needs a pool of its own/],
    [{ copies: '2', pool: ['A'] }, /for 2 copies one pool is given \(A\)/],
    [{ pool: ['A', 'B'] }, /Add --copies 2 for a copy in each/],
    [{ ...two, direct: true }, /Several copies need staging/],
    [{ copies: 'two' }, /--copies cannot be "two"/],
    [{ ...two, drive: ['lto1', 'lto1', 'lto1'] }, /2 copies, but 3 drives/],
    [{ ...two, drive: ['lto1', 'lto2'] }, /There is no drive lto2/],
  ] as const) {
    assert.throws(
      () => planned({ ...flags, ...('pool' in flags ? { pool: [...flags.pool] } : {}) } as BackupFlags),
      (error) => error instanceof TapeflowFailure && error.kind === 'usage' && reason.test(error.sentence),
    );
  }
  assert.equal(planned({}).places, undefined);
  assert.deepEqual(planned(two).places, [
    { pool: 'A', drive: 'lto1' },
    { pool: 'B', drive: 'lto1' },
  ]);
});

test('a group of two copies is committed, and released, when both tapes have it; its archive is never made anew meanwhile', async (t) => {
  const drive = FolderDrive.in(t);
  drive.load('A1');
  const steps = await driveSteps(t, drive.path, 'directory', 'A');
  const { deps, setId } = steps;
  const { catalog } = deps;
  const places = JSON.stringify([
    { pool: 'A', drive: 'lto1' },
    { pool: 'B', drive: 'lto1' },
  ]);
  await catalog.updateTable('sets').set({ places }).execute();
  await steps.label('A1', 'A');
  await steps.stage(1);
  const state = async () => (await groupOf(catalog, setId, 1)).state;
  const a1 = (await steps.write(1)).tape;
  assert.equal(await state(), 'queued', 'it waits for the drive, for its second copy');
  assert.deepEqual(await steps.sync(a1, [1]), { committed: [1], lost: [], whole: [] });
  await steps.release([1]);
  assert.equal(steps.isStaged(1), true);
  await assert.rejects(
    () => forgetArchive(catalog, { set_id: setId, group_no: 1, token: 'made' }, 'its bytes are gone.'),
    /only tape A1 holds it/,
  );
  await assert.rejects(
    () => steps.write(1, undefined, 2),
    /tape A1 is of pool A, but the set writes to pool B next \(copy 2 of 2\)/,
  );
  await catalog.updateTable('tapes').set({ pool: 'B' }).execute();
  await assert.rejects(() => steps.write(1, undefined, 2), /A1 holds another copy of group 1/);
  await catalog.updateTable('tapes').set({ pool: 'A' }).execute();

  drive.load('B1');
  await steps.label('B1', 'B');
  const b1 = (await steps.write(1, undefined, 2)).tape;
  assert.equal(await state(), 'written');
  await steps.distrust('B1');
  assert.equal(await state(), 'queued', 'what no sync has covered is written again');
  await steps.trust(b1);
  await steps.write(1, undefined, 2);
  assert.deepEqual(await steps.sync(b1, [1], 2), { committed: [1], lost: [], whole: [1] });
  assert.equal(steps.isWhole(1), true);
  await steps.release([1]);
  assert.equal(steps.isStaged(1), false);
  assert.equal(await state(), 'released');
});

/** A set of two archives on A1, and its copy on B1, with one drive. */
async function copiedSet(t: TestContext, stagingBytes = '20MB') {
  const drive = FolderDrive.in(t);
  drive.load('A1');
  const env = { TAPE_PATH: drive.path, MAX_GROUP_SIZE: '2MB', STAGING_MAX_BYTES: stagingBytes };
  const sets = await setsInProcess(t, env);
  const { deps, catalog } = sets;
  const from = tempFolder(t);
  for (const name of ['a', 'b']) writeTree(from, { [name]: noise(1_500_000, name) });
  const { setId } = await sets.backUp(from, 'full');
  drive.load('B1');
  await labelTape(deps.drive, deps.lock, catalog, { name: 'B1', pool: 'B', force: false });
  const archive = (tape: string, group: number) => archivesOn(drive.at(tape), setId)[group - 1] ?? '';
  const same = (group: number) =>
    readFileSync(archive('A1', group)).equals(readFileSync(archive('B1', group)));
  return { ...sets, drive, from, setId, ...copiesOf(sets, drive, setId), archive, same };
}

/** How a set's archives are read and copied, by the catalog of some sets. */
function copiesOf(
  { deps, attempt, catalog }: Pick<Awaited<ReturnType<typeof setsInProcess>>, 'deps' | 'attempt' | 'catalog'>,
  drive: FolderDrive,
  setId: string,
) {
  const begin = async (kind: 'restore' | 'copy', archives: PlannedArchive[], target: string | null) => {
    const row = { kind, subject: setId, drive: 'lto1', target, overwrite: 'never', selection: '{}' };
    return (await insertRetrieval(catalog, row, archives, [])).id;
  };
  const pending = (id: string) => pendingArchives(catalog, id, 10);
  /** Copies what is planned, with the tapes in turn. */
  async function copy(archives: PlannedArchive[], source: string, target: string): Promise<string> {
    const id = await begin('copy', archives, null);
    for (;;) {
      drive.load(source);
      const staged: number[] = [];
      for (const { no } of await pending(id)) {
        const fetched = await attempt(() => fetchArchive(deps, { id, no }));
        if (fetched === 'full') break;
        if (fetched === 'staged') staged.push(no);
      }
      if (staged.length === 0) break;
      drive.load(target);
      for (const no of staged) await attempt(() => storeArchive(deps, { id, no }));
      const tape = (await tapeByName(catalog, target === 'A1' ? 'TAPE01' : target)) ?? assert.fail();
      await attempt(() => syncCopies(deps, id, tape.uuid, staged));
    }
    await attempt(() => finishRetrieval(deps, id));
    return id;
  }
  return { begin, pending, copy };
}

test('what is copied later is compared while it is read, fits the staging budget, and is left out where it is there already', async (t) => {
  const { catalog, setId, copy, pending, begin, same, attempt, deps, drive } = await copiedSet(t, '2.1MB');
  const { archives } = await planCopies(catalog, { setId }, 'B', undefined);
  assert.equal(archives.length, 2);
  const probe = await begin('copy', archives, null);
  drive.load('A1');
  const fetched: string[] = [];
  for (const { no } of await pending(probe))
    fetched.push(await attempt(() => fetchArchive(deps, { id: probe, no })));
  assert.deepEqual(fetched, ['staged', 'full'], 'the budget has room for one');
  await catalog.updateTable('retrievals').set({ state: 'cancelled' }).execute();
  const id = await copy(archives, 'A1', 'B1');
  assert.equal((await summarizeRetrieval(catalog, id)).status, 'completed');
  assert.ok(same(1) && same(2));
  const again = await planCopies(catalog, { setId }, 'B', undefined);
  assert.deepEqual([again.archives, again.there], [[], 2]);
});

test('what is on a tape is copied off to another one of its own pool, so that it can be retired', async (t) => {
  const { catalog, deps, setId, copy, drive } = await copiedSet(t);
  const a1 = (await tapeByName(catalog, 'TAPE01')) ?? assert.fail();
  const off = () => planCopies(catalog, { tape: a1.uuid }, a1.pool, undefined);
  await markReadOnly(catalog, a1.uuid, 'it is only read');
  const { archives } = await off();
  assert.deepEqual(
    archives.map(({ group, tape, to }) => [group, tape, to]),
    [1, 2].map((group) => [group, a1.uuid, { copyNo: 2, pool: 'default' }]),
  );
  assert.deepEqual(
    (await planCopies(catalog, { setId }, a1.pool, undefined)).there,
    2,
    'of a set it is there',
  );
  drive.load('A2');
  await labelTape(deps.drive, deps.lock, catalog, { name: 'A2', pool: 'default', force: false });
  assert.equal((await summarizeRetrieval(catalog, await copy(archives, 'A1', 'A2'))).status, 'completed');
  const again = await off();
  assert.deepEqual([again.archives, again.there], [[], 2]);
  await markTapeLost(catalog, a1);
  assert.deepEqual((await summarizeSet(catalog, setId)).lostGroups, []);
});

test('a damaged source is not copied: it is marked, and the copy says so', async (t) => {
  const { catalog, setId, copy, archive } = await copiedSet(t);
  flipBit(archive('A1', 1), 700_000);
  const { archives } = await planCopies(catalog, { setId }, 'B', undefined);
  const summary = await summarizeRetrieval(catalog, await copy(archives, 'A1', 'B1'));
  assert.deepEqual([summary.status, summary.problems], ['incomplete', 1]);
  const [problem] = await catalog.selectFrom('retrieval_problems').select('reason').execute();
  assert.match(
    problem?.reason ?? '',
    new RegExp(
      `is not the one that was written .* No copy of group 1 is whole, .* \`tapeflow restore ${setId} --target`,
    ),
  );
  assert.deepEqual(
    await catalog
      .selectFrom('copies')
      .select(['group_no', 'copy_no', 'state'])
      .orderBy('copy_no')
      .orderBy('group_no')
      .execute(),
    [
      { group_no: 1, copy_no: 1, state: 'committed' },
      { group_no: 2, copy_no: 1, state: 'committed' },
      { group_no: 2, copy_no: 2, state: 'committed' },
    ],
  );
  // There is no better one: a repair reads it again, since it may be readable then, and compares all of it.
  const { archives: again, problems } = await planRepair(catalog, { setId }, undefined);
  assert.deepEqual([again.map(({ group, copyNo }) => [group, copyNo]), problems], [[[1, 1]], []]);
});

test('after a lost catalog, what is damaged on an adopted tape is written anew from the other copy', async (t) => {
  const { setId, copy, archive, same, drive, catalog, rebuilt } = await copiedSet(t);
  await copy((await planCopies(catalog, { setId }, 'B', undefined)).archives, 'A1', 'B1');
  drive.load('A1');
  // The newest on the tape, by which the tape is known: that one has lost its end.
  truncateSync(archive('A1', 2), 100_000);
  const sets = await rebuilt(true);
  assert.equal(sets.reading.tape.state, 'usable');
  drive.load('B1');
  assert.equal((await sets.readAgain()).tape.state, 'usable');
  const repair = await planRepair(sets.catalog, { setId }, undefined);
  assert.deepEqual(
    repair.archives.map(({ group, to }) => [group, to]),
    [[2, { copyNo: 3, pool: 'default' }]],
  );
  await copiesOf(sets, drive, setId).copy(repair.archives, 'B1', 'A1');
  assert.ok(same(2), 'byte for byte');
  assert.deepEqual((await planRepair(sets.catalog, { setId }, undefined)).archives, []);
});

test('a restore takes the copy that is at hand and good, and goes on with the other where one is damaged or lost', async (t) => {
  const { catalog, deps, attempt, setId, copy, drive, from, begin, pending, archive, same } =
    await copiedSet(t);
  await copy((await planCopies(catalog, { setId }, 'B', undefined)).archives, 'A1', 'B1');
  const everything = { names: [], globs: [] };
  const uuid = async (name: string) => (await tapeByName(catalog, name))?.uuid ?? '';
  const tapes = async (loaded?: string) =>
    (await planRestore(catalog, setId, everything, loaded === undefined ? [] : [loaded])).archives.map(
      ({ tape }) => tape,
    );
  const [a1, b1] = [await uuid('TAPE01'), await uuid('B1')];
  assert.deepEqual(await tapes(), [a1, a1]);
  assert.deepEqual(await tapes(b1), [b1, b1]);

  // In its second block, so that the folder in the first can be had.
  flipBit(archive('A1', 1), 1_200_000);
  const { archives } = await planRestore(catalog, setId, everything, [a1]);
  const target = tempFolder(t);
  const id = await begin('restore', archives, target);
  const read = async () => {
    for (const { no } of await pending(id)) await attempt(() => readArchive(deps, { id, no }));
  };
  drive.load('A1');
  for (const { no } of archives.map((_, index) => ({ no: index + 1 })))
    await attempt(() => readArchive(deps, { id, no }));
  assert.deepEqual(
    (await pending(id)).map((row) => [row.no, row.tape_uuid]),
    [[3, b1]],
  );
  assert.deepEqual(await tapes(a1), [a1, b1], 'the damaged copy is not chosen again');
  drive.load('B1');
  await read();
  const summary = await attempt(() => finishRetrieval(deps, id));
  assert.deepEqual([summary.status, summary.restored, summary.problems], ['completed', 3, 0]);
  assertSameTree(path.join(target, from), from, { folderTimes: true });

  const repair = await planRepair(catalog, { setId }, undefined);
  assert.deepEqual(
    repair.archives.map(({ group, tape, to }) => [group, tape, to]),
    [[1, b1, { copyNo: 3, pool: 'default' }]],
  );
  await copy(repair.archives, 'B1', 'A1');
  assert.ok(same(1), 'written anew, byte for byte');
  assert.deepEqual((await planRepair(catalog, { setId }, undefined)).archives, []);

  const second = await begin(
    'restore',
    (await planRestore(catalog, setId, everything, [a1])).archives,
    tempFolder(t),
  );
  const row = (await tapeByName(catalog, 'TAPE01')) ?? assert.fail();
  assert.deepEqual(await heldOnlyBy(catalog, row), []);
  await markTapeLost(catalog, row);
  for (const no of [1, 2]) await attempt(() => readArchive(deps, { id: second, no }));
  assert.deepEqual(
    (await pending(second)).map(({ tape_uuid: tape }) => tape),
    [b1, b1],
  );
  const other = (await tapeByName(catalog, 'B1')) ?? assert.fail();
  assert.deepEqual(await heldOnlyBy(catalog, other), [{ setId, groups: [1, 2] }]);
  await markTapeLost(catalog, other);
  assert.deepEqual((await summarizeSet(catalog, setId)).lostGroups, [1, 2]);
  for (const { no } of await pending(second)) await attempt(() => readArchive(deps, { id: second, no }));
  const lost = await attempt(() => finishRetrieval(deps, second));
  assert.deepEqual([lost.status, lost.failed], ['incomplete', 3]);
  assert.equal((await markTapeFound(catalog, row)).archives, 2);
  assert.deepEqual((await summarizeSet(catalog, setId)).lostGroups, []);
});
