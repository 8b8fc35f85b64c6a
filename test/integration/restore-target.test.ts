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

/** A restore of two archives to the host `fs1`, whose steps answer as told; what was called, in order. */
async function restoreToHost(
  t: TestContext,
  id: string,
  answers: { fetch?: string[]; unpack?: string[]; prepare?: string },
): Promise<{ calls: string[]; status: string }> {
  const calls: string[] = [];
  const left = new Set([1, 2]);
  let state = 'completed';
  const fail = (type: string | undefined, details = {}) => {
    if (type === undefined) return;
    throw ApplicationFailure.create({ type, message: type, nonRetryable: true, details: [details] });
  };
  await workflows.serveArchive(t, {
    nextArchives: () => [...left].map((no) => ({ no, setId: '2026-11_000001', group: no, tape: 'a' })),
    recordRetrievalState: (_: string, now: string, reason: string | null) => {
      if (now === 'failed') state = now;
      calls.push(`${now}${reason === null ? '' : `: ${reason}`}`);
    },
    giveUpArchive: ({ no }: { no: number }) => {
      left.delete(no);
      calls.push(`gave up ${no}`);
    },
  });
  await workflows.serveDrive(t, 'lto1', {
    readArchive: ({ no }: { no: number }) => {
      calls.push(`read ${no}`);
      return 'elsewhere';
    },
    fetchForTarget: ({ no }: { no: number }) => {
      calls.push(`fetch ${no}`);
      const answer = answers.fetch?.shift() ?? 'staged';
      if (answer === 'gone') left.delete(no);
      return answer;
    },
    waitForCopyRoom: () => void calls.push('waited for staging'),
    finishRetrieval: () => fail('TargetElsewhere'),
  });
  await workflows.serve(t, workflows.queues.host('fs1'), {
    prepareTarget: () => {
      calls.push('prepare');
      fail(answers.prepare);
    },
    unpackArchive: ({ no }: { no: number }) => {
      calls.push(`unpack ${no}`);
      fail(answers.unpack?.shift(), { lack: { code: 'ENOSPC' } });
      left.delete(no);
    },
    waitForTargetRoom: () => void calls.push('waited for the target'),
    finishRetrieval: () => ({ status: state }),
  });
  const options = { heartbeatSeconds: 5, retrySeconds: 0.01, tapeRetrySeconds: 0.01, retryAttempts: 2 };
  const handle = await workflows.begin(t, 'retrieveArchives', id, {
    ...{ id, kind: 'restore', drive: 'lto1', options, target: { host: 'fs1' } },
  });
  const { status } = (await handle.result()) as { status: string };
  return { calls, status };
}

test('a restore to another host than the drive reads into staging, and all else is done by the host of the target', async (t) => {
  const { calls, status } = await restoreToHost(t, 'restore-000003', {});
  assert.deepEqual(
    [calls, status],
    [['read 1', 'prepare', 'fetch 1', 'unpack 1', 'fetch 2', 'unpack 2'], 'completed'],
  );
});

test('a restore to another host waits for staging, and for room there, and reads again what staging has lost', async (t) => {
  const { calls } = await restoreToHost(t, 'restore-000004', {
    fetch: ['full', 'staged', 'staged', 'gone'],
    unpack: ['TargetNotReady', 'StagedArchiveDamaged'],
  });
  assert.deepEqual(calls, [
    ...['read 1', 'prepare', 'fetch 1', 'waited for staging', 'fetch 1', 'unpack 1'],
    ...['waiting_for_tape: TargetNotReady', 'waited for the target', 'running', 'fetch 1', 'unpack 1'],
    // The bytes are gone: the tape is read again, and then holds nothing of it any more.
    'fetch 1',
    ...['fetch 2', 'unpack 2'],
  ]);
});

test('a restore whose target another host cannot use reads nothing from tape', async (t) => {
  const { calls, status } = await restoreToHost(t, 'restore-000005', { prepare: 'TargetUnusable' });
  assert.deepEqual([calls, status], [['read 1', 'prepare', 'failed: TargetUnusable'], 'failed']);
});
