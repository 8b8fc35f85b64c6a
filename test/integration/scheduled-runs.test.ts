import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { snapshotOptions } from '../../operations/sets/set-options.js';
import type { ScheduledBackup, ScheduledReading } from '../../operations/sets/scheduled-work.js';
import { subjectName } from '../../catalog/retrievals/retrieval-subject.js';
import { retrievalNamed } from '../../catalog/retrievals/retrievals.js';
import { summarizeRetrieval } from '../../catalog/retrievals/retrieval-summary.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { insertSchedule, lastRunOf, runTrouble, scheduleNamed } from '../../catalog/server/schedules.js';
import { setHandle } from '../../client/server.js';
import type { ScheduledRun } from '../../workflows/schedule/scheduled-backup.js';
import type { SettledReading } from '../../activities/schedule/open-scheduled-reading.js';
import { liveSetsOfFile } from '../support/live-sets.js';
import { waitFor } from '../support/wait-for.js';
import { longTest } from '../support/trees.js';

const live = liveSetsOfFile();

/** The message of the first cause. */
function rootMessage(error: Error): string {
  return error.cause instanceof Error ? rootMessage(error.cause) : error.message;
}

let runs = 0;
const cron = { cron: '30 2 * * *', zone: 'UTC', command: 'as asked' };

/** Makes a schedule, and lets it run. */
async function schedule(t: TestContext, name: string, work: ScheduledBackup | ScheduledReading) {
  await insertSchedule(
    live().catalog,
    { name, ...cron, arguments: JSON.stringify(work) },
    { replace: false },
  );
  return runOf(t, name, 'kind' in work ? 'scheduledReading' : 'scheduledBackup');
}

/** One more run of a schedule. */
function runOf(t: TestContext, name: string, workflow: string) {
  return live().alone.begin(t, workflow, `scheduled-run-${(runs += 1)}`, { name });
}

async function begin(t: TestContext, more: Partial<ScheduledBackup> = {}) {
  const backup: ScheduledBackup = {
    ...{ sources: [live().source], excludes: [], pool: 'A', drive: 'lto1', mode: 'full' },
    ...{ direct: false, ...more },
  };
  return schedule(t, `nightly-${runs}`, backup);
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
  const { workflow_id: workflowId } = await live().set(setId);
  assert.equal(workflowId, setHandle(live().server, setId).workflowId, 'it is known should ids change');
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

test('no more sets pile up than those of a week', { skip: longTest }, async (t) => {
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

const lastRun = async (name: string) => lastRunOf(live().catalog, await scheduleNamed(live().catalog, name));
const readingOf = async (run: ReturnType<typeof runOf>) =>
  (await (await run).result()) as SettledReading | null;
const verifyLatest = (): ScheduledReading => ({
  ...{ kind: 'verify', drive: 'lto1', percent: 100, subject: { latest: [live().source] } },
});

test(
  'a verify of the newest set follows it from run to run, and damage fails the run with the reason',
  { skip: longTest },
  async (t) => {
    const set = await resultOf(begin(t));
    const first = await readingOf(schedule(t, 'check', verifyLatest()));
    assert.equal(first?.status, 'completed');
    const { subject, archives } = await summarizeRetrieval(live().catalog, first.id);
    assert.deepEqual([subject, archives], [set.setId, 3]);
    const newer = await resultOf(begin(t));
    const folder = path.join(live().settings.drives[0]?.path ?? '', newer.setId);
    const file = path.join(folder, readdirSync(folder).find((name) => name.includes('.tar')) ?? '');
    const bytes = readFileSync(file);
    bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
    writeFileSync(file, bytes);
    await assert.rejects((await runOf(t, 'check', 'scheduledReading')).result(), (error: Error) =>
      /^verify-\d+ has ended incomplete: ./.test(rootMessage(error)),
    );
    const last = await lastRun('check');
    assert.match(runTrouble(last) ?? '', /^its last run, verify-\d+, ended incomplete: \S+/);
    assert.equal((await retrievalNamed(live().catalog, last?.id ?? '')).subject, newer.setId);
  },
);

test('a copy goes on with what waits for a tape, is begun once, and a run with nothing to copy is a success', async (t) => {
  const { setId } = await resultOf(begin(t));
  live().unload('lto1');
  const copy: ScheduledReading = {
    ...{ kind: 'copy', drive: 'lto1', toDrive: 'lto2', pool: 'B', subject: { latest: [live().source] } },
  };
  const first = await readingOf(schedule(t, 'offsite', copy));
  assert.equal(first?.status, 'waiting_for_tape');
  assert.equal(runTrouble(await lastRun('offsite')), undefined, 'who waits has not failed');
  assert.equal((await resultOf(begin(t, { pool: 'B', drive: 'lto2' }))).status, 'completed');
  const second = await readingOf(runOf(t, 'offsite', 'scheduledReading'));
  assert.equal(second?.id, first.id, 'although there is a newer set by now');
  live().load('lto1');
  await waitFor(async () => (await lastRun('offsite'))?.state === 'completed', 'the copy to be done');
  assert.equal(await live().committed(setId), 6, 'each of its archives is on a tape of both pools');
  assert.equal(await readingOf(runOf(t, 'offsite', 'scheduledReading')), null);
  const last = await lastRun('offsite');
  assert.deepEqual([last?.state, last?.id, last?.reason], ['completed', null, null]);
});

test(
  'a run of a verify that is ended leaves it alone; one without a set, or of another kind, fails with a sentence',
  { skip: longTest },
  async (t) => {
    await resultOf(begin(t));
    live().hold('readArchive');
    const ended = await schedule(t, 'ended', verifyLatest());
    await live().held('readArchive');
    await ended.terminate('by a test');
    live().letGo();
    await waitFor(
      async () => (await lastRun('ended'))?.state === 'completed',
      'the verify to come to its end',
    );

    const { catalog, settings } = live();
    const nothing = {
      ...{ sources: ['/none'], excludes: [], pool: 'A', drive: 'lto1', mode: 'full', direct: false },
      options: snapshotOptions(settings),
    };
    const { set } = await openSet(catalog, nothing, { fresh: true });
    await catalog.updateTable('sets').set({ state: 'completed' }).where('id', '=', set.id).execute();
    const latest = { latest: ['/none'] };
    assert.equal(await subjectName(catalog, latest, 'copy'), set.id, 'it has stored nothing itself');
    const none: ScheduledReading = { ...verifyLatest(), subject: latest };
    await assert.rejects((await schedule(t, 'none', none)).result());
    assert.match(
      runTrouble(await lastRun('none')) ?? '',
      /its last run failed: There is no completed set of \/none/,
    );
    await assert.rejects((await runOf(t, 'none', 'scheduledBackup')).result(), (error: Error) =>
      /The schedule none backs nothing up/.test(rootMessage(error)),
    );
  },
);
