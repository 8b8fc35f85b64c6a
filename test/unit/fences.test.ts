import assert from 'node:assert/strict';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { pino } from 'pino';
import { recordState } from '../../activities/set/set-state.js';
import { copyOf } from '../../catalog/copies/copies.js';
import { beginCopy, recordWritten } from '../../catalog/copies/copy-states.js';
import { commitCompressed } from '../../catalog/files/packed-files.js';
import { forgetArchive } from '../../catalog/groups/forget-archive.js';
import { beginCompressing, whileOwned } from '../../catalog/groups/group-owner.js';
import {
  advanceGroup,
  deriveGroupState,
  parkGroup,
  unparkGroups,
} from '../../catalog/groups/group-states.js';
import { shrinkGroup } from '../../catalog/groups/oversized-groups.js';
import type { GroupState } from '../../catalog/schema/group-tables.js';
import { finalSetStates, type SetState } from '../../catalog/schema/set-tables.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { groupOf } from '../../catalog/groups/groups.js';
import { insertTape } from '../../catalog/tapes/tapes.js';
import type { TapeflowFailure } from '../../config/failures.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { lockDrive } from '../../tape/drives/drive-lock.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { openNewCatalog } from '../support/catalogs.js';
import { tapeRow } from '../support/tape-rows.js';
import { driveSteps } from '../support/drive-steps.js';
import { tempFolder } from '../support/trees.js';

const wanted = { sources: ['/s'], excludes: [], pool: 'default', drive: 'lto1', mode: 'full' };

/** A catalog with one set of one planned group. */
async function withGroup(t: TestContext): Promise<{ catalog: Catalog; setId: string }> {
  const catalog = await openNewCatalog(t);
  const { set } = await openSet(catalog, { ...wanted, direct: false, options: {} }, { fresh: true });
  const empty = new Uint8Array();
  await catalog
    .insertInto('groups')
    .values({
      set_id: set.id,
      no: 1,
      state: 'planned',
      bytes: 1,
      entries: 1,
      first_path: empty,
      last_path: empty,
      direct: 0,
      reserved: 0,
    })
    .execute();
  return { catalog, setId: set.id };
}

test('an attempt whose group was taken over deletes and renames nothing any more', async (t) => {
  const { catalog, setId } = await withGroup(t);
  let acts = 0;
  const act = (token: string, state: GroupState) =>
    whileOwned(catalog, { setId, group: 1, token, state }, () => (acts += 1));
  assert.ok(await beginCompressing(catalog, setId, 1, 'first'));
  assert.ok(await act('first', 'compressing'));
  assert.ok(await beginCompressing(catalog, setId, 1, 'second'));
  assert.equal(await act('first', 'compressing'), false, 'the group is another attempt’s');
  assert.equal(await act('second', 'compressed'), false, 'the group is not so far');
  assert.equal(acts, 1);
  assert.ok(await act('second', 'compressing'));
});

test('an attempt forgets only the archive that it has looked at', async (t) => {
  const { catalog, setId } = await withGroup(t);
  const archive = { set_id: setId, group_no: 1, name: 'a', size: 1, sha256: '', members: 1, created_at: 0 };
  const manifest = { manifest_name: 'm', manifest_size: 1, manifest_sha256: '', bytes_in: 1 };
  await catalog
    .insertInto('archives')
    .values({ ...archive, ...manifest, token: 'later' })
    .execute();
  await catalog.updateTable('groups').set({ state: 'compressed' }).execute();
  const forget = (token: string, state?: GroupState) =>
    forgetArchive(catalog, { ...archive, token }, 'gone', state === undefined ? {} : { in: state });
  assert.equal(await forget('earlier'), false);
  assert.equal(await forget('later', 'promoted'), false);
  assert.equal((await groupOf(catalog, setId, 1)).state, 'compressed');
  assert.ok(await forget('later', 'compressed'));
  assert.equal((await groupOf(catalog, setId, 1)).state, 'planned');
});

const archive = {
  ...{ group_no: 1, name: 'a', size: 1, sha256: '', members: 1, created_at: 0 },
  ...{ manifest_name: 'm', manifest_size: 1, manifest_sha256: '', bytes_in: 1 },
};

