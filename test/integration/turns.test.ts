import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { asAttempt } from '../../activities/attempt.js';
import { pauseFor } from '../../operations/attempt.js';
import { snapshotOptions } from '../../operations/sets/set-options.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { FakeSet, serveSets } from '../support/fake-set.js';
import { longTest } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';
import { WorkflowsAlone } from '../support/workflows-alone.js';

/** Events after which the server of these tests suggests to continue as new. */
const suggestedEvents = 80;
const ends: (() => Promise<void>)[] = [];
let alone: WorkflowsAlone;
before(async () => {
  const limit = `limit.historyCount.suggestContinueAsNew=${suggestedEvents}`;
  alone = await WorkflowsAlone.start((end) => ends.push(end), 'alone', ['--dynamic-config-value', limit]);
});
after(async () => {
  for (const end of ends) await end();
});

const options = { heartbeatSeconds: 5, retrySeconds: 0.01, tapeRetrySeconds: 0.01, retryAttempts: 2 };
const archive = { no: 1, setId: '2026-11_000001', group: 1 };

function notReady(type: string, details: object = {}): ApplicationFailure {
  return ApplicationFailure.create({
    type,
    message: 'It takes no more.',
    nonRetryable: true,
    details: [details],
  });
}

/** Events of every run of a workflow, and the pauses in seconds that it has made, run by run. */
async function runsOf(workflowId: string): Promise<{ events: number; pauses: number[] }[]> {
  const { client } = alone.environment;
  const runs: { events: number; pauses: number[] }[] = [];
  const found: { runId: string; startTime: Date }[] = [];
  for await (const run of client.workflow.list({ query: `WorkflowId = "${workflowId}"` })) found.push(run);
  found.sort((one, other) => one.startTime.getTime() - other.startTime.getTime());
  for (const { runId } of found) {
    const events = (await client.workflow.getHandle(workflowId, runId).fetchHistory()).events ?? [];
    const pauses = events.flatMap(({ timerStartedEventAttributes: timer }) =>
      timer == null ? [] : [Number(timer.startToFireTimeout?.seconds ?? 0)],
    );
    runs.push({ events: events.length, pauses });
  }
  return runs;
}

/**
 * Waits until a loop has gone on in a second run; that one has paused longer and longer, and how long the first was. On
 * a busy machine tasks that are out of time fill the first run before it has a pause to make.
 */
async function assertsPauses(workflowId: string, pauses: number[]): Promise<void> {
  const made = ({ pauses }: { pauses: number[] }) => pauses.filter((seconds) => seconds < copy.syncSeconds);
  const seen = async () => {
    const runs = await runsOf(workflowId);
    return runs.length >= 2 && runs.some((run) => made(run).length >= pauses.length);
  };
  await waitFor(seen, `${workflowId} to pause, and to continue as new`);
  const runs = await runsOf(workflowId);
  const paused = runs.find((run) => made(run).length >= pauses.length);
  assert.deepEqual(paused && made(paused).slice(0, pauses.length), pauses);
  const [first] = runs;
  assert.ok((first?.events ?? Infinity) < suggestedEvents + 40, `${first?.events} events`);
}

/** A retrieval whose steps go well, but those that a test gives. */
async function serve(t: TestContext, steps: Record<string, (...args: never[]) => unknown>): Promise<void> {
  await alone.serveArchive(t, {
    nextArchives: () => [archive],
    recordRetrievalState: () => undefined,
    giveUpArchive: () => undefined,
    ...steps,
  });
  await alone.serveDrive(t, 'lto1', {
    watchForRetrieval: () => undefined,
    watchForCopy: () => undefined,
    waitForCopyRoom: () => undefined,
    fetchArchive: () => 'staged',
    finishRetrieval: () => ({ status: 'completed' }),
    ...steps,
  });
}

const copy = { drive: 'lto1', toDrive: 'lto1', options, syncBytes: 1e12, syncSeconds: 600 };

test('a restore whose target takes no more, by nothing that can be asked, pauses longer each time, continues as new, and then ends', async (t) => {
  let full = true;
  const lacks: unknown[] = [];
  await serve(t, {
    readArchive: () => {
      if (full) throw notReady('TargetNotReady', { lack: { code: 'EDQUOT' } });
    },
    watchForRetrieval: (_ref: object, lack: object) => void lacks.push(lack),
    nextArchives: () => (full || lacks.length === 0 ? [archive] : []),
  });
  const input = { id: 'restore-1', kind: 'restore', drive: 'lto1', options };
  const handle = await alone.begin(t, 'retrieveArchives', 'restore-1', input);
  await assertsPauses('restore-1', [1, 2]);
  assert.deepEqual(lacks[0], { code: 'EDQUOT' }, 'the wait knows what was short');
  full = false;
  assert.deepEqual(await handle.result(), { status: 'completed' });
});

