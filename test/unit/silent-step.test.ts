import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { asAttempt, catalogCondition } from '../../activities/attempt.js';

test('the heartbeat of a step whose drive does not answer says so', async () => {
  const environment = new MockActivityEnvironment();
  const asks = { who: 'the drive lto1', answersWithinMs: 500 };
  const told: (string | undefined)[] = [];
  let answer = () => {};
  environment.on('heartbeat', (details?: { why?: string; stuck?: boolean }) => {
    told.push(details?.why);
    if (details?.stuck === true) answer();
  });
  await environment.run(() =>
    asAttempt(() => new Promise<void>((resolve) => (answer = resolve)), catalogCondition, asks),
  );
  assert.equal(told[0], undefined);
  assert.match(told.at(-1) ?? '', /^the drive lto1 has not answered since [0-9:]{8}: /);
});
