import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import { WorkflowsAlone } from '../support/workflows-alone.js';

let workflows: WorkflowsAlone;
const ends: (() => Promise<void>)[] = [];
before(async () => {
  workflows = await WorkflowsAlone.start((end) => ends.push(end));
});
after(async () => {
  for (const end of ends) await end();
});

/** A restore of three archives whose reads fail in one way; what was called, in order. */
async function restoreThatFails(t: TestContext, id: string, type: string): Promise<string[]> {
  const calls: string[] = [];
  let state = 'running';
  await workflows.serveArchive(t, {
    nextArchives: () => [1, 2, 3].map((no) => ({ no, setId: '2026-11_000001', group: no })),
    recordRetrievalState: (_: string, now: string, reason: string) => {
      state = now;
      calls.push(`${now}: ${reason}`);
    },
    giveUpArchive: () => void calls.push('gave up'),
  });
  await workflows.serveDrive(t, 'lto1', {
    readArchive: ({ no }: { no: number }) => {
      calls.push(`read ${no}`);
      throw ApplicationFailure.create({ type, message: 'The target fails.', nonRetryable: false });
    },
    finishRetrieval: () => ({ status: state }),
  });
  const options = { heartbeatSeconds: 5, retrySeconds: 0.01, tapeRetrySeconds: 0.01, retryAttempts: 2 };
  const handle = await workflows.begin(t, 'retrieveArchives', id, {
    ...{ id, kind: 'restore', drive: 'lto1', options },
  });
  assert.deepEqual(await handle.result(), { status: 'failed' });
  return calls;
}

test('a restore whose target cannot be used ends at once, with the reason, and asks for nothing else of the tape', async (t) => {
  assert.deepEqual(await restoreThatFails(t, 'restore-000001', 'TargetUnusable'), [
    'read 1',
    'failed: The target fails.',
  ]);
});

test('a restore whose target fails is tried again a few times, and then ends', async (t) => {
  assert.deepEqual(await restoreThatFails(t, 'restore-000002', 'TargetFailed'), [
    'read 1',
    'read 1',
    'failed: The target fails.',
  ]);
});