test('a parked group stays parked, with its reason, when its old attempts come back', async (t) => {
  const { catalog, setId } = await withGroup(t);
  await beginCompressing(catalog, setId, 1, 'old');
  await parkGroup(catalog, setId, 1, 'compressing', 'the disk is gone');
  const isParked = async (what: string) => {
    const { state, reason } = await groupOf(catalog, setId, 1);
    assert.deepEqual([state, reason], ['failed', 'compressing: the disk is gone'], what);
  };
  const row = { ...archive, set_id: setId, token: 'old' };
  const commit = () => commitCompressed(catalog, row, [], { reserved: 1, ms: 0, detail: '' });
  await assert.rejects(commit(), /Another attempt has taken over/);
  await isParked('its archive is not committed');
  assert.equal(await beginCompressing(catalog, setId, 1, 'new'), false);
  const leaving = {
    setId,
    group: 1,
    limit: 0,
    needs: 1,
    reasons: { alone: 'too large', amongOthers: 'too large' },
  };
  assert.equal(await shrinkGroup(catalog, leaving), 'stuck');
  await isParked('it is not skipped');
  await catalog.insertInto('archives').values(row).execute();
  assert.ok(await forgetArchive(catalog, row, 'damaged'));
  await isParked('its archive is forgotten');
  for (const step of ['compress', 'promote', 'queue', 'release'] as const)
    assert.equal(await advanceGroup(catalog, setId, 1, step), false);
  await deriveGroupState(catalog, setId, 1);
  await isParked('it is not moved on');
  assert.deepEqual(await unparkGroups(catalog, setId), [1]);
  assert.equal((await groupOf(catalog, setId, 1)).state, 'planned');
});

test('the beginning of another copy does not hide that a group has lost its archive', async (t) => {
  const { catalog, setId } = await withGroup(t);
  const tape = tapeRow('u', 'T', 'default');
  await insertTape(catalog, tape);
  await beginCopy(catalog, { setId, group: 1, copyNo: 1, tape, token: 'x', direct: false });
  assert.equal((await groupOf(catalog, setId, 1)).state, 'planned');
  assert.ok(await beginCompressing(catalog, setId, 1, 'new'));
});

test('a write that was begun in a stopped process takes no copy from the attempt that came after it', async (t) => {
  const steps = await driveSteps(t, tempFolder(t));
  const tape = await steps.label('T1');
  await steps.stage(1);
  const { catalog } = steps.deps;
  const group = { setId: steps.setId, group: 1, copyNo: 1 };
  const begin = (token: string) => beginCopy(catalog, { ...group, tape, token, direct: false });
  const token = async () => (await copyOf(catalog, steps.setId, 1))?.token;
  await begin('run-7-2');
  await assert.rejects(begin('run-7-1'), { code: 'StaleAttempt', kind: 'transient' });
  await assert.rejects(begin('run-7-1.3'), { code: 'StaleAttempt' });
  assert.equal(await token(), 'run-7-2');
  for (const later of ['run-7-2.2', 'run-7-10', 'again-7-1', 'again-8-1']) {
    await begin(later);
    assert.equal(await token(), later);
  }
  assert.ok(await recordWritten(catalog, { ...group, token: 'again-8-1' }, { ms: 1, bytes: 1, detail: '' }));
});

test('a set that has ended is not opened again by a late word of a stale step', async (t) => {
  const { catalog, setId } = await withGroup(t);
  const deps = { catalog, settings: loadSettings({}, tempFolder(t)), logger: pino({ level: 'silent' }) };
  const say = (state: SetState) =>
    new MockActivityEnvironment().run(() => recordState(deps, setId, state, null));
  assert.equal(await say('running'), undefined);
  assert.equal((await setNamed(catalog, setId)).state, 'running');
  for (const end of finalSetStates) {
    await catalog.updateTable('sets').set({ state: end }).execute();
    for (const late of ['scanning', 'running', 'waiting_for_tape', 'paused'] as const)
      assert.equal(await say(late), 'ended', 'its workflow is told');
    assert.equal((await setNamed(catalog, setId)).state, end);
  }
});

test('two paths to one tape: one drive at a time holds it, the other is told which, and only for as long as that works', async (t) => {
  const [one, two] = [tempFolder(t), tempFolder(t)];
  const settings = loadSettings(
    { TAPEFLOW_DATA_DIR: path.join(one, 'data'), TAPEFLOW_LOCK_DIR: path.join(one, 'locks'), TAPE_PATH: one },
    one,
  );
  const drives = [
    { name: 'lto1', path: one, kind: 'directory', ours: false },
    { name: 'lto2', path: two, kind: 'directory', ours: false },
  ] as const;
  const [first, second] = drives.map((drive) => lockDrive(settings, drive, 'tape worker'));
  assert.ok(first !== undefined && second !== undefined);
  t.after(() => {
    first.release();
    second.release();
  });
  const medium = { key: '1:2', volume: null };
  await first.hold(medium, async () => {
    await assert.rejects(
      second.hold(medium, () => Promise.resolve()),
      (error: TapeflowFailure) =>
        error.code === 'TapeBusy' &&
        error.message.includes(
          `drive lto2 (${two}) is in use by pid ${process.pid} (tape worker of drive lto1)`,
        ),
    );
    await second.hold({ key: '3:4', volume: null }, () => Promise.resolve());
  });
  assert.equal(await second.hold(medium, () => Promise.resolve('held')), 'held');
  await assert.rejects(
    first.hold(medium, () => Promise.reject(new Error('of the work'))),
    /of the work/,
  );
  assert.equal(
    await second.hold(medium, () => Promise.resolve('held')),
    'held',
    'also after work that failed',
  );
});
