import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import type { PlannedGroup } from '../../activities/set/next-groups.js';
import { asAttempt } from '../../activities/attempt.js';
import { pauseFor } from '../../operations/attempt.js';
import { snapshotOptions } from '../../operations/sets/set-options.js';
import type { TapeWatchRequest } from '../../activities/tape/watch-tape.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { longTest } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';
import { WorkflowsAlone } from '../support/workflows-alone.js';

const setId = '2026-11_000001';
const ends: (() => Promise<void>)[] = [];
let alone: WorkflowsAlone;
before(async () => (alone = await WorkflowsAlone.start((end) => ends.push(end))));
after(async () => {
  for (const end of ends) await end();
});

const options = {
  ...snapshotOptions(loadSettings({}, '/nowhere')),
  ...{ heartbeatSeconds: 5, retrySeconds: 0.1, tapeRetrySeconds: 0.1 },
};

/** What starts a set of some copies. */
function inputOf(places: { pool: string; drive: string }[], more: Partial<typeof options> = {}) {
  const [first = { pool: 'A', drive: 'lto1' }] = places;
  const given = { ...options, ...more };
  return { setId, ...first, places, options: given, cursor: 0, scanned: true, retry: false, paused: false };
}

/** The steps of a set of some groups that all go well, but those that a test gives. */
function archiveSteps(groups: number, more: Record<string, (...args: never[]) => unknown> = {}) {
  const planned = (group: number): PlannedGroup => ({ group, bytes: 1000, direct: false, state: 'planned' });
  return {
    nextGroups: async (_id: string, from: number) => ({
      groups: Array.from({ length: Math.max(0, groups - from) }, (_, at) => planned(from + at + 1)),
      last: true,
    }),
    recordState: async () => undefined,
    compressGroup: async () => undefined,
    promoteArchive: async () => undefined,
    releaseArchives: async () => undefined,
    parkFailedGroup: async () => undefined,
    finishSet: async () => ({ setId, status: 'completed' }),
    cancelSet: async () => undefined,
    ...more,
  };
}

/** A failure of a step for which a person has to act. */
function notReady(reason: string): ApplicationFailure {
  return ApplicationFailure.create({ type: 'TapeNotReady', message: reason, nonRetryable: true });
}

test('the wait for the tape of copy 2, which is to be synced, asks for a tape of the pool of copy 2', async (t) => {
  const wishes: TapeWatchRequest[] = [];
  let syncs = 0;
  await alone.serveArchive(t, archiveSteps(1));
  await alone.serveDrive(t, 'lto1', {
    waitForFinal: async () => 100,
    writeToTape: async ({ copyNo = 1 }: { copyNo?: number }) => ({
      ...{ tape: copyNo === 1 ? 'uuid-a' : 'uuid-b', tapeName: '', bytes: 100 },
    }),
    syncTape: async (_id: string, tape: string, groups: number[]) => {
      syncs += tape === 'uuid-b' ? 1 : 0;
      if (tape === 'uuid-b' && syncs === 1) throw notReady('the tape went out of the drive');
      return { committed: groups, lost: [], whole: tape === 'uuid-b' ? groups : [] };
    },
    watchTape: async (wish: TapeWatchRequest) => void wishes.push(wish),
  });
  const places = [
    { pool: 'A', drive: 'lto1' },
    { pool: 'B', drive: 'lto1' },
  ];
  const handle = await alone.begin(t, 'backupSet', 'sync-of-copy-2', inputOf(places));
  await handle.result();
  assert.deepEqual(wishes, [{ setId, wanted: 'uuid-b', copyNo: 2 }]);
});

test('a drive whose tape worker is away holds up its own copy only', async (t) => {
  const written: number[] = [];
  await alone.serveArchive(t, archiveSteps(3));
  await alone.serveDrive(t, 'lto2', {
    waitForFinal: async () => 100,
    writeToTape: async ({ group }: { group: number }) => {
      written.push(group);
      return { tape: 'uuid-b', tapeName: '', bytes: 100 };
    },
    syncTape: async (_id: string, _tape: string, groups: number[]) => ({
      ...{ committed: groups, lost: [], whole: [] },
    }),
  });
  const places = [
    { pool: 'A', drive: 'lto1' },
    { pool: 'B', drive: 'lto2' },
  ];
  await alone.begin(t, 'backupSet', 'first-drive-away', inputOf(places));
  await waitFor(() => written.length === 3, 'the second drive to write all groups');
});

test('a set tells in its phase whether it waits for a tape or for a drive that somebody else has', async (t) => {
  let held = true;
  let refused = 0;
  const wishes: TapeWatchRequest[] = [];
  await alone.serveArchive(t, archiveSteps(1));
  await alone.serveDrive(t, 'lto1', {
    waitForFinal: async () => 100,
    writeToTape: async () => {
      refused += 1;
      throw ApplicationFailure.create({
        ...{ type: 'TapeNotReady', message: 'no', nonRetryable: true },
        details: [{ reason: held ? 'drive_held' : 'unlabelled' }],
      });
    },
    watchTape: async (wish: TapeWatchRequest) => {
      wishes.push(wish);
      await waitFor(() => wish.held !== true || !held, 'the drive to be free');
      if (wish.held === true) return '';
      return new Promise<string>(() => undefined);
    },
  });
  const set = await alone.begin(t, 'backupSet', 'phase-of-a-wait', inputOf([{ pool: 'A', drive: 'lto1' }]));
  const phase = async () => (await set.query<{ phase: string }>('progress')).phase;
  await waitFor(async () => (await phase()) === 'waiting_for_drive', 'the wait for the drive');
  await waitFor(() => wishes.length > 0, 'the watch to begin');
  assert.deepEqual(wishes, [{ setId, group: 1, held: true }]);
  held = false;
  await waitFor(async () => (await phase()) === 'waiting_for_tape', 'the wait for a tape');
  assert.equal(refused, 2);
});

