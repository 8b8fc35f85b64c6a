import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { insertTape } from '../../catalog/tapes/tapes.js';
import { transitionTape } from '../../catalog/tapes/tape-states.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { CopyRow } from '../../catalog/rows.js';
import { insertSchedule, pauseSchedule, recordRun, recordRunEnd } from '../../catalog/server/schedules.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { quickFacts, slowFacts, type Look } from '../../operations/notify/find-facts.js';
import { lastDue, lateMs } from '../../operations/notify/schedule-facts.js';
import { scheduleFigures } from '../../workers/metrics/schedule-figures.js';
import { openNewCatalog } from '../support/catalogs.js';
import { tapeRow } from '../support/tape-rows.js';

const dayMs = 86_400_000;
const look = (now: number, more: Partial<Look> = {}): Look => ({
  now,
  mayBeMissed: true,
  noSuccessDays: 8,
  ...more,
});
const eventsAt = async (catalog: Catalog, now: number, more: Partial<Look> = {}) =>
  [...(await quickFacts(catalog, look(now, more))), ...(await slowFacts(catalog, look(now, more)))].map(
    ({ event, subject }) => `${event}: ${subject}`,
  );
const wanted = { sources: ['/srv'], excludes: [], pool: 'A', drive: 'lto1', mode: 'full', direct: false };

async function makeSet(catalog: Catalog, id: string, change: { created_at?: number } = {}): Promise<void> {
  await openSet(catalog, { ...wanted, id, options: '{}' }, { fresh: true });
  const ended = { state: 'completed', scanned: 1, finished_at: 0, ...change } as const;
  await catalog.updateTable('sets').set(ended).where('id', '=', id).execute();
}

