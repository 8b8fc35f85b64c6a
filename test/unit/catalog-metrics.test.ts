import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Catalog } from '../../catalog/open-catalog.js';
import { insertSchedule, pauseSchedule, recordRun, recordRunEnd } from '../../catalog/server/schedules.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { recordSetState } from '../../catalog/sets/set-states.js';
import { insertTape } from '../../catalog/tapes/tapes.js';
import { CatalogReader } from '../../workers/metrics/catalog-figures.js';
import { catalogExposition } from '../../workers/metrics/catalog-metrics.js';
import { openNewCatalog } from '../support/catalogs.js';
import { samplesOf } from '../support/prometheus.js';
import { tapeRow } from '../support/tape-rows.js';

const hour = 3_600_000;

async function figures(catalog: Catalog, now = Date.now(), reader = new CatalogReader(catalog, 1000)) {
  return samplesOf(await catalogExposition(await reader.read(now)));
}

async function newSet(catalog: Catalog, source: string): Promise<string> {
  const wanted = {
    sources: [source],
    excludes: [],
    pool: 'monthly',
    drive: 'lto1',
    mode: 'full',
    options: {},
  };
  return (await openSet(catalog, { ...wanted, direct: false }, { fresh: true })).set.id;
}

/** Groups of a set, of 100 bytes each, one in each of the states. */
async function groupsIn(
  catalog: Catalog,
  setId: string,
  states: readonly ('failed' | 'queued')[],
): Promise<void> {
  for (const [at, state] of states.entries()) {
    const path = Buffer.of(at);
    const row = { bytes: 100, entries: 1, direct: 0, reserved: state === 'queued' ? 70 : 0 };
    await catalog
      .insertInto('groups')
      .values({ set_id: setId, no: at + 1, state, ...row, first_path: path, last_path: path })
      .execute();
  }
}

test('a set that waits for a tape counts from the moment it began to wait, whatever its reasons were since', async (t) => {
  const catalog = await openNewCatalog(t);
  const setId = await newSet(catalog, '/srv');
  await recordSetState(catalog, setId, 'waiting_for_tape', 'no tape');
  await recordSetState(catalog, setId, 'running', null);
  await recordSetState(catalog, setId, 'waiting_for_tape', 'no tape');
  await recordSetState(catalog, setId, 'waiting_for_tape', 'another tape');
  const events = await catalog.selectFrom('events').select(['id', 'stage']).orderBy('id').execute();
  const waits = events.filter(({ stage }) => stage === 'waiting_for_tape');
  const now = Date.now();
  for (const [at, { id }] of waits.entries())
    await catalog
      .updateTable('events')
      .set({ at: now - (10 - at) * hour })
      .where('id', '=', id)
      .execute();
  const labels = '{kind="backup",awaits="tape",drive="lto1",pool="monthly"}';
  const seen = await figures(catalog, now);
  assert.equal(seen.get(`tapeflow_waiting_seconds${labels}`), 9 * 3600);
  assert.equal(seen.get(`tapeflow_waiting${labels}`), 1);
  assert.equal(seen.get('tapeflow_sets{state="waiting_for_tape"}'), 1);
  assert.equal(seen.get('tapeflow_sets{state="failed"}'), 0);
});

test('parked groups are those of sets that failed or go on; staging is what the budget counts', async (t) => {
  const catalog = await openNewCatalog(t);
  await groupsIn(catalog, await newSet(catalog, '/a'), ['failed', 'queued', 'queued']);
  const failed = await newSet(catalog, '/b');
  await groupsIn(catalog, failed, ['failed']);
  await recordSetState(catalog, failed, 'failed', 'a group is lost');
  const cancelled = await newSet(catalog, '/c');
  await groupsIn(catalog, cancelled, ['failed', 'queued']);
  await recordSetState(catalog, cancelled, 'cancelled', null);
  const seen = await figures(catalog);
  assert.equal(seen.get('tapeflow_groups{state="parked"}'), 2);
  assert.equal(seen.get('tapeflow_groups{state="queued"}'), 2);
  assert.equal(seen.get('tapeflow_groups_bytes{state="queued"}'), 200);
  assert.equal(seen.get('tapeflow_staging_used_bytes'), 140);
  assert.equal(seen.get('tapeflow_staging_budget_bytes'), 1000);
});

test('a tree is as old as its newest good set, and says whether a schedule backs it up', async (t) => {
  const catalog = await openNewCatalog(t);
  for (const [source, state] of [
    ['/srv', 'completed_with_skips'],
    ['/srv', 'failed'],
    ['/once', 'completed'],
  ] as const)
    await recordSetState(catalog, await newSet(catalog, source), state, null);
  const work = JSON.stringify({ sources: ['/srv'], excludes: [], drive: 'lto1', pool: 'p', mode: 'full' });
  const nightly = {
    name: 'nightly',
    cron: '30 2 * * *',
    zone: 'UTC',
    command: 'backup /srv',
    arguments: work,
  };
  await insertSchedule(catalog, nightly, { replace: false });
  const seen = await figures(catalog);
  const [good] = await catalog
    .selectFrom('sets')
    .select('created_at')
    .where('state', '=', 'completed_with_skips')
    .execute();
  const age = 'tapeflow_tree_last_success_timestamp_seconds{host="",sources=';
  assert.equal(seen.get(`${age}"/srv",scheduled="true"}`), (good?.created_at ?? 0) / 1000);
  assert.ok((seen.get(`${age}"/once",scheduled="false"}`) ?? 0) > 0);
});

