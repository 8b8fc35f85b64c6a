import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timeOfDay } from '../../config/local-time.js';
import { stepOf, type PendingActivity } from '../../workers/server/pending-steps.js';

const now = 1_700_000_000_000;
const at = (ms: number) => ({ seconds: Math.floor((now + ms) / 1000), nanos: 0 });
const clock = (ms: number) => timeOfDay(now + ms, now);

function pending(more: Partial<PendingActivity>): PendingActivity {
  return {
    ...{ activityType: { name: 'writeToTape' }, state: 2, attempt: 1 },
    ...{ lastStartedTime: at(-300_000), activityOptions: { heartbeatTimeout: { seconds: 30 } } },
    heartbeatDetails: { payloads: [{ data: Buffer.from('{"step":"writing","group":7}') }] },
    ...more,
  };
}

test('a step whose worker beats says what it does, and nothing of its worker', () => {
  const step = stepOf(pending({ lastHeartbeatTime: at(-2000) }), now);
  assert.deepEqual(step.details, { step: 'writing', group: 7 });
});

test('a step whose worker is silent says since when, and when it is tried again', () => {
  const { details } = stepOf(pending({ lastHeartbeatTime: at(-20_000) }), now);
  assert.equal(details.stuck, true);
  assert.equal(details.group, 7);
  assert.equal(
    details.why,
    `its worker has not been heard of since ${clock(-20_000)}; after ${clock(10_000)} it is tried again`,
  );
});

test('a step between two attempts says when the next comes, and one that no worker takes says since when', () => {
  const again = { state: 1, attempt: 2, scheduledTime: at(12_000), lastFailure: { message: 'timed out' } };
  assert.equal(stepOf(pending(again), now).details.why, `the next attempt comes at ${clock(12_000)}`);
  const queued = { state: 1, scheduledTime: at(-60_000) };
  assert.equal(stepOf(pending(queued), now).details.why, `no worker has taken it since ${clock(-60_000)}`);
  assert.equal(stepOf(pending({ state: 1, scheduledTime: at(-1000) }), now).details.why, undefined);
});

test('a time of the day has its date only where that is another day', () => {
  const noon = new Date(2026, 10, 24, 12, 3, 7).getTime();
  assert.equal(timeOfDay(noon, noon + 3_600_000), '12:03:07');
  assert.equal(timeOfDay(noon, noon + 86_400_000), '2026-11-24 12:03:07');
});
