import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { fetchForTarget } from '../../activities/retrieval/fetch-for-target.js';
import { finishInDrive, finishRetrieval } from '../../activities/retrieval/finish-retrieval.js';
import { prepareTarget } from '../../activities/retrieval/prepare-target.js';
import { readArchive } from '../../activities/retrieval/read-archive.js';
import { unpackArchive } from '../../activities/retrieval/unpack-archive.js';
import { planRestore } from '../../catalog/retrievals/plan/plan-restore.js';
import { problemsOf } from '../../catalog/retrievals/retrieval-problems.js';
import {
  insertRetrieval,
  pendingArchives,
  recordRetrieval,
  retrievalNamed,
} from '../../catalog/retrievals/retrievals.js';
import type { Deps } from '../../operations/deps.js';
import { copyDir } from '../../staging/paths.js';
import { setsInProcess } from '../support/sets-in-process.js';
import {
  archivesOn,
  assertSameTree,
  flipBit,
  manyFiles,
  noise,
  tempFolder,
  writeTree,
} from '../support/trees.js';

const everything = { names: [], globs: [] };

/** One bit alone may mean the same content: a repetition that is copied from elsewhere. */
function damage(archive: string): void {
  for (let at = 2000; at < 2016; at += 1) flipBit(archive, at);
}

/** A set on the tape of the drive's host, and a restore of it to the host `fs1`. */
async function restoreToHost(t: TestContext, target: string, { size = '300KB' } = {}) {
  const sets = await setsInProcess(t, { MAX_GROUP_SIZE: size, STAGING_MAX_BYTES: size });
  const { catalog, deps, attempt, settings } = sets;
  const source = tempFolder(t);
  manyFiles(source, 100);
  const bytes = size === '10MB' ? 3_000_000 : 200_000;
  writeTree(source, { 'x/noise': noise(bytes, 'x'), 'y/noise': noise(bytes, 'y') });
  const { setId } = await sets.backUp(source, 'full');
  const plan = await planRestore(catalog, setId, everything);
  const row = { subject: setId, drive: 'lto1', overwrite: 'never', selection: JSON.stringify(everything) };
  const there = { target, target_asked: target, target_host: 'fs1' };
  const { id } = await insertRetrieval(catalog, { kind: 'restore', ...row, ...there }, plan.archives, []);
  const fs1: Deps = { ...deps, settings: { ...settings, TAPEFLOW_HOST: 'fs1' } };
  const staging = copyDir(settings.BACKUP_COMPRESS_DIR, id);
  const steps = {
    read: (no: number) => attempt(() => readArchive(deps, { id, no })),
    prepare: () => attempt(() => prepareTarget(fs1, id)),
    fetch: (no: number) => attempt(() => fetchForTarget(deps, { id, no })),
    unpack: (no: number) => attempt(() => unpackArchive(fs1, { id, no })),
    finish: () => attempt(() => finishRetrieval(fs1, id)),
  };
  /** What the workflow does with what is left. */
  const goOn = async () => {
    for (;;) {
      const [next] = await pendingArchives(catalog, id, 1);
      if (next === undefined) return steps.finish();
      if ((await steps.fetch(next.no)) === 'staged') await steps.unpack(next.no);
    }
  };
  const reserved = async () =>
    (await catalog.selectFrom('retrieval_archives').select('reserved').execute()).map((one) => one.reserved);
  return { ...sets, source, setId, id, plan, fs1, staging, ...steps, goOn, reserved };
}

test('a restore to another host is read into staging by the host of the drive, and unpacked by that of the target', async (t) => {
  const target = path.join(tempFolder(t), 'made', 'there');
  const restore = await restoreToHost(t, target);
  const { source, read, prepare, fetch, unpack, goOn, staging, reserved, deps, attempt, id } = restore;
  assert.ok(restore.plan.archives.length > 1);
  assert.equal(await read(1), 'elsewhere');
  assert.ok(!existsSync(target), 'the host of the drive has no such target');
  // Every step twice, as after a kill.
  for (let times = 0; times < 2; times += 1) await prepare();
  for (let times = 0; times < 2; times += 1) assert.equal(await fetch(1), 'staged');
  assert.equal(readdirSync(staging).length, 1);
  assert.ok(((await reserved())[0] ?? 0) > 0, 'the budget of staging counts it');
  assert.equal(await fetch(2), 'full', 'there is no room for a second one');
  for (let times = 0; times < 2; times += 1) await unpack(1);
  assert.deepEqual(readdirSync(staging), []);
  await assert.rejects(
    attempt(() => finishInDrive(deps, id)),
    /is on host fs1/,
  );
  const { status, restored } = await goOn();
  assert.deepEqual(
    [status, restored],
    [
      'completed',
      (await restore.catalog.selectFrom('retrieval_archives').select('members').execute()).reduce(
        (sum, { members }) => sum + members,
        0,
      ),
    ],
  );
  assertSameTree(path.join(target, source), source, { folderTimes: true, nearTimes: true });
  assert.ok(!existsSync(staging));
  assert.ok((await reserved()).every((bytes) => bytes === 0));
});

