import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cronMatches, cronTimesOn, runsOften } from '../../config/cron-times.js';
import { clockChanges, datesOfChanges } from '../../config/time-zone.js';
import { isToldRight, scheduleSpec } from '../../workers/starts/schedule-spec.js';

const berlin = 'Europe/Berlin';
const at = (text: string) => Date.parse(`${text}Z`);
const times = (cron: string, zone: string, year: number, month: number, day: number) =>
  cronTimesOn(cron, zone, { year, month, day }).map((ms) => new Date(ms).toISOString().slice(0, 16));

test('a time that the clocks skip comes as late as if they had not been changed, and one that comes twice is the first', () => {
  assert.deepEqual(times('30 2 28 3 *', berlin, 2027, 3, 28), ['2027-03-28T01:30'], '03:30 in summer');
  assert.deepEqual(times('30 2 * * *', berlin, 2027, 3, 27), ['2027-03-27T01:30']);
  assert.deepEqual(times('30 2 * * *', berlin, 2027, 3, 29), ['2027-03-29T00:30']);
  assert.deepEqual(times('0 2 * * *', berlin, 2027, 3, 28), ['2027-03-28T01:00'], 'the first minute skipped');
  assert.deepEqual(times('59 1 * * *', berlin, 2027, 3, 28), ['2027-03-28T00:59'], 'the last minute before');
  assert.deepEqual(times('30 2,3 * * *', berlin, 2027, 3, 28), ['2027-03-28T01:30'], 'both at once: one run');
  assert.deepEqual(times('30 2 * * *', berlin, 2027, 10, 31), ['2027-10-31T00:30']);
  assert.deepEqual(times('*/30 2 31 10 *', berlin, 2027, 10, 31), ['2027-10-31T00:00', '2027-10-31T00:30']);
  assert.deepEqual(times('30 1 * * *', 'America/New_York', 2027, 11, 7), ['2027-11-07T05:30']);
  assert.deepEqual(
    times('10 2 * * *', 'Australia/Lord_Howe', 2027, 10, 3),
    ['2027-10-02T15:40'],
    'half an hour',
  );
  assert.deepEqual(times('30 0 * * fri', 'Africa/Cairo', 2027, 4, 30), ['2027-04-29T22:30'], 'at midnight');
  assert.deepEqual(times('30 2 * * mon', berlin, 2027, 3, 28), [], 'a Sunday');
  assert.deepEqual(times('30 2 * * 7', berlin, 2027, 3, 28), ['2027-03-28T01:30'], 'Sunday is 7 too');
  assert.deepEqual(times('30 2 * * *', 'UTC', 2027, 3, 28), ['2027-03-28T02:30']);
});

test('the clock changes of a zone are found to the minute, with the dates that they touch', () => {
  const year = (zone: string) =>
    clockChanges(zone, at('2027-01-01T00:00'), at('2028-01-01T00:00')).map(({ at: time, before, after }) => [
      new Date(time).toISOString(),
      (after - before) / 60_000,
    ]);
  assert.deepEqual(year(berlin), [
    ['2027-03-28T01:00:00.000Z', 60],
    ['2027-10-31T01:00:00.000Z', -60],
  ]);
  assert.deepEqual(year('Australia/Lord_Howe'), [
    ['2027-04-03T15:00:00.000Z', -30],
    ['2027-10-02T15:30:00.000Z', 30],
  ]);
  assert.deepEqual(year('UTC'), []);
  // The last hour of Thursday comes twice, and the first one of Friday is left out.
  assert.deepEqual(datesOfChanges('Africa/Cairo', at('2027-01-01T00:00'), at('2028-01-01T00:00')), [
    { year: 2027, month: 4, day: 30 },
    { year: 2027, month: 10, day: 28 },
  ]);
});

test('a run counts when it is due: in a skipped hour later, in one that comes twice once, unless it runs all day', () => {
  assert.ok(cronMatches('30 2 * * *', berlin, at('2027-03-28T01:30:01')));
  assert.ok(cronMatches('30 2 * * *', berlin, at('2027-10-31T00:30')));
  assert.ok(!cronMatches('30 2 * * *', berlin, at('2027-10-31T01:30')), 'the second time');
  assert.ok(!cronMatches('30 2 * * *', berlin, at('2027-03-28T00:30')), '01:30');
  assert.ok(cronMatches('45 23 * * *', 'America/Nuuk', at('2027-03-28T01:45')), 'skipped before midnight');
  assert.ok(runsOften('*/15 * * * *'));
  assert.ok(runsOften('*/20 0-22 * * *'));
  assert.ok(!runsOften('*/10 0-6 * * *'));
  assert.ok(cronMatches('*/30 * * * *', berlin, at('2027-10-31T00:30')));
  assert.ok(cronMatches('*/30 * * * *', berlin, at('2027-10-31T01:30')));
});

test('the server is told the times of the dates of clock changes, for three years, and anew in time', () => {
  const now = at('2026-11-28T12:00');
  const { spec, clocks } = scheduleSpec('30 2 * * *', berlin, now);
  assert.deepEqual(spec.cronExpressions, ['30 2 * * *']);
  assert.equal(spec.intervals?.length, 6);
  const [first] = spec.intervals;
  assert.equal(Number(first?.every) + Number(first?.offset), at('2027-03-28T01:30:01'));
  assert.deepEqual(spec.skip?.[0], {
    ...{ year: 2027, month: 'MARCH', dayOfMonth: 28 },
    ...{ hour: '*', minute: '*', second: 0 },
  });
  const told = (when: string, cron = '30 2 * * *') => isToldRight(cron, berlin, clocks, at(when));
  assert.ok(told('2026-11-28T12:00'));
  assert.ok(told('2028-11-01T00:00'));
  assert.ok(!told('2029-06-01T00:00'), 'the change of 2030 is missing');
  assert.ok(!told('2026-11-28T12:00', '30 3 * * *'), 'other times');
  assert.ok(!isToldRight('30 2 * * *', berlin, undefined, now), 'a schedule of before');
  for (const [cron, zone] of [
    ['30 2 * * *', 'UTC'],
    ['*/30 * * * *', berlin],
    ['30 2 1 1 *', berlin],
  ] as const) {
    const plain = scheduleSpec(cron, zone, now);
    assert.deepEqual([plain.spec.intervals, plain.spec.skip], [[], []], `${cron} in ${zone}`);
    assert.ok(isToldRight(cron, zone, undefined, now), `${cron} in ${zone}`);
  }
});
