import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CountedSet, keptByCount } from '../../catalog/sets/kept-by-count.js';
import { SetRetention } from '../../catalog/sets/set-retention.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { requireErasable } from '../../catalog/tapes/erasable.js';
import { tapeRetention } from '../../catalog/tapes/tape-retention.js';
import { listTapes } from '../../catalog/tapes/tapes.js';
import { formatTimeIn, timeOfDay } from '../../config/local-time.js';
import {
  type KeepCounts,
  type KeepRule,
  keepRules,
  type Retentions,
} from '../../config/settings/retention.js';
import { retentionText } from '../../client/print/retention-text.js';
import { addCopy, endedSet, erase, tapeNamed } from '../support/ended-sets.js';
import { openNewCatalog } from '../support/catalogs.js';

const dayMs = 86_400_000;
const zone = 'Europe/Berlin';
const at = (time: string) => Date.parse(time);

const dayIn = new Map<number, string>();

/** The day of a time, `2026-03-02`. */
function dayOf(time: number): string {
  const day = dayIn.get(time) ?? formatTimeIn(zone, time).slice(0, 10);
  dayIn.set(time, day);
  return day;
}

/** The period of a time, told by a calendar of its own: the days since the Monday of the first week of 1970. */
function periodOf(rule: KeepRule, set: CountedSet): string {
  if (rule === 'last') return set.id;
  const day = dayOf(set.begunAt);
  if (rule === 'weekly') return String(Math.floor((at(day) / dayMs + 3) / 7));
  return day.slice(0, { daily: 10, monthly: 7, yearly: 4 }[rule]);
}

/** The rule in plain words: from the newest to the oldest, each new period is kept while there is room. */
function keptByRule(sets: CountedSet[], rule: KeepRule, count: number): string[] {
  const kept: string[] = [];
  const periods: string[] = [];
  const newestFirst = [...sets].sort((a, b) => b.begunAt - a.begunAt);
  newestFirst.forEach((set, index) => {
    if (periods.length === count) return;
    const isNew = !periods.includes(periodOf(rule, set));
    if (isNew) periods.push(periodOf(rule, set));
    const isOldest = index === sets.length - 1;
    if (isNew || isOldest) kept.push(set.id);
  });
  return kept;
}

function keptPlainly(sets: CountedSet[], counts: KeepCounts): string[] {
  const rules = keepRules.filter((rule) => counts[rule] !== undefined);
  const kept = rules.flatMap((rule) => keptByRule(sets, rule, counts[rule] ?? Infinity));
  return [...new Set(kept)].sort();
}

function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

test('what the counts keep is what the rule in plain words keeps, now and at the end of every set', () => {
  for (let seed = 1; seed <= 100; seed += 1) {
    const next = random(seed);
    const counts: KeepCounts = {};
    for (const rule of keepRules) {
      if (next(2) === 1) counts[rule] = next(6) === 0 ? null : 1 + next(6);
    }
    const hours = [1, 13, 24, 24 * 9, 24 * 40][next(5)] ?? 1;
    let begunAt = at('2025-12-01T00:00:00Z');
    const sets: CountedSet[] = [];
    for (let no = 0; no < 30; no += 1) {
      begunAt += (1 + next(hours * 2)) * 3_600_000;
      sets.push({ id: `s${String(no).padStart(2, '0')}`, begunAt, endedAt: begunAt + 1000 });
    }
    const verdicts = keptByCount(sets, counts, zone);
    for (let there = 1; there <= sets.length; there += 1) {
      const known = sets.slice(0, there);
      const now = known.at(-1)?.endedAt ?? 0;
      const kept = known.filter(({ id }) => (verdicts.get(id)?.until ?? 0) > now).map(({ id }) => id);
      assert.deepEqual(
        kept,
        keptPlainly(known, counts),
        `seed ${seed}, ${there} sets, ${JSON.stringify(counts)}`,
      );
    }
    const withReason = sets.map(({ id }) => id).filter((id) => (verdicts.get(id)?.by.length ?? 0) > 0);
    assert.deepEqual(withReason, keptPlainly(sets, counts));
  }
});

test('a period is one of the time zone, and a week that of its Thursday', () => {
  const counts: KeepCounts = { daily: null, weekly: null, monthly: null, yearly: null };
  const set = (time: string) => ({ id: time, begunAt: at(time), endedAt: at(time) });
  const periods = (time: string) =>
    keptByCount([set(time)], counts, zone)
      .get(time)
      ?.by.map(({ period }) => period);
  assert.deepEqual(periods('2025-12-31T23:30:00Z'), ['2026-01-01', '2026-W01', '2026-01', '2026']);
  assert.deepEqual(periods('2027-01-02T12:00:00Z'), ['2027-01-02', '2026-W53', '2027-01', '2027']);
  assert.deepEqual(periods('2025-12-29T12:00:00Z'), ['2025-12-29', '2026-W01', '2025-12', '2025']);
});

const byCount = (counts: KeepCounts, seconds: number | null = null): Retentions => ({
  ...{ pools: {}, otherwise: seconds },
  keep: { zone, pools: {}, otherwise: { counts, alone: seconds === null } },
});