for (const [what, steps] of Object.entries({
  'finds staging full': { fetchArchive: () => 'full' },
  'cannot read its tape': {
    fetchArchive: () => {
      throw notReady('TapeNotReady');
    },
  },
  'cannot write to its tape': {
    storeArchive: () => {
      throw notReady('TapeNotReady');
    },
  },
  'has its tape forget what it wrote': {
    storeArchive: () => ({ tape: 'uuid', tapeName: 'B1', bytes: 1 }),
    syncCopies: () => ({ committed: [], lost: [1] }),
  },
} satisfies Record<string, Record<string, () => unknown>>)) {
  const skip = ['finds staging full', 'cannot write to its tape'].includes(what) && longTest;
  const name = `a copy that ${what} again and again pauses longer each time, and continues as new`;
  test(name, { skip }, async (t) => {
    const id = `copy-${what.replaceAll(' ', '-')}`;
    await serve(t, steps);
    await alone.begin(t, 'copyArchives', id, { id, ...copy });
    await assertsPauses(id, [1]);
  });
}

test('a copy syncs what has waited for long enough, also while its reading half waits for a tape', async (t) => {
  const synced: number[][] = [];
  let fetches = 0;
  await serve(t, {
    nextArchives: () => [1, 2].map((no) => ({ ...archive, no, group: no })),
    fetchArchive: () => {
      fetches += 1;
      if (fetches > 1) throw notReady('TapeNotReady');
      return 'staged';
    },
    watchForRetrieval: () => Context.current().cancelled,
  });
  await alone.serveDrive(t, 'lto2', {
    storeArchive: () => ({ tape: 'uuid', tapeName: 'B1', bytes: 1 }),
    syncCopies: (_id: string, _tape: string, nos: number[]) => {
      synced.push(nos);
      return { committed: nos, lost: [] };
    },
  });
  const input = { id: 'copy-by-age', ...copy, toDrive: 'lto2', syncSeconds: 1 };
  await alone.begin(t, 'copyArchives', 'copy-by-age', input);
  await waitFor(() => synced.length > 0, 'a sync by age');
  assert.deepEqual(synced, [[1]]);
});

const setOptions = {
  ...snapshotOptions(loadSettings({}, '/nowhere')),
  ...{ ...options, syncSeconds: 3600, parallelGroups: 3 },
};

/** Starts the set's workflow, which its scan has ended for already. */
function beginSet(t: TestContext, { setId, drive }: FakeSet) {
  const places = [{ pool: 'A', drive }];
  const input = { setId, pool: 'A', drive, places, options: setOptions };
  return alone.begin(t, 'backupSet', setId, {
    ...input,
    cursor: 0,
    scanned: true,
    retry: false,
    paused: false,
  });
}

/** A look at a drive that goes on until a person has come, or until it is cancelled. */
const untilMended = (set: { mended: boolean }) =>
  asAttempt(async (attempt) => {
    while (!set.mended) await pauseFor(attempt, 100);
  });

/** What the shutdown of its worker makes of a step. */
function shutDown(set: { mended: boolean }): void {
  if (!set.mended) throw notReady('WorkerShutdown');
}

/** Those of `sets` that are nearly as another one. */
const long = [
  ...['whose moves to final are', 'whose looks into final are', 'whose syncs are', 'whose writes are'],
  'that finds the disk of final full, by nothing that can be asked',
  'whose tape forgets what is written to it',
];

