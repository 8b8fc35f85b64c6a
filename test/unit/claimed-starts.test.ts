import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claimStart, claimStep, endSteps } from '../../catalog/server/claimed-starts.js';
import { requestRun, insertSchedule, pauseSchedule } from '../../catalog/server/schedules.js';
import { cronMatches } from '../../config/cron-times.js';
import { openNewCatalog } from '../support/catalogs.js';

const dayMs = 86_400_000;

test('a time is one of a cron expression in its zone, by all five fields', () => {
  const at = (text: string) => Date.parse(text);
  assert.ok(cronMatches('30 2 * * *', 'UTC', at('2026-11-28T02:30:00Z')));
  assert.ok(!cronMatches('30 2 * * *', 'UTC', at('2026-11-28T02:31:00Z')));
  assert.ok(cronMatches('30 2 * * *', 'Europe/Berlin', at('2026-11-28T01:30:00Z')), 'in winter');
  assert.ok(cronMatches('30 2 * * *', 'Europe/Berlin', at('2026-07-28T00:30:00Z')), 'in summer');
  assert.ok(cronMatches('*/15 0 * * sat', 'UTC', at('2026-11-28T00:45:00Z')));
  assert.ok(!cronMatches('*/15 0 * * fri', 'UTC', at('2026-11-28T00:45:00Z')));
  assert.ok(cronMatches('0 0 29 nov 7', 'UTC', at('2026-11-29T00:00:00Z')), 'Sunday is 7 too');
  assert.ok(!cronMatches('0 0 28 11 7', 'UTC', at('2026-11-28T00:00:00Z')), 'day and weekday');
});

test('a start counts for one run, and a scheduled one at its times, in their order', async (t) => {
  const catalog = await openNewCatalog(t);
  const now = Date.now();
  const claim = { workflowId: 'w', runId: 'r1', at: now, once: 'a' };
  assert.equal(await claimStart(catalog, claim), null);
  assert.equal(await claimStart(catalog, claim), null, 'the step was repeated');
  assert.equal(await claimStart(catalog, { ...claim, runId: 'r2' }), 'it was used before');
  assert.equal(await claimStart(catalog, { ...claim, once: 'b', at: now - 31 * dayMs }), 'it is too old');
  assert.equal(
    await claimStart(catalog, { ...claim, once: 'c', at: now + dayMs }),
    'it is dated in the future',
  );
  // What is forgotten is too old to count again.
  const later = now + 29 * dayMs;
  assert.equal(await claimStart(catalog, { ...claim, once: 'd', at: later }, later), null);
  assert.equal(await claimStart(catalog, { ...claim, runId: 'r2' }, later), 'it was used before');
  const muchLater = now + 40 * dayMs;
  assert.equal(await claimStart(catalog, { ...claim, once: 'e', at: muchLater }, muchLater), null);
  assert.equal(await claimStart(catalog, { ...claim, runId: 'r2' }, muchLater), 'it is too old');

  const schedule = { name: 'hourly', cron: '0 * * * *', zone: 'UTC', command: 'backup', arguments: '{}' };
  const hourMs = 3_600_000;
  const hour = Math.ceil(now / hourMs) * hourMs;
  const run = (at: number, name = 'hourly') => ({
    workflowId: `s-${at}`,
    runId: `r${at}`,
    at,
    schedule: name,
  });
  await insertSchedule(catalog, schedule, { replace: false });
  const at = async (time: number, name?: string) => {
    const refusal = await claimStart(catalog, run(time, name), time + 1000);
    return typeof refusal === 'string' ? refusal : null;
  };
  assert.match((await at(hour - hourMs)) ?? '', /that time has passed/, 'before it was made');
  assert.equal(await at(hour + hourMs), null);
  assert.equal(await at(hour + hourMs), null, 'the step was repeated');
  assert.match((await at(hour)) ?? '', /that time has passed/, 'another is filled in');
  assert.match((await at(hour + hourMs + 60_000)) ?? '', /not due then/);
  assert.match((await at(hour + 2 * hourMs, 'other')) ?? '', /no such schedule/);
  await requestRun(catalog, 'hourly');
  await catalog
    .updateTable('schedules')
    .set({ run_asked_at: hour + hourMs + 120_500 })
    .execute();
  assert.equal(await at(hour + hourMs + 120_000), null, 'a command has asked');
  assert.match((await at(hour + hourMs + 121_000)) ?? '', /not due then/, 'for one run');
  assert.equal(await at(hour + 2 * hourMs), null);
});

