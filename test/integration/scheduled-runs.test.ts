import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { ScheduledBackup } from '../../activities/open-scheduled-set.js';
import { insertSchedule } from '../../catalog/schedules.js';
import { setHandle } from '../../client/session.js';
import type { ScheduledRun } from '../../workflows/scheduled-backup.js';
import { liveSetsOfFile } from '../support/live-sets.js';
import { waitFor } from '../support/wait-for.js';

const live = liveSetsOfFile();

/** The message of the first cause. */
function rootMessage(error: Error): string {
  return error.cause instanceof Error ? rootMessage(error.cause) : error.message;
}

let runs = 0;
async function begin(t: TestContext, more: Partial<ScheduledBackup> = {}) {
  const backup: ScheduledBackup = {
    ...{ sources: [live().source], excludes: [], pool: 'A', drive: 'lto1', mode: 'full' },
    ...{ direct: false, ...more },
  };
  const name = `nightly-${(runs += 1)}`;
  const schedule = {
    name,
    cron: '30 2 * * *',
    zone: 'UTC',
    command: 'backup',
    arguments: JSON.stringify(backup),
  };
  await insertSchedule(live().catalog, schedule, { replace: false });
  return live().alone.begin(t, 'scheduledBackup', `scheduled-${runs}`, { name });
}
const resultOf = async (run: ReturnType<typeof begin>) => (await (await run).result()) as ScheduledRun;
const unfinished = async () => {
  const rows = await live().catalog.selectFrom('sets').select(['id', 'state']).orderBy('id').execute();
  return rows
    .filter(({ state }) => !['completed', 'failed', 'cancelled'].includes(state))
    .map(({ id }) => id);
};

test('while yesterday’s set waits for a tape, tonight’s is made too, and both come to the tape', async (t) => {
  live().unload('lto1');
  const first = await resultOf(begin(t));
  assert.equal(first.status, 'waiting_for_tape');
  assert.deepEqual(first.earlier, []);
  const second = await resultOf(begin(t));
  assert.notEqual(second.setId, first.setId);
  assert.deepEqual(second.earlier, [
    { setId: first.setId, status: 'waiting_for_tape', reason: first.reason },
  ]);
  const weekly = await resultOf(begin(t, { excludes: ['c'] }));
  assert.deepEqual(weekly.earlier, [], 'the sets of another backup are not its own');
  assert.match(
    weekly.notes.join(),
    new RegExp(`set ${first.setId} .* another one: it leaves out nothing, not c`),
  );
  live().load('lto1');
  for (const { setId } of [first, second, weekly]) await live().comesTo(setId, 'completed');
});

test('a broken set of yesterday is taken up and comes to its end before tonight’s begins', async (t) => {
  live().hold('compressGroup');
  const broken = await live().begin(1);
  await live().held('compressGroup');
  await setHandle(live().server, broken).terminate('by a test');
  live().letGo();
  const run = await resultOf(begin(t));
  assert.notEqual(run.setId, broken);
  assert.equal(run.status, 'completed');
  assert.deepEqual(run.earlier, [{ setId: broken, status: 'completed', reason: null }]);
});

test('a run that is ended leaves its set alone, and one that has failed says why', async (t) => {
  live().hold('writeToTape');
  const ended = await begin(t);
  await live().held('writeToTape');
  const [setId = ''] = await unfinished();
  await ended.terminate('by a test');
  await assert.rejects(ended.result());
  assert.equal((await live().set(setId)).state, 'running');
  live().letGo();
  await live().comesTo(setId, 'completed');

  live().hold('finishSet');
  const failing = await begin(t);
  await live().held('finishSet');
  const [lost = ''] = await unfinished();
  await live()
    .catalog.updateTable('groups')
    .set({ state: 'failed', reason: 'why' })
    .where('set_id', '=', lost)
    .execute();
  live().letGo();
  await assert.rejects(failing.result(), (error: Error) =>
    /has failed: 3 of 3 groups failed/.test(rootMessage(error)),
  );
});

test('no more sets pile up than those of a week', async (t) => {
  live().unload('lto1');
  for (let night = 1; night <= 7; night += 1) await (await begin(t)).result();
  const waiting = await unfinished();
  assert.equal(waiting.length, 7);
  await assert.rejects((await begin(t)).result(), (error: Error) => {
    return /makes no further set while 7 of its sets are unfinished/.test(rootMessage(error));
  });
  live().load('lto1');
  for (const id of waiting) await live().comesTo(id, 'completed');
  await waitFor(async () => (await unfinished()).length === 0, 'all to be done');
});
