import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSet } from '../../catalog/sets/open-set.js';
import { heldUpFacts } from '../../operations/notify/held-up-facts.js';
import { type PendingStep, stepOf } from '../../workers/server/pending-steps.js';
import { HeldUpSteps } from '../../workers/starts/held-up-steps.js';
import { openNewCatalog } from '../support/catalogs.js';

const minute = 60_000;
const now = 1_700_000_000_000;

/** What the server tells of a step that waits, by its own last heartbeat. */
function waiting(activity: string, group: number, why: string, more = {}): PendingStep {
  const told = JSON.stringify({ step: 'waiting', group, why, stuck: true });
  return stepOf(
    {
      ...{ activityType: { name: activity }, state: 2, attempt: 1 },
      lastHeartbeatTime: { seconds: now / 1000 },
      heartbeatDetails: { payloads: [{ data: Buffer.from(told) }] },
      ...more,
    },
    now,
  );
}

test('a step that a full disk or a silent drive holds up for five minutes is told of, once for its set', async (t) => {
  const catalog = await openNewCatalog(t);
  const wanted = { sources: ['/srv'], excludes: [], pool: 'A', drive: 'lto1', mode: 'full', direct: false };
  await openSet(catalog, { ...wanted, id: '2026-11_000001', options: '{}' }, { fresh: true });
  let steps: PendingStep[] = [];
  const heldUp = new HeldUpSteps({
    ofSet: (id) => Promise.resolve(id === '2026-11_000001' ? steps : []),
    ofRetrieval: () => Promise.resolve([]),
  });
  const told = async (at: number) =>
    heldUpFacts(await heldUp.find(catalog, now + at * minute)).map(({ event, what }) => [event, what]);
  const full = (room: string) => [
    waiting(
      'compressGroup',
      3,
      `staging's disk at /staging is full: ${room} free, as of 12:0${room.slice(0, 1)}:00`,
    ),
    waiting(
      'compressGroup',
      4,
      `staging's disk at /staging is full: ${room} free, as of 12:0${room.slice(0, 1)}:00`,
    ),
  ];
  steps = full('1.5 MB');
  assert.deepEqual(await told(0), []);
  steps = full('3 kB');
  assert.deepEqual(await told(4), []);
  const sentence = `Set 2026-11_000001 is held up, compressing: staging's disk at /staging is full: 3 kB free, as of 12:03:00.`;
  assert.deepEqual(await told(5), [['waiting', sentence]]);
  steps = [];
  assert.deepEqual(await told(6), [], 'there is room again');
  steps = full('3 kB');
  assert.deepEqual(await told(7), [], 'it counts from the beginning');
});

test('neither a step between two attempts nor one whose worker is silent is held up by what it last said', () => {
  const why = 'the drive has not answered since 12:00:00';
  assert.equal(waiting('writeToTape', 1, why).heldUpBy, why);
  const between = { state: 1, attempt: 2, nextAttemptScheduleTime: { seconds: now / 1000 + 60 } };
  assert.equal(waiting('writeToTape', 1, why, between).heldUpBy, undefined);
  const silent = { lastHeartbeatTime: { seconds: now / 1000 - 60 } };
  assert.equal(waiting('writeToTape', 1, why, silent).heldUpBy, undefined);
});