/** Sets of which something goes wrong again and again, until it is mended. */
const sets = {
  'whose drive refuses a tape that is good by every look': new FakeSet('2026-11_000001', {
    groups: 1,
    steps: (set) => ({
      writeToTape: (ref) => {
        if (!set.mended) throw notReady('TapeNotReady');
        return set.write(ref);
      },
    }),
  }),
  'of which no sync succeeds, of a tape that is good by every look': new FakeSet('2026-11_000002', {
    groups: 1,
    steps: (set) => ({
      syncTape: (_id, _tape, groups) => {
        if (!set.mended) throw notReady('TapeNotReady');
        return set.sync(groups);
      },
    }),
  }),
  'whose tape forgets what is written to it': new FakeSet('2026-11_000003', {
    groups: 1,
    steps: (set) => ({
      syncTape: (_id, _tape, groups) => (set.mended ? set.sync(groups) : set.lose(groups)),
    }),
  }),
  'that finds staging full, by nothing that can be asked, while its drive waits for a person': new FakeSet(
    '2026-11_000004',
    {
      groups: 2,
      steps: (set) => ({
        compressGroup: ({ group }) => (group === 1 || set.mended ? undefined : 'full'),
        writeToTape: (ref) => {
          if (!set.mended) throw notReady('TapeNotReady');
          return set.write(ref);
        },
        watchTape: () => untilMended(set),
      }),
    },
  ),
  'that finds the disk of final full, by nothing that can be asked': new FakeSet('2026-11_000005', {
    groups: 1,
    steps: (set) => ({ promoteArchive: () => (set.mended ? undefined : 'full') }),
  }),
  'whose compressions are all ended by shutdowns of their worker': new FakeSet('2026-11_000011', {
    groups: 3,
    steps: (set) => ({ compressGroup: () => shutDown(set) }),
  }),
  'whose moves to final are': new FakeSet('2026-11_000012', {
    groups: 3,
    steps: (set) => ({ promoteArchive: () => shutDown(set) }),
  }),
  'whose looks into final are': new FakeSet('2026-11_000013', {
    groups: 3,
    steps: (set) => ({ waitForFinal: () => shutDown(set) }),
  }),
  'whose writes are': new FakeSet('2026-11_000014', {
    groups: 3,
    steps: (set) => ({
      writeToTape: (ref) => {
        shutDown(set);
        return set.write(ref);
      },
    }),
  }),
  'whose syncs are': new FakeSet('2026-11_000015', {
    groups: 2,
    steps: (set) => ({
      syncTape: (_id, _tape, groups) => {
        shutDown(set);
        return set.sync(groups);
      },
    }),
  }),
};

test(
  'a set in trouble pauses longer each time, continues as new, and goes on when it is mended:',
  { concurrency: true },
  async (t) => {
    await serveSets(t, alone, Object.values(sets));
    const tests = Object.entries(sets).map(async ([what, set]) => {
      await t.test(`one ${what}`, { skip: long.includes(what) && longTest }, async (t) => {
        const handle = await beginSet(t, set);
        await assertsPauses(set.setId, [1]);
        set.mended = true;
        assert.deepEqual(await handle.result(), { setId: set.setId, status: 'completed' });
        assert.deepEqual(set.parked, []);
      });
    });
    await Promise.all(tests);
    const refusedSync = sets['of which no sync succeeds, of a tape that is good by every look'];
    assert.equal(refusedSync.writes, 1, 'what is written is not written again by the next run');
  },
);

test('a retry while a run drains for the next one loses no group that is being compressed', async (t) => {
  let slow: 'compressing' | 'done' = 'compressing';
  const set = new FakeSet('2026-11_000006', {
    groups: 3,
    steps: (set) => ({
      compressGroup: async ({ group }) => {
        if (group === 1) await waitFor(() => slow === 'done', 'the test to go on');
        if (group === 3 && !set.mended) throw ApplicationFailure.nonRetryable('no', 'SourceFailed');
        return group === 2 && !set.mended ? 'full' : undefined;
      },
    }),
  });
  await serveSets(t, alone, [set]);
  const handle = await beginSet(t, set);
  const progress = () => handle.query<{ phase: string }>('progress');
  await waitFor(async () => (await progress()).phase === 'draining', 'the run to drain');
  set.mended = true;
  await handle.executeUpdate('retryFailed');
  slow = 'done';
  assert.deepEqual(await handle.result(), { setId: set.setId, status: 'completed' });
});

test('a set that a command has cancelled before its workflow begins is left as it is', async (t) => {
  let compressions = 0;
  const steps = () => ({ compressGroup: () => void (compressions += 1) });
  const set = new FakeSet('2026-11_000007', { groups: 1, steps });
  set.ended = true;
  await serveSets(t, alone, [set]);
  const handle = await beginSet(t, set);
  assert.deepEqual(await handle.result(), { setId: set.setId, status: 'cancelled' });
  assert.equal(compressions, 0);
});