const oneDrive = [{ pool: 'A', drive: 'lto1' }];
for (const [where, { step, places, more }] of Object.entries({
  'in staging': { step: 'compressGroup', places: oneDrive, more: {} },
  'on the disk of final': { step: 'promoteArchive', places: oneDrive, more: {} },
  'in staging, below the watermark of its drive': {
    ...{ step: 'compressGroup', places: oneDrive, more: { drainBytes: 1e12 } },
  },
  'in staging, while the drive has another tape for what is staged': {
    ...{ step: 'compressGroup', places: [...oneDrive, { pool: 'B', drive: 'lto1' }], more: {} },
  },
})) {
  const skip =
    ['on the disk of final', 'in staging, below the watermark of its drive'].includes(where) && longTest;
  const name = `a group that finds no room ${where} makes the drive sync, and the set release, what there is at once, and waits for no age`;
  test(name, { skip }, async (t) => {
    let released = false;
    let waits = 0;
    const committed = new Map<number, number>();
    await alone.serveArchive(
      t,
      archiveSteps(2, {
        [step]: async ({ group }: { group: number }) => (group === 1 || released ? undefined : 'full'),
        waitForRoom: async (_ref: object, place: string) => {
          waits += 1;
          assert.equal(place, step === 'compressGroup' ? 'temp' : 'final');
          await waitFor(() => released, 'the first archive to be released');
        },
        releaseArchives: async () => void (released = true),
      }),
    );
    await alone.serveDrive(t, 'lto1', {
      waitForFinal: async ({ group }: { group: number }) => {
        await waitFor(() => group === 1 || released, 'the archive in final');
        return 100;
      },
      writeToTape: async ({ copyNo = 1 }: { copyNo?: number }) => ({
        ...{ tape: `uuid-${copyNo}`, tapeName: '', bytes: 100 },
      }),
      syncTape: async (_id: string, _tape: string, groups: number[]) => {
        for (const group of groups) committed.set(group, (committed.get(group) ?? 0) + 1);
        const whole = groups.filter((group) => committed.get(group) === places.length);
        return { committed: groups, lost: [], whole };
      },
    });
    // By age it would come after an hour.
    const input = inputOf(places, { syncSeconds: 3600, ...more });
    const handle = await alone.begin(t, 'backupSet', `roomless-${where.replace(/\W/g, '-')}`, input);
    assert.deepEqual(await handle.result(), { setId, status: 'completed' });
    assert.equal(waits, 1);
  });
}

test('a set for whose next group staging has no room, and of which nothing else goes on, tells so in its phase', async (t) => {
  let room = false;
  let seen = false;
  await alone.serveArchive(
    t,
    archiveSteps(1, {
      compressGroup: async () => (room ? undefined : 'full'),
      waitForRoom: () => waitFor(() => room, 'room in staging'),
    }),
  );
  await alone.serveDrive(t, 'lto1', {
    waitForFinal: async () => 100,
    writeToTape: async () => {
      await waitFor(() => seen, 'the test to look');
      return { tape: 'uuid-a', tapeName: '', bytes: 100 };
    },
    syncTape: async (_id: string, _tape: string, groups: number[]) => ({ committed: groups, lost: [] }),
  });
  const set = await alone.begin(t, 'backupSet', 'phase-of-room', inputOf([{ pool: 'A', drive: 'lto1' }]));
  const progress = () => set.query<{ phase: string; reason: string | null }>('progress');
  const searched = async () => (await set.describe()).searchAttributes['TapeflowPhase']?.[0];
  await waitFor(async () => (await searched()) === 'short_of_staging', 'the wait for staging');
  const { phase, reason } = await progress();
  assert.deepEqual(
    { phase, reason },
    { phase: 'short_of_staging', reason: 'staging has no room for group 1' },
  );
  room = true;
  await waitFor(async () => (await searched()) === 'finishing', 'the group to go on');
  assert.equal((await progress()).reason, null);
  seen = true;
  await set.result();
});

test('any number of orderly shutdowns under a step is no failed attempt of it', async (t) => {
  const parked: unknown[] = [];
  let underWay = 0;
  let mayEnd = false;
  const compressGroup = () =>
    asAttempt(async (attempt) => {
      underWay += 1;
      try {
        if (!mayEnd) await pauseFor(attempt, 60_000);
      } finally {
        underWay -= 1;
      }
    });
  const { archive } = alone.queues;
  const compress = alone.queues.compress(undefined);
  const steps = archiveSteps(1, {
    parkFailedGroup: async (...args: unknown[]) => void parked.push(args),
    copiesWithoutMark: async () => [],
  });
  await alone.serve(t, archive, steps, { workflows: true });
  await alone.serve(t, alone.queues.host(undefined), steps);
  await alone.serveDrive(t, 'lto1', {
    waitForFinal: async () => 100,
    writeToTape: async () => ({ tape: 'uuid-a', tapeName: '', bytes: 100 }),
    syncTape: async (_id: string, _tape: string, groups: number[]) => ({ committed: groups, lost: [] }),
  });
  const input = inputOf([{ pool: 'A', drive: 'lto1' }], { retryAttempts: 2 });
  const handle = await alone.begin(t, 'backupSet', 'shut-down', input);
  for (let downs = 1; downs <= 3; downs += 1) {
    const stop = await alone.serve(t, compress, { compressGroup });
    await waitFor(() => underWay > 0, 'the step to begin');
    await stop();
  }
  mayEnd = true;
  await alone.serve(t, compress, { compressGroup });
  await handle.result();
  assert.deepEqual(parked, []);
});