/** Two tapes, and a set of one archive with a copy on each. */
async function twoCopies(t: TestContext): Promise<Catalog> {
  const catalog = await openNewCatalog(t);
  await makeSet(catalog, '2026-11_000001');
  for (const [index, name] of ['A1', 'B1'].entries()) {
    await insertTape(catalog, tapeRow(`uuid-${name}`, name, name.slice(0, 1)));
    const copy: CopyRow = {
      ...{ set_id: '2026-11_000001', group_no: 1, copy_no: index + 1, tape_uuid: `uuid-${name}` },
      ...{ state: 'committed', token: 't', written_at: 1, committed_at: 1, verified_at: null, damage: null },
      ...{ manifest_size: null, manifest_sha256: null },
    };
    await catalog
      .insertInto('groups')
      .values({
        ...{ set_id: copy.set_id, no: 1, state: 'released', bytes: 1, entries: 1, direct: 0, reserved: 0 },
        ...{ first_path: new Uint8Array(), last_path: new Uint8Array() },
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    await catalog.insertInto('copies').values(copy).execute();
  }
  return catalog;
}

test('a tape that has just become full, or suspect, is told of; one that was full long ago is not', async (t) => {
  const catalog = await openNewCatalog(t);
  for (const name of ['A1', 'A2', 'A3']) await insertTape(catalog, tapeRow(name, name, 'A'));
  await transitionTape(catalog, 'A1', 'fill', 'no room');
  await transitionTape(catalog, 'A2', 'distrust', 'a write failed');
  assert.deepEqual(await eventsAt(catalog, Date.now()), ['tape_full: Tape A1', 'tape_suspect: Tape A2']);
  assert.deepEqual(await eventsAt(catalog, Date.now() + 2 * dayMs), ['tape_suspect: Tape A2']);
});

test('damage is told with whether another copy is good, and what is left once only', async (t) => {
  const catalog = await twoCopies(t);
  assert.deepEqual(await eventsAt(catalog, Date.now()), []);
  await catalog.updateTable('copies').set({ damage: 'wrong hash' }).where('copy_no', '=', 1).execute();
  const facts = await quickFacts(catalog, look(Date.now()));
  assert.match(
    facts[0]?.what ?? '',
    /1 archive on tape A1 is damaged \(wrong hash\)\. Another copy of each is good\./,
  );
  assert.equal(facts[0]?.command, 'tapeflow verify A1 --repair');
  assert.deepEqual(await eventsAt(catalog, Date.now()), [
    'damage: tape A1',
    'single_copy: Set 2026-11_000001',
  ]);
  await catalog.updateTable('copies').set({ damage: 'wrong hash' }).execute();
  const [fact] = await quickFacts(catalog, look(Date.now()));
  assert.match(fact?.what ?? '', /No other good copy exists of any of them\./);
  assert.equal(fact?.command, 'tapeflow tape list');
});

test('a copy on a lost tape leaves one; what was erased on purpose was not meant to stay', async (t) => {
  const catalog = await twoCopies(t);
  await catalog.updateTable('copies').set({ state: 'erased' }).where('copy_no', '=', 2).execute();
  assert.deepEqual(await eventsAt(catalog, Date.now()), []);
  await catalog.updateTable('copies').set({ state: 'lost' }).where('copy_no', '=', 2).execute();
  assert.deepEqual(await eventsAt(catalog, Date.now()), ['single_copy: Set 2026-11_000001']);
});

test('the last time of a schedule is found by all of its fields, in its zone', () => {
  const at = (text: string) => Date.parse(text);
  const now = at('2026-11-28T12:00:00Z');
  const last = (cron: string, zone = 'UTC', after = 0) => {
    const due = lastDue({ cron, zone }, Math.max(after, now - 35 * dayMs), now);
    return due === undefined ? undefined : new Date(due).toISOString().slice(0, 16);
  };
  assert.equal(last('30 2 * * *'), '2026-11-28T02:30');
  assert.equal(last('30 23 * * *', 'Asia/Shanghai'), '2026-11-27T15:30');
  assert.equal(last('0 9 * * 1'), '2026-11-23T09:00');
  assert.equal(last('0 9 1 * *'), '2026-11-01T09:00');
  assert.equal(last('*/5 * * * *'), '2026-11-28T12:00');
  assert.equal(last('30 2 * * *', 'UTC', at('2026-11-28T03:00:00Z')), undefined);
});

test('a run that did not begin is missed; one that began, or could not be due, is not', async (t) => {
  const catalog = await openNewCatalog(t);
  const due = Date.parse('2026-11-28T02:30:00Z');
  const made = due - 3 * dayMs;
  const row = { name: 'nightly', cron: '30 2 * * *', zone: 'UTC', command: 'backup /srv' };
  await insertSchedule(catalog, { ...row, arguments: JSON.stringify(wanted) }, { replace: false });
  const set = (change: Partial<Record<'created_at' | 'run_at' | 'resumed_at', number>>) =>
    catalog.updateTable('schedules').set(change).execute();
  const missed = ['schedule_missed: Schedule nightly'];
  await set({ created_at: made, run_at: due - dayMs });
  await recordRunEnd(catalog, 'nightly', due - dayMs, null);
  assert.deepEqual(await eventsAt(catalog, due + lateMs - 1), [], 'it may come late');
  assert.deepEqual(await eventsAt(catalog, due + lateMs), missed);
  assert.deepEqual(await eventsAt(catalog, due + lateMs, { mayBeMissed: false }), []);
  await pauseSchedule(catalog, 'nightly', true);
  assert.deepEqual(await eventsAt(catalog, due + lateMs), []);
  await pauseSchedule(catalog, 'nightly', false);
  await set({ resumed_at: due + 1 });
  assert.deepEqual(await eventsAt(catalog, due + lateMs), [], 'it was paused then');
  await set({ resumed_at: made });
  assert.deepEqual(await eventsAt(catalog, due + lateMs), missed);
  await recordRun(catalog, 'nightly', due + 1000);
  assert.deepEqual(await eventsAt(catalog, due + lateMs), []);
});

test('a run that made nothing has failed', async (t) => {
  const catalog = await openNewCatalog(t);
  const row = { name: 'nightly', cron: '0 0 1 1 *', zone: 'UTC', command: 'backup /srv' };
  await insertSchedule(catalog, { ...row, arguments: JSON.stringify(wanted) }, { replace: false });
  const now = Date.now();
  await recordRun(catalog, 'nightly', now);
  await recordRunEnd(catalog, 'nightly', now, 'The source /srv does not exist.');
  const [fact] = await quickFacts(catalog, look(now));
  assert.equal(fact?.event, 'failed');
  assert.match(
    fact?.what ?? '',
    /Schedule nightly ran at .* and made nothing: The source \/srv does not exist\./,
  );
});

test('a tree without a success is told of when that is a habit, or a schedule is to back it up', async (t) => {
  const catalog = await openNewCatalog(t);
  const now = Date.parse('2026-11-28T12:00:00Z');
  const ago = (days: number) => now - days * dayMs;
  await makeSet(catalog, '2026-11_000001', { created_at: ago(30) });
  await makeSet(catalog, '2026-11_000002', { created_at: ago(20) });
  assert.deepEqual(await eventsAt(catalog, now), [], 'two are no habit');
  await makeSet(catalog, '2026-11_000003', { created_at: ago(9) });
  assert.deepEqual(await eventsAt(catalog, now), ['no_success: /srv']);
  assert.deepEqual(await eventsAt(catalog, now, { noSuccessDays: 0 }), []);
  assert.deepEqual(await eventsAt(catalog, now, { noSuccessDays: 10 }), []);
  assert.deepEqual(await eventsAt(catalog, now + 90 * dayMs), [], 'it was given up');
  const row = { name: 'weekly', cron: '0 0 1 1 *', zone: 'UTC', command: 'backup /srv' };
  await insertSchedule(catalog, { ...row, arguments: JSON.stringify(wanted) }, { replace: false });
  await catalog
    .updateTable('schedules')
    .set({ created_at: ago(30) })
    .execute();
  assert.deepEqual(
    await eventsAt(catalog, now + 90 * dayMs),
    ['no_success: /srv'],
    'a schedule is never given up',
  );
  await makeSet(catalog, '2026-11_000004', { created_at: ago(1) });
  assert.deepEqual(await eventsAt(catalog, now), []);
});

test('a time that falls due while the last run is at work is not missed; one while that waits for a tape is', async (t) => {
  const catalog = await openNewCatalog(t);
  const due = Date.parse('2026-11-28T02:30:00Z');
  const row = { name: 'nightly', cron: '30 2 * * *', zone: 'UTC', command: 'backup /srv' };
  await insertSchedule(catalog, { ...row, arguments: JSON.stringify(wanted) }, { replace: false });
  await catalog
    .updateTable('schedules')
    .set({ created_at: due - 3 * dayMs })
    .execute();
  await makeSet(catalog, '2026-11_000001');
  await recordRun(catalog, 'nightly', due - dayMs, '2026-11_000001');
  const become = (state: 'running' | 'waiting_for_tape' | 'paused') =>
    catalog.updateTable('sets').set({ state, finished_at: null }).execute();
  const told = async (now: number) =>
    (await eventsAt(catalog, now)).filter((event) => event.startsWith('schedule_missed'));
  const next = async (now: number) => (await scheduleFigures(catalog, now))[0]?.next;
  const now = due + lateMs;
  await become('running');
  assert.deepEqual([await told(now), await next(now)], [[], due + dayMs]);
  for (const state of ['waiting_for_tape', 'paused'] as const) {
    await become(state);
    assert.deepEqual([await told(now), await next(now)], [['schedule_missed: Schedule nightly'], due], state);
  }
});