test('sources that make too long a label are told apart all the same', async (t) => {
  const catalog = await openNewCatalog(t);
  for (const end of ['a', 'b'])
    await recordSetState(catalog, await newSet(catalog, `/${'x'.repeat(300)}${end}`), 'completed', null);
  const trees = [...(await figures(catalog)).keys()].filter((name) => name.startsWith('tapeflow_tree_'));
  assert.equal(trees.length, 2);
  for (const name of trees) assert.ok(/sources="(.*?)"/.exec(name)?.[1]?.length === 200, name);
});

test('a schedule that did not run has missed a time; not one that is paused, was paused, or whose run still goes on', async (t) => {
  const catalog = await openNewCatalog(t);
  const work = JSON.stringify({ kind: 'verify', drive: 'lto1', any_drive: 1, percent: 5, subject: {} });
  const check = { name: 'check', cron: '0 * * * *', zone: 'UTC', command: 'verify', arguments: work };
  await insertSchedule(catalog, check, { replace: false });
  const made = Date.UTC(2030, 0, 1, 0, 30);
  await catalog.updateTable('schedules').set({ created_at: made }).execute();
  const next = 'tapeflow_schedule_next_run_timestamp_seconds{schedule="check"}';
  const paused = 'tapeflow_schedule_paused{schedule="check"}';
  const failed = 'tapeflow_schedule_last_run_failed{schedule="check"}';
  const reader = new CatalogReader(catalog, 1000);
  const at = async (hours: number) => figures(catalog, made + hours * hour, reader);

  assert.equal((await at(0)).get(next), (made + hour / 2) / 1000, 'it is due in half an hour');
  assert.equal((await at(5)).get(next), (made + hour / 2) / 1000, 'it was due, and has missed it');

  await pauseSchedule(catalog, 'check', true);
  const seen = await at(6);
  assert.deepEqual([seen.get(next), seen.get(paused)], [undefined, 1]);
  await pauseSchedule(catalog, 'check', false);
  await catalog
    .updateTable('schedules')
    .set({ resumed_at: made + 6.1 * hour })
    .execute();
  assert.equal((await at(6.2)).get(next), (made + 6.5 * hour) / 1000, 'what passed meanwhile was not missed');

  await recordRun(catalog, 'check', made + 6.5 * hour);
  assert.equal((await at(9)).get(next), (made + 9.5 * hour) / 1000, 'a run goes on');
  assert.equal((await at(9)).get(failed), 0);
  await recordRunEnd(catalog, 'check', made + 6.5 * hour, 'no set to read');
  assert.equal((await at(9)).get(failed), 1);
  assert.equal((await at(9)).get(next), (made + 7.5 * hour) / 1000);
});

test('tapes and copies count by pool: what was never read back, what is damaged, and the oldest proof', async (t) => {
  const catalog = await openNewCatalog(t);
  const setId = await newSet(catalog, '/srv');
  await groupsIn(catalog, setId, ['queued', 'queued', 'queued', 'queued']);
  const room = { capacity: 1000, free: 250 };
  await insertTape(catalog, { ...tapeRow('u1', 'A1', 'monthly'), ...room });
  await insertTape(catalog, { ...tapeRow('u2', 'A2', 'monthly'), ...room });
  await insertTape(catalog, { ...tapeRow('u3', 'A3', 'monthly'), ...room, state: 'suspect' });
  const copies = [
    { state: 'committed', committed_at: 5000, verified_at: null, damage: null },
    { state: 'committed', committed_at: 1000, verified_at: 9000, damage: null },
    { state: 'committed', committed_at: 2000, verified_at: 7000, damage: 'its hash is another one' },
    { state: 'lost', committed_at: 1, verified_at: null, damage: null },
  ] as const;
  for (const [at, copy] of copies.entries())
    await catalog
      .insertInto('copies')
      .values({ set_id: setId, group_no: at + 1, copy_no: 1, tape_uuid: 'u1', token: 't', ...copy })
      .execute();
  const seen = await figures(catalog);
  const of = (name: string) => seen.get(`tapeflow_${name}`);
  assert.equal(of('tapes{pool="monthly",state="usable"}'), 2);
  assert.equal(of('tapes{pool="monthly",state="suspect"}'), 1);
  assert.equal(of('tapes_capacity_bytes{pool="monthly",state="usable"}'), 2000);
  assert.equal(of('tapes_free_bytes{pool="monthly",state="usable"}'), 500);
  assert.equal(of('copies{pool="monthly"}'), 3);
  assert.equal(of('copies_never_verified{pool="monthly"}'), 1);
  assert.equal(of('copies_damaged{pool="monthly"}'), 1);
  assert.equal(of('copies_oldest_proof_timestamp_seconds{pool="monthly"}'), 5);
});