test('what the time or the counts keep is kept, and sets of other trees have counts of their own', async (t) => {
  const catalog = await openNewCatalog(t);
  const end = (day: number) => at('2026-03-01T12:00:00Z') + day * dayMs;
  const made = (day: number, facts: object = {}) =>
    endedSet(catalog, { begun: end(day), end: end(day), tapes: [`D${day}`], ...facts });
  const days: string[] = [];
  for (const day of [0, 1, 2]) days.push(await made(day));
  const other = await made(0, { sources: ['/other'], tapes: ['O'] });
  const counts = { last: 2 };
  const expired = async (retentions: Retentions, now: number) => {
    const keeping = await SetRetention.of(catalog, retentions);
    return [...days, other].map((id) => keeping.expires(id) <= now);
  };
  assert.deepEqual(await expired(byCount(counts), end(2)), [true, false, false, false]);
  assert.deepEqual(await expired(byCount(counts, 3 * 86_400), end(2)), [false, false, false, false]);
  assert.deepEqual(await expired(byCount(counts, 3 * 86_400), end(3)), [true, false, false, false]);
  const own = { ...byCount(counts), pools: { default: 86_400 } };
  assert.deepEqual(
    await expired(own, end(9)),
    [true, true, true, true],
    'a named pool has no counts but its own',
  );

  const first = await tapeRetention(
    catalog,
    await tapeNamed(catalog, 'D0'),
    await SetRetention.of(catalog, byCount(counts)),
    end(2),
  );
  assert.deepEqual([first.isRecyclable, first.until], [true, end(2)], 'since the second newer one had ended');
  const kept = await tapeRetention(
    catalog,
    await tapeNamed(catalog, 'D1'),
    await SetRetention.of(catalog, byCount({ ...counts, monthly: 1 }, 86_400 * 3)),
    end(2),
  );
  assert.match(retentionText(kept, end(2)), /^kept: one of the last; at least until 2026-03-05/);
  assert.throws(
    () => requireErasable(kept, false, end(2)),
    new RegExp(`set ${days[1]}, which is kept \\(one of the`),
  );
});

test('what is not whole does not replace another set, and a set that failed is kept until a later one is done', async (t) => {
  const catalog = await openNewCatalog(t);
  const end = (day: number) => at('2026-03-01T12:00:00Z') + day * dayMs;
  const made = (day: number, facts: object = {}) =>
    endedSet(catalog, { begun: end(day), end: end(day), tapes: [`D${day}`], ...facts });
  const whole = await made(0);
  const damaged = await made(1);
  const alive = async () => {
    const keeping = await SetRetention.of(catalog, byCount({ last: 1 }));
    return [whole, damaged].map((id) => keeping.expires(id) > end(9));
  };
  assert.deepEqual(await alive(), [false, true]);
  await catalog.updateTable('copies').set({ damage: 'bad' }).where('set_id', '=', damaged).execute();
  assert.deepEqual(await alive(), [true, true]);
  await addCopy(catalog, damaged, 1, 'E', 'default', 2);
  assert.deepEqual(await alive(), [false, true], 'another tape of the pool has it intact');

  const failed = await made(2, { state: 'failed' });
  const keeping = async () => SetRetention.of(catalog, byCount({ last: 1 }));
  assert.equal((await keeping()).expires(failed), Infinity);
  assert.equal((await keeping()).countedReasons(failed)[0]?.rule, 'unreplaced');
  assert.equal((await keeping()).expires(damaged), Infinity, 'it is still the newest that succeeded');
  await made(3);
  assert.deepEqual([(await keeping()).expires(failed), (await keeping()).expires(damaged)], [end(3), end(3)]);
});

test('over a year, tapes come back, and every set that the counts keep can be restored', async (t) => {
  const catalog = await openNewCatalog(t);
  const counts: KeepCounts = { daily: 7, weekly: 4, monthly: 12, yearly: null };
  const retentions = byCount(counts);
  const sets: CountedSet[] = [];
  const start = at('2024-11-04T22:30:00Z');
  let erased = 0;
  for (let no = 0; no < 110; no += 1) {
    // A full set every second week, and in between one on each Monday and Thursday; a tape for each chain.
    const begunAt = start + (Math.floor(no / 2) * 7 + (no % 2) * 3) * dayMs;
    const tapes = [`W${Math.floor(no / 4)}`];
    const mode = no % 4 === 0 ? 'full' : 'incremental';
    const id = await endedSet(catalog, { mode, begun: begunAt, end: begunAt + 3_600_000, tapes });
    sets.push({ id, begunAt, endedAt: begunAt + 3_600_000 });
    if (no % 4 !== 3) continue;
    const now = begunAt + 7_200_000;
    const keeping = await SetRetention.of(catalog, retentions);
    const kept = sets.filter((set) => keeping.expires(set.id) > now).map((set) => set.id);
    assert.deepEqual(kept, keptPlainly(sets, counts), timeOfDay(now));
    for (const tape of await listTapes(catalog)) {
      if (!(await tapeRetention(catalog, tape, keeping, now)).isRecyclable) continue;
      await erase(catalog, tape.name, { retentions });
      erased += 1;
    }
  }
  const kept = keptPlainly(sets, counts);
  assert.ok(kept.length <= 7 + 4 + 12 + 3, String(kept.length));
  assert.ok(erased > 10, `${erased} tapes came back`);
  for (const id of kept) {
    for (let needed: string | null = id; needed !== null;) {
      const set = await setNamed(catalog, needed);
      assert.deepEqual([set.state, set.erased_at], ['completed', null], `${id} needs ${needed}`);
      needed = set.base_id;
    }
  }
});
