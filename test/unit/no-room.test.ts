import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { fetchArchive } from '../../activities/tape-copy/fetch-archive.js';
import { waitForCopyRoom } from '../../activities/tape-copy/wait-for-copy-room.js';
import { readArchive } from '../../activities/retrieval/read-archive.js';
import { targetHasRoom, type TargetShortage } from '../../operations/retrievals/restore-target.js';
import { watchForRetrieval } from '../../activities/retrieval/watch-for-retrieval.js';
import { planCopies } from '../../catalog/retrievals/plan/plan-copies.js';
import { planRestore } from '../../catalog/retrievals/plan/plan-restore.js';
import { insertRetrieval } from '../../catalog/retrievals/retrievals.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { SmallDisk } from '../support/small-disk.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';

const logger = new DefaultLogger('ERROR');

/** A wait that runs: what it says first, and its end. */
async function waits(wait: () => Promise<void>) {
  const environment = new MockActivityEnvironment({}, { logger });
  const said = new Promise<string>((resolve) =>
    environment.on('heartbeat', (details: { why?: string } | undefined) => {
      if (details?.why !== undefined) resolve(details.why);
    }),
  );
  const ended = environment.run(wait).then(() => 'ended');
  return { first: await Promise.race([said, ended]), ended };
}

/** What a step fails with. */
async function failureOf(step: () => Promise<unknown>): Promise<ApplicationFailure> {
  try {
    await new MockActivityEnvironment({}, { logger }).run(step);
  } catch (error) {
    if (error instanceof ApplicationFailure) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

test('a restore into a target without inodes waits for inodes, however many bytes are free, and goes on when there are some', async (t) => {
  const disk = SmallDisk.make(t, 50_000_000, ',nr_inodes=60');
  if (disk === undefined) return;
  const { deps, catalog, backUp } = await setsInProcess(t);
  const source = tempFolder(t);
  for (let i = 0; i < 40; i += 1) writeTree(source, { [`file-${i}`]: 'x' });
  const { setId } = await backUp(source, 'full');
  const target = path.join(disk.folder, 'target');
  mkdirSync(target);
  const others = path.join(disk.folder, 'others');
  mkdirSync(others);
  for (let i = 0; i < 30; i += 1) writeFileSync(path.join(others, `${i}`), '');
  const selection = { names: [], globs: [] };
  const row = { kind: 'restore', subject: setId, drive: 'lto1', target, overwrite: 'never' } as const;
  const plan = await planRestore(catalog, setId, selection);
  const { id } = await insertRetrieval(catalog, { ...row, selection: '{}' }, plan.archives, plan.problems);
  const ref = { id, no: 1 };

  const failure = await failureOf(() => readArchive(deps, ref));
  assert.equal(failure.type, 'TargetNotReady');
  const [{ lack }] = failure.details as [{ lack: TargetShortage }];
  assert.equal(lack.room.inodes, 0);
  const { first, ended } = await waits(async () => void (await watchForRetrieval(deps, ref, lack)));
  assert.match(first, /takes no more/);
  rmSync(others, { recursive: true });
  assert.equal(await ended, 'ended');
  await new MockActivityEnvironment({}, { logger }).run(() => readArchive(deps, ref));
  assert.equal(readdirSync(path.join(target, source)).length, 40);
});

test('a target is tried again when it has more bytes or more inodes than it had, or is writable again, and always at a quota', async (t) => {
  const disk = SmallDisk.make(t, 1_000_000, ',nr_inodes=20');
  if (disk === undefined) return;
  const need = { bytes: 5_000_000, inodes: 5 };
  const full = (bytes: number, inodes: number | null, code = 'ENOSPC') => ({ code, room: { bytes, inodes } });
  const may = (lack: TargetShortage) => targetHasRoom(disk.folder, lack, need);
  assert.equal(await may(full(5_000_000, 19)), false);
  assert.equal(await may(full(0, 19)), true, 'more bytes');
  assert.equal(await may(full(5_000_000, 0)), true, 'more inodes');
  assert.equal(await may(full(5_000_000, 19, 'EDQUOT')), true);
  disk.remount('ro');
  assert.equal(await may(full(0, 0, 'EROFS')), false);
  disk.remount('rw');
  assert.equal(await may(full(0, 0, 'EROFS')), true);
  assert.equal(await targetHasRoom('/nowhere', full(0, 0), need), true, 'the try says what is wrong');
});

test('a copy that finds the disk of staging full leaves nothing there, holds no promise, and waits outside of the slot', async (t) => {
  const disk = SmallDisk.make(t, 8_000_000);
  if (disk === undefined) return;
  const { deps, catalog, attempt, backUp } = await setsInProcess(t, {
    BACKUP_COMPRESS_DIR: path.join(disk.folder, 'staging'),
    MAX_GROUP_SIZE: '3MB',
  });
  const source = tempFolder(t);
  writeTree(source, { file: noise(2_000_000, 'file') });
  const { setId } = await backUp(source, 'full');
  const { archives } = await planCopies(catalog, { setId }, 'B', undefined);
  const row = { kind: 'copy', subject: setId, drive: 'lto1', target: null, overwrite: 'never' } as const;
  const { id } = await insertRetrieval(catalog, { ...row, selection: '{}' }, archives, []);
  const ref = { id, no: 1 };
  const reserved = async () =>
    (await catalog.selectFrom('retrieval_archives').select('reserved').executeTakeFirstOrThrow()).reserved;
  disk.fill(1_000_000);
  assert.equal(await attempt(() => fetchArchive(deps, ref)), 'full');
  assert.equal(await reserved(), 0);
  assert.deepEqual(readdirSync(path.join(disk.folder, 'staging', 'copy', id)), []);
  const { first, ended } = await waits(() => waitForCopyRoom(deps, ref));
  assert.match(first, /staging's disk at .* has .* free, and group 1 may need/);
  assert.equal(await reserved(), 0, 'others may have the budget meanwhile');
  disk.makeRoom();
  assert.equal(await ended, 'ended');
  assert.equal(await attempt(() => fetchArchive(deps, ref)), 'staged');
});
