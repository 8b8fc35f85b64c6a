import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { CancelledFailure } from '@temporalio/common';
import { asAttempt, asDriveAttempt } from '../../activities/attempt.js';
import { usualCondition } from '../../activities/conditions.js';
import { askedAt, workAt } from '../../activities/asked.js';
import { emptyCatalog } from '../../catalog/open-catalog.js';
import { waitFor } from '../support/wait-for.js';

test('the heartbeat of a step whose drive does not answer says so', async () => {
  const environment = new MockActivityEnvironment();
  const asks = askedAt('/drive', 'the drive lto1', 500);
  const told: (string | undefined)[] = [];
  let answer = () => {};
  environment.on('heartbeat', (details?: { why?: string; stuck?: boolean }) => {
    told.push(details?.why);
    if (details?.stuck === true) answer();
  });
  await environment.run(() =>
    asAttempt(() => new Promise<void>((resolve) => (answer = resolve)), usualCondition, asks),
  );
  assert.equal(told[0], undefined);
  assert.match(told.at(-1) ?? '', /^the drive lto1 has not answered since [0-9:]{8}: /);
});

test('a cancelled step whose drive does not answer ends; what it left changes nothing, and the next one waits for it', async () => {
  const catalog = await emptyCatalog();
  const asks = askedAt('/drive/that/hangs', 'the drive lto1', 100);
  const note = (value: string) => catalog.insertInto('meta').values({ key: 'noted', value }).execute();
  const first = new MockActivityEnvironment();
  let answer = () => {};
  let woken: Promise<unknown> = Promise.resolve();
  const ended = first.run(() =>
    asDriveAttempt(asks, usualCondition, () => {
      woken = new Promise<void>((resolve) => (answer = resolve)).then(() => note('by the one left behind'));
      return woken;
    }),
  );
  first.cancel('CANCELLED');
  await assert.rejects(ended, (error: CancelledFailure) => {
    assert.ok(error instanceof CancelledFailure);
    const [{ left }] = error.details as [{ left: string }];
    assert.match(
      left,
      /^the drive lto1 has not answered since [0-9:]{8}: the step .* is left to end by itself$/,
    );
    return true;
  });
  assert.equal(workAt(asks.at).length, 1);

  let began = false;
  let why: string | undefined;
  const next = new MockActivityEnvironment();
  next.on('heartbeat', (details?: { why?: string }) => (why ??= details?.why));
  const done = next.run(() =>
    asDriveAttempt(asks, usualCondition, async () => {
      began = true;
      await note('by the next');
    }),
  );
  await waitFor(() => why !== undefined, 'the next step to say what it waits for');
  assert.match(
    why ?? '',
    /lto1 has not answered since .*: a step that was left to end by itself .* has not ended there yet/,
  );
  assert.equal(began, false);
  answer();
  await assert.rejects(woken, /given up while its drive or its source did not answer/);
  await done;
  assert.deepEqual(await catalog.selectFrom('meta').select('value').where('key', '=', 'noted').execute(), [
    { value: 'by the next' },
  ]);
  assert.equal(workAt(asks.at).length, 0);
  await catalog.destroy();
});
