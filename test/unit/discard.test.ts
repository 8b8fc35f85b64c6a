import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { releaseStaging } from '../../operations/sets/cancel-set.js';
import { archiveOf, groupOf } from '../../catalog/groups/groups.js';
import { recordWritten } from '../../catalog/copies/copy-states.js';
import { requireCompressing } from '../../catalog/groups/group-owner.js';
import type { GroupState } from '../../catalog/schema/group-tables.js';
import { finalDir } from '../../staging/paths.js';
import { driveSteps } from '../support/drive-steps.js';
import { tempFolder } from '../support/trees.js';

/** A set of one or two copies, of which groups can be brought into any state. */
async function setOf(t: TestContext, copies: 1 | 2) {
  const steps = await driveSteps(t, tempFolder(t), 'directory', 'A');
  const { setId, deps } = steps;
  const { catalog, settings } = deps;
  const places = [
    { pool: 'A', drive: 'lto1' },
    { pool: 'B', drive: 'lto1' },
  ];
  if (copies === 2)
    await catalog
      .updateTable('sets')
      .set({ places: JSON.stringify(places) })
      .execute();
  const tape = await steps.label('A1');
  return {
    ...{ steps, catalog, tape },
    change: (
      no: number,
      change: Partial<{ state: GroupState; reason: string; direct: 0 | 1; token: string }>,
    ) => catalog.updateTable('groups').set(change).where('no', '=', no).execute(),
    discard: () => releaseStaging(catalog, settings, setId),
    async found(no: number) {
      const { state, reason, reserved } = await groupOf(catalog, setId, no);
      const archive = (await archiveOf(catalog, setId, no)) !== undefined;
      return { state, reason, reserved, archive, copy: await steps.copy(no) };
    },
    isEmpty: () => !existsSync(finalDir(settings.BACKUP_COMPRESS_DIR, setId)),
  };
}

test('cancel --discard forgets what is staged, in whatever state it is, and releases what is on tape', async (t) => {
  const { steps, tape, change, discard, found, isEmpty } = await setOf(t, 1);
  const staged: GroupState[] = [
    'compressed',
    'promoted',
    'queued',
    'writing',
    'written',
    'failed',
    'committed',
  ];
  for (const [at] of staged.entries()) await steps.stage(at + 1);
  await steps.write(7);
  await steps.sync(tape.uuid, [7]);
  for (const no of [4, 5]) await steps.write(no);
  for (const [at, state] of staged.entries())
    await change(at + 1, state === 'failed' ? { state, reason: 'writing: parked' } : { state });
  await discard();
  const none = { reason: null, reserved: 0, archive: false };
  for (const no of [1, 2, 3])
    assert.deepEqual(await found(no), { ...none, state: 'planned', copy: undefined }, staged[no - 1]);
  for (const no of [4, 5]) assert.deepEqual(await found(no), { ...none, state: 'planned', copy: 'lost' });
  assert.deepEqual(await found(6), { ...none, state: 'failed', reason: 'writing: parked', copy: undefined });
  assert.deepEqual(await found(7), { ...none, state: 'released', archive: true, copy: 'committed' });
  assert.ok(isEmpty());
});

test('of a group that cancel --discard takes away, no attempt that is still under way publishes or commits anything', async (t) => {
  const { steps, catalog, tape, change, discard, found } = await setOf(t, 1);
  const { setId } = steps;
  for (const no of [1, 2]) await steps.stage(no);
  await catalog.deleteFrom('archives').where('group_no', '=', 1).execute();
  await change(1, { state: 'compressing', token: 'run-7-1' });
  await steps.write(2);
  await discard();
  assert.equal((await found(1)).state, 'planned');
  await assert.rejects(requireCompressing(catalog, setId, 1, 'run-7-1'), { code: 'StaleAttempt' });
  const copy = { setId, group: 2, copyNo: 1, token: 'run-7-1' };
  assert.equal(await recordWritten(catalog, copy, { ms: 1, bytes: 1, detail: '' }), false);
  assert.deepEqual((await steps.sync(tape.uuid, [2])).committed, []);
});

test('a group of which one copy is on tape is parked by cancel --discard with the tape that holds it, and never made anew', async (t) => {
  const { steps, tape, change, discard, found } = await setOf(t, 2);
  // A retry brings a parked group back as `compressed`.
  const states: GroupState[] = ['compressed', 'promoted', 'queued', 'writing', 'failed'];
  for (const [at] of states.entries()) {
    await steps.stage(at + 1);
    await steps.write(at + 1);
  }
  await steps.sync(tape.uuid, [1, 2, 3, 4, 5]);
  for (const [at, state] of states.entries()) await change(at + 1, { state });
  await change(5, { reason: 'writing: parked' });
  await discard();
  for (const no of [1, 2, 3, 4]) {
    const { reason, ...rest } = await found(no);
    assert.deepEqual(
      rest,
      { state: 'failed', reserved: 0, archive: true, copy: 'committed' },
      states[no - 1],
    );
    assert.match(
      reason ?? '',
      /only tape A1 holds it; `tapeflow tape copy \S+ --pool POOL` makes the missing copy/,
    );
  }
  assert.equal((await found(5)).reason, 'writing: parked');
});

test('cancel --discard leaves direct groups as they are, of which nothing is staged', async (t) => {
  const { steps, tape, change, discard, found } = await setOf(t, 1);
  await steps.stage(1);
  await steps.write(1);
  await change(1, { direct: 1 });
  await discard();
  assert.deepEqual(await found(1), {
    ...{ state: 'written', reason: null, reserved: 0 },
    archive: true,
    copy: 'written',
  });
  assert.deepEqual((await steps.sync(tape.uuid, [1])).committed, [1], 'a retry syncs it');
});
