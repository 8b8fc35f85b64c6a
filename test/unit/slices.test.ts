import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Catalog } from '../../catalog/open-catalog.js';
import { planSlice } from '../../catalog/retrievals/plan/plan-slice.js';
import { pendingArchives, retrievalNamed } from '../../catalog/retrievals/retrievals.js';
import { openRepairOf } from '../../catalog/retrievals/slice-repair.js';
import {
  awaySentence,
  dropPending,
  openSlice,
  overdueFailure,
  sliceOf,
} from '../../catalog/retrievals/slices.js';
import { addCopy, ended, endedSet, tapeNamed } from '../support/ended-sets.js';
import { openNewCatalog } from '../support/catalogs.js';

const day = 86_400;
const dayMs = day * 1000;
const year = { within: 365 * day, text: '1y' };
const drives = { drive: 'lto1', any_drive: 0 };

/** Sets on tape T, one archive each, that were written or read so many days ago; undefined: never read. */
async function tapeOf(
  catalog: Catalog,
  tape: string,
  days: { written: number; read?: number }[],
  now: number,
) {
  const ids: string[] = [];
  for (const { written, read } of days) {
    const id = await endedSet(catalog, { tapes: [tape] });
    await catalog
      .updateTable('copies')
      .set({
        committed_at: now - written * dayMs,
        verified_at: read === undefined ? null : now - read * dayMs,
      })
      .where('set_id', '=', id)
      .execute();
    ids.push(id);
  }
  return ids;
}

test('a slice takes what is due: never read first, then what was read longest ago, on the tapes at hand', async (t) => {
  const catalog = await openNewCatalog(t);
  const now = ended + 1000 * dayMs;
  const on = await tapeOf(
    catalog,
    'T',
    [
      { written: 900, read: 500 },
      { written: 300 },
      { written: 900, read: 400 },
      { written: 400 },
      { written: 900, read: 200 },
      { written: 100 },
    ],
    now,
  );
  await tapeOf(catalog, 'U', [{ written: 300 }, { written: 370 }], now);
  await tapeOf(catalog, 'V', [{ written: 10 }], now);
  const loaded = [(await tapeNamed(catalog, 'T')).uuid];
  const plan = (bytes?: number) => planSlice(catalog, { within: year.within, bytes }, loaded, now);
  const all = await plan();
  assert.deepEqual(
    all.archives.map(({ setId }) => on.indexOf(setId)),
    [3, 1, 0, 2],
  );
  assert.deepEqual(
    all.away.map(({ name, archives, overdue }) => [name, archives, overdue]),
    [['U', 2, 1]],
  );
  assert.match(awaySentence(all.away) ?? '', /^Due, and in no drive: U \(2 archives, /);
  assert.match(
    overdueFailure(all.away, '1y')?.message ?? '',
    /^1 archive was not read for 1y, and no tape with them is in a drive: U\.$/,
  );
  assert.deepEqual([(await plan(15)).archives.length, (await plan(1)).archives.length], [2, 1]);
  const { archives, away } = await planSlice(catalog, { within: year.within, bytes: undefined }, [], now);
  assert.deepEqual([archives.length, away.map(({ name }) => name)], [0, ['T', 'U']]);
});

test('a slice is continued while it is unfinished, and what its time leaves is left to the next', async (t) => {
  const catalog = await openNewCatalog(t);
  await tapeOf(catalog, 'T', [{ written: 400 }, { written: 390 }], Date.now());
  const loaded = async () => [(await tapeNamed(catalog, 'T')).uuid];
  const open = () => openSlice(catalog, { ...year, seconds: 3600 }, drives, loaded);
  const { row, attached } = await open();
  assert.ok(row !== undefined);
  assert.equal(attached, false);
  const { until } = sliceOf(row) ?? {};
  assert.ok(until !== null && until !== undefined && until > Date.now() + 3_500_000);
  assert.deepEqual(
    [(await open()).row?.id, (await open()).attached, (await pendingArchives(catalog, row.id, 9)).length],
    [row.id, true, 2],
  );
  await dropPending(catalog, row.id);
  assert.equal((await pendingArchives(catalog, row.id, 9)).length, 0);
  await catalog.updateTable('retrievals').set({ state: 'completed' }).execute();
  assert.notEqual((await open()).row?.id, row.id);
});

test('a few damaged archives of a slice are written again, but not many: that is rather the drive', async (t) => {
  const catalog = await openNewCatalog(t);
  const ids = await tapeOf(
    catalog,
    'T',
    Array.from({ length: 5 }, () => ({ written: 400 })),
    Date.now(),
  );
  for (const id of ids) await addCopy(catalog, id, 1, 'V', 'vault', 2);
  const loaded = async () => [(await tapeNamed(catalog, 'T')).uuid];
  const { row } = await openSlice(catalog, { ...year, repair: true }, drives, loaded);
  const id = row?.id ?? '';
  await catalog.updateTable('retrieval_archives').set({ state: 'failed' }).execute();
  const damage = (count: number) =>
    catalog
      .updateTable('copies')
      .set({ damage: 'bad' })
      .where('copy_no', '=', 1)
      .where('set_id', 'in', ids.slice(0, count))
      .execute();
  await damage(5);
  const verify = await retrievalNamed(catalog, id);
  const refused = await openRepairOf(catalog, verify, []);
  assert.equal(refused.row, undefined);
  assert.match(
    refused.problems[0]?.reason ?? '',
    /^5 of 5 archives read are damaged, so that it may be the drive/,
  );
  await catalog.updateTable('copies').set({ damage: null }).execute();
  await damage(2);
  const repair = await openRepairOf(catalog, verify, []);
  const pending = await pendingArchives(catalog, repair.row?.id ?? '', 9);
  assert.deepEqual(
    pending.map((one) => [one.set_id, one.copy_no, one.to_pool]),
    ids.slice(0, 2).map((set) => [set, 2, 'default']),
  );
  assert.equal((await openRepairOf(catalog, verify, [])).row?.id, repair.row?.id, 'it is continued');
});

test('in slices of a few archives a day, on the tape of that day alone, each is read in time and none much too often', async (t) => {
  const catalog = await openNewCatalog(t);
  const within = 60 * day;
  const tapes = ['T', 'U', 'V', 'W'];
  for (const tape of tapes)
    await tapeOf(
      catalog,
      tape,
      Array.from({ length: 5 }, () => ({ written: 0 })),
      ended,
    );
  const uuids = await Promise.all(tapes.map(async (tape) => (await tapeNamed(catalog, tape)).uuid));
  const reads = new Map<string, number>();
  for (let today = 1; today <= 180; today += 1) {
    const now = ended + today * dayMs;
    const loaded = [uuids[today % tapes.length] ?? ''];
    const { archives } = await planSlice(catalog, { within, bytes: 14 }, loaded, now);
    assert.ok(archives.length <= 2);
    for (const { setId } of archives) {
      reads.set(setId, (reads.get(setId) ?? 0) + 1);
      await catalog.updateTable('copies').set({ verified_at: now }).where('set_id', '=', setId).execute();
    }
    const { away } = await planSlice(catalog, { within, bytes: 14 }, [], now);
    assert.equal(overdueFailure(away, '60d'), undefined, `day ${today}`);
  }
  assert.deepEqual([reads.size, Math.min(...reads.values())], [20, 3]);
  assert.ok(Math.max(...reads.values()) <= 4);
});