test('a run of a paused schedule does not count, as when a server catches up that was away, unless a command asks', async (t) => {
  const catalog = await openNewCatalog(t);
  const schedule = { name: 'hourly', cron: '0 * * * *', zone: 'UTC', command: 'backup', arguments: '{}' };
  await insertSchedule(catalog, schedule, { replace: false });
  const hourMs = 3_600_000;
  const hour = Math.ceil(Date.now() / hourMs) * hourMs;
  const claim = (at: number) =>
    claimStart(catalog, { workflowId: `s-${at}`, runId: 'r', at, schedule: 'hourly' }, at + 1000);
  await pauseSchedule(catalog, 'hourly', true);
  assert.deepEqual(await claim(hour), { isPaused: 'the schedule hourly is paused' });
  await catalog.updateTable('schedules').set({ run_asked_at: hour }).execute();
  assert.equal(await claim(hour), null, 'a command has asked');
  await pauseSchedule(catalog, 'hourly', false);
  assert.equal(await claim(hour + hourMs), null);
});

test('a step that is done once counts for one attempt of a run that was begun within a day, until its command has ended', async (t) => {
  const catalog = await openNewCatalog(t);
  const now = Date.now();
  const run = { workflowId: 'w', runId: 'r' };
  const step = { ...run, activityType: 'labelLoadedTape', by: '1' };
  const tooLong = 'it was requested too long ago';
  assert.equal(await claimStep(catalog, step, now), tooLong, 'its start was not claimed');
  assert.equal(await claimStart(catalog, { ...run, at: now, once: 'a' }, now), null);
  assert.equal(await claimStep(catalog, { ...step, runId: 'other' }, now), tooLong);
  assert.equal(await claimStep(catalog, step, now + dayMs + 1), tooLong);
  assert.equal(await claimStep(catalog, step, now), null);
  assert.equal(
    await claimStep(catalog, step, now),
    null,
    'the catalog was busy, and the same attempt asks again',
  );
  assert.equal(await claimStep(catalog, { ...step, by: '2' }, now), 'it was done before');
  assert.equal(await claimStep(catalog, { ...step, activityType: 'eraseLoadedTape', by: '3' }, now), null);

  // What was forgotten counts no more either.
  const muchLater = now + 40 * dayMs;
  assert.equal(await claimStart(catalog, { ...run, runId: 'r2', at: muchLater, once: 'b' }, muchLater), null);
  assert.equal(await claimStep(catalog, { ...step, by: '4' }, muchLater), tooLong);

  await endSteps(catalog, 'w');
  await endSteps(catalog, 'w');
  const held = { ...step, runId: 'r2', by: '5' };
  assert.equal(await claimStep(catalog, held, muchLater), 'the command that asked has ended');
});

test('a command that is interrupted is told whether its step has begun, which is not called off then', async (t) => {
  const catalog = await openNewCatalog(t);
  const at = Date.now();
  for (const [workflowId, isBegun] of [
    ['waits', false],
    ['begun', true],
  ] as const) {
    const run = { workflowId, runId: 'r' };
    assert.equal(await claimStart(catalog, { ...run, at, once: workflowId }), null);
    const step = { ...run, activityType: 'eraseLoadedTape', by: '1' };
    if (isBegun) assert.equal(await claimStep(catalog, step), null);
    assert.equal(await endSteps(catalog, workflowId), isBegun);
    assert.equal(await claimStep(catalog, step), 'the command that asked has ended');
  }
});