test('of an archive that is damaged on tape, another host restores what is whole, and the copy is known to be damaged', async (t) => {
  const target = tempFolder(t);
  const restore = await restoreToHost(t, target, { size: '10MB' });
  const { catalog, setId, tapeDir, prepare, goOn, id } = restore;
  const [first = ''] = archivesOn(tapeDir, setId);
  damage(first);
  await prepare();
  const { status, failed, restored } = await goOn();
  assert.equal(status, 'incomplete');
  assert.ok(failed > 0 && restored > 0, `${failed} failed, ${restored} restored`);
  const problems = await problemsOf(catalog, id, 1000);
  // The same restore where the drive is says the same.
  const here = await restore.restore(setId, tempFolder(t));
  const inPlace = (reason: string) =>
    reason.replace(`${tapeDir}/`, '').replace('.tar.gz:', '.tar.gz on tape TAPE01:');
  assert.deepEqual(
    problems.map(({ path: name, reason }) => [name, reason]),
    here.problems.map(({ path: name, reason }) => [name, inPlace(reason)]),
  );
  const copies = await catalog
    .selectFrom('copies')
    .select(['group_no', 'damage'])
    .orderBy('group_no')
    .execute();
  assert.deepEqual(
    copies.map(({ damage }) => damage !== null),
    copies.map(({ group_no: no }) => no === 1),
  );
});

test('an archive that was changed, or is gone, in staging is read from tape again, and its copy is not blamed', async (t) => {
  const target = tempFolder(t);
  const restore = await restoreToHost(t, target);
  const { catalog, fs1, staging, prepare, fetch, unpack, goOn, source } = restore;
  fs1.settings.FINAL_WAIT_SECONDS = 0.01;
  await prepare();
  await fetch(1);
  const [name = ''] = readdirSync(staging);
  damage(path.join(staging, name));
  await assert.rejects(unpack(1), /is not what was read from tape/);
  assert.equal(await fetch(1), 'staged');
  rmSync(path.join(staging, name));
  await assert.rejects(unpack(1), /Host fs1 does not see .*, which the drive's host has read from tape/);
  assert.equal((await goOn()).status, 'completed');
  assertSameTree(path.join(target, source), source, { folderTimes: true, nearTimes: true });
  const damages = await catalog.selectFrom('copies').select('damage').execute();
  assert.ok(damages.every(({ damage }) => damage === null));
});

test('a target of the host that has the drive, asked for on another one, is made and restored into directly', async (t) => {
  const target = path.join(tempFolder(t), 'made', 'there');
  const { catalog, settings, plan, read, source, staging, attempt, deps, id } = await restoreToHost(
    t,
    target,
  );
  await catalog.updateTable('retrievals').set({ target_host: settings.TAPEFLOW_HOST }).execute();
  for (const [index] of plan.archives.entries()) assert.equal(await read(index + 1), undefined);
  assert.equal((await attempt(() => finishInDrive(deps, id))).status, 'completed');
  assertSameTree(path.join(target, source), source, { folderTimes: true, nearTimes: true });
  assert.ok(!existsSync(staging));
});

test('what is wrong with a target is said by the host that has it, before anything is read from tape', async (t) => {
  const folder = tempFolder(t);
  const file = path.join(folder, 'file');
  writeFileSync(file, '');
  const { prepare, catalog, id } = await restoreToHost(t, path.join(file, 'below'));
  await assert.rejects(
    prepare(),
    /^\w+: On host fs1: The target .*below cannot be used: it is not a folder\./,
  );
  await catalog.updateTable('retrievals').set({ target_asked: '/proc/none' }).execute();
  await assert.rejects(
    prepare(),
    /On host fs1: The target \/proc\/none cannot be used: it does not exist, and cannot be/,
  );
  assert.equal((await retrievalNamed(catalog, id)).looked, null);
});

test('a restore to another host that was cancelled writes no more into its target', async (t) => {
  const target = tempFolder(t);
  const { prepare, fetch, unpack, catalog, id } = await restoreToHost(t, target);
  await prepare();
  await fetch(1);
  await recordRetrieval(catalog, id, 'cancelled', 'by a command');
  await unpack(1);
  assert.equal(await fetch(2), 'gone');
  assert.deepEqual(readdirSync(target), []);
});
