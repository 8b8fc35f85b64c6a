import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { openScheduledReading } from '../../activities/schedule/open-scheduled-reading.js';
import { openScheduledSet } from '../../activities/schedule/open-scheduled-set.js';
import { readArchive } from '../../activities/retrieval/read-archive.js';
import { retryParkedGroups } from '../../activities/set/set-state.js';
import { finishSet } from '../../activities/set/finish-set.js';
import { planRestore } from '../../catalog/retrievals/plan/plan-restore.js';
import { insertRetrieval, recordRetrieval } from '../../catalog/retrievals/retrievals.js';
import { insertSchedule, recordRun, recordRunEnd } from '../../catalog/server/schedules.js';
import { reopenSet } from '../../catalog/sets/set-states.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { cancelRetrieval } from '../../client/follow/cancel-retrieval.js';
import { recordCancelled } from '../../operations/sets/cancel-set.js';
import type { Session } from '../../client/session.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';

/*
 * Whoever polls the queue of the workflows can keep a run open after its end, and have each of its steps done again,
 * whenever they like. What happened meanwhile must stay.
 */

test('steps of a set that are done again after its end change nothing', async (t) => {
  const sets = await setsInProcess(t);
  const { catalog, attempt, deps } = sets;
  const source = tempFolder(t);
  writeTree(source, { a: noise(1000, 'a') });
  const { setId } = await sets.backUp(source, 'full');
  await catalog.updateTable('sets').set({ state: 'expired' }).execute();
  assert.equal((await attempt(() => finishSet(deps, setId))).status, 'expired');
  assert.equal((await setNamed(catalog, setId)).state, 'expired');

  await catalog.updateTable('groups').set({ state: 'failed', reason: 'writing: x' }).execute();
  for (const state of ['failed', 'cancelled'] as const) {
    await catalog.updateTable('sets').set({ state }).execute();
    assert.deepEqual(await attempt(() => retryParkedGroups(deps, setId)), { groups: 0, first: 0 }, state);
  }
  const { state } = await catalog.selectFrom('groups').select('state').executeTakeFirstOrThrow();
  assert.equal(state, 'failed');
  await reopenSet(catalog, setId, 'running');
  assert.equal(
    (await attempt(() => retryParkedGroups(deps, setId))).groups,
    1,
    '`retry` has said that it goes on',
  );
});

test('a `cancel` that the end of the set was faster than leaves it what it is', async (t) => {
  const sets = await setsInProcess(t);
  const { catalog } = sets;
  const source = tempFolder(t);
  writeTree(source, { a: noise(1000, 'a') });
  const { setId } = await sets.backUp(source, 'full');
  for (const discard of [false, true])
    assert.equal(await recordCancelled(catalog, setId, discard), 'completed');
  const { state, reason } = await setNamed(catalog, setId);
  assert.deepEqual([state, reason], ['completed', null]);
});

test('a `cancel` that the end of a restore was faster than says that it has ended', async (t) => {
  const sets = await setsInProcess(t);
  const { catalog, settings } = sets;
  const row = { subject: '2026-11_000001', drive: 'lto1', target: null, overwrite: 'never', selection: '{}' };
  const { id } = await insertRetrieval(catalog, { kind: 'verify', ...row }, [], []);
  const session: Session = {
    ...{ settings, json: false, catalog: async () => catalog, close: async () => undefined },
    allDrives: async () => settings,
    ...{ print: () => assert.fail(), emit: () => assert.fail(), say: () => assert.fail() },
    // What it does between its first look and its own word.
    settleHost: () => recordRetrieval(catalog, id, 'completed', null),
  };
  await assert.rejects(
    cancelRetrieval(session, id),
    /was not cancelled: it had ended before, and is completed/,
  );
});

test('a restore that was cancelled writes no more into its target', async (t) => {
  const sets = await setsInProcess(t);
  const { catalog, attempt, deps } = sets;
  const source = tempFolder(t);
  writeTree(source, { a: noise(1000, 'a') });
  const { setId } = await sets.backUp(source, 'full');
  const plan = await planRestore(catalog, setId, { names: [], globs: [] });
  const target = tempFolder(t);
  const row = { subject: setId, drive: 'lto1', target, overwrite: 'always', selection: '{}' };
  const { id } = await insertRetrieval(catalog, { kind: 'restore', ...row }, plan.archives, []);
  await recordRetrieval(catalog, id, 'cancelled', 'by a command');
  await attempt(() => readArchive(deps, { id, no: 1 }));
  assert.ok(!existsSync(path.join(target, source, 'a')));
});

test('a run of a schedule that is over makes no set and no verify any more', async (t) => {
  const sets = await setsInProcess(t);
  const { catalog, attempt, deps } = sets;
  const source = tempFolder(t);
  writeTree(source, { a: noise(1000, 'a') });
  await sets.backUp(source, 'full');
  const backup = {
    sources: [source],
    excludes: [],
    drive: 'lto1',
    pool: 'default',
    mode: 'full',
    direct: false,
  };
  const verify = { kind: 'verify', drive: 'lto1', percent: 100, subject: { latest: [source] } };
  const times = { cron: '0 3 * * *', zone: 'UTC', command: 'x' };
  for (const [name, work] of [
    ['backup', backup],
    ['verify', verify],
  ] as const) {
    await insertSchedule(catalog, { name, ...times, arguments: JSON.stringify(work) }, { replace: false });
    const made = async (runAt: number) => {
      const rows = async () =>
        (await catalog.selectFrom('sets').select('id').execute()).length +
        (await catalog.selectFrom('retrievals').select('id').execute()).length;
      const before = await rows();
      const open = () =>
        name === 'backup'
          ? openScheduledSet(deps, { name, runAt }, `run ${runAt}`)
          : openScheduledReading(deps, { name, runAt });
      const failed = await attempt<unknown>(open).then(
        () => '',
        (error: unknown) => String(error),
      );
      return { failed, rows: (await rows()) - before };
    };
    await recordRun(catalog, name, 1000);
    await recordRunEnd(catalog, name, 1000, 'its source is gone');
    assert.deepEqual(await made(1000), { failed: 'ApplicationFailure: its source is gone', rows: 0 }, name);
    await recordRun(catalog, name, 2000);
    const over = `ApplicationFailure: That run of the schedule ${name} is over.`;
    assert.deepEqual(await made(1000), { failed: over, rows: 0 }, name);
    assert.deepEqual(await made(2000), { failed: '', rows: 1 }, name);
    assert.deepEqual(await made(2000), { failed: '', rows: 0 }, `${name}, repeated`);
  }
});
