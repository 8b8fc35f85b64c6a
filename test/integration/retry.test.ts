import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Context } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { pino } from 'pino';
import { snapshotOptions } from '../../operations/sets/set-options.js';
import { retryParkedGroups } from '../../activities/set/set-state.js';
import { nextGroups, type GroupPage } from '../../activities/set/next-groups.js';
import { openCatalog } from '../../catalog/open-catalog.js';
import type { GroupState } from '../../catalog/schema/group-tables.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { cancelUpdate, pauseUpdate, resumeUpdate, retryFailedUpdate } from '../../workflows/messages.js';
import { tempFolder } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';
import { WorkflowsAlone } from '../support/workflows-alone.js';

const ends: (() => Promise<void>)[] = [];
let alone: WorkflowsAlone;
before(async () => (alone = await WorkflowsAlone.start((end) => ends.push(end))));
after(async () => {
  for (const end of ends) await end();
});

const setId = '2026-11_000001';
const settings = loadSettings({ PARALLEL_GROUPS: '2' }, '/nowhere');
const options = {
  ...snapshotOptions(settings),
  heartbeatSeconds: 5,
  retrySeconds: 0.1,
  tapeRetrySeconds: 0.1,
};
const input = {
  ...{ setId, pool: 'A', drive: 'lto1', options, cursor: 0, scanned: true, retry: false, paused: false },
};

/** Waits for something, as an activity that hears of its cancellation. */
async function orCancelled(what: Promise<void>): Promise<void> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), 100);
  await Promise.race([what, context.cancelled]).finally(() => clearInterval(beat));
}

/** A set whose groups but the last have failed already; the last is held until `release` is called. */
async function setWithFailed(t: Parameters<WorkflowsAlone['serveArchive']>[0], failed: number) {
  const states = new Map<number, GroupState>();
  for (let group = 1; group <= failed; group += 1) states.set(group, 'failed');
  states.set(failed + 1, 'planned');
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const log = { compressing: 0, most: 0, begun: [] as number[] };
  const set =
    (state: GroupState) =>
    async ({ group }: { group: number }) =>
      void states.set(group, state);
  await alone.serveArchive(t, {
    nextGroups: async (_id: string, from: number) => {
      const open = [...states].filter(([no, state]) => no > from && !['failed', 'released'].includes(state));
      const groups = open
        .slice(0, 50)
        .map(([group, state]) => ({ group, bytes: 1000, direct: false, state }));
      return { groups, last: open.length <= 50 };
    },
    recordState: async () => undefined,
    retryParkedGroups: async () => {
      const numbers = [...states].filter(([, state]) => state === 'failed').map(([no]) => no);
      for (const no of numbers) states.set(no, 'planned');
      return { groups: numbers.length, first: numbers[0] ?? 0 };
    },
    compressGroup: async ({ group }: { group: number }) => {
      log.begun.push(group);
      log.compressing += 1;
      log.most = Math.max(log.most, log.compressing);
      if (group === failed + 1) await orCancelled(held);
      log.compressing -= 1;
      states.set(group, 'compressed');
    },
    promoteArchive: async () => undefined,
    parkFailedGroup: set('failed'),
    releaseArchives: async (_id: string, groups: number[]) => {
      for (const group of groups) states.set(group, 'released');
    },
    finishSet: async () => ({
      status: [...states.values()].every((state) => state === 'released') ? 'completed' : 'failed',
    }),
    cancelSet: async () => ({ status: 'cancelled' }),
  });
  await alone.serveDrive(t, 'lto1', {
    waitForFinal: async () => 100,
    writeToTape: async () => ({ tape: 'uuid', tapeName: '', bytes: 100 }),
    syncTape: async (_id: string, _tape: string, groups: number[]) => ({
      committed: groups,
      lost: [],
      whole: groups,
    }),
  });
  const handle = await alone.begin(t, 'backupSet', `retry-${Math.random()}`, input);
  await waitFor(() => log.begun.includes(failed + 1), 'the last group to be begun');
  return { handle, log, release };
}

test('a retry of a running set begins every failed group, once each, within its window', async (t) => {
  const { handle, log, release } = await setWithFailed(t, 60);
  assert.equal(await handle.executeUpdate(retryFailedUpdate), 60);
  release();
  assert.deepEqual(await handle.result(), { status: 'completed' });
  assert.deepEqual(
    [...log.begun].sort((a, b) => a - b),
    Array.from({ length: 61 }, (_, at) => at + 1),
  );
  assert.ok(log.most <= settings.PARALLEL_GROUPS + 1, `${log.most} were compressed at once`);
});

test('what a retry puts back is not begun while the set is paused, and a cancel ends it', async (t) => {
  const { handle, log } = await setWithFailed(t, 5);
  await handle.executeUpdate(pauseUpdate);
  assert.equal(await handle.executeUpdate(retryFailedUpdate), 5);
  assert.deepEqual(log.begun, [6]);
  await handle.executeUpdate(resumeUpdate);
  await waitFor(() => log.begun.length === 6, 'the others to be begun');
  await handle.executeUpdate(cancelUpdate, { args: [{ discard: false }] });
  assert.deepEqual(await handle.result(), { status: 'cancelled' });
  const { status } = await handle.describe();
  assert.equal(status.name, 'COMPLETED', 'it has not failed');
});

test('a retry puts back more groups than one answer could list', async (t) => {
  const catalog = await openCatalog(path.join(tempFolder(t), 'catalog.db'));
  t.after(() => catalog.destroy());
  const wanted = { sources: ['/s'], excludes: [], pool: 'A', drive: 'lto1', mode: 'full', direct: false };
  const { set } = await openSet(catalog, { ...wanted, options }, { fresh: true });
  const empty = new Uint8Array();
  for (let no = 1; no <= 1013; no += 1)
    await catalog
      .insertInto('groups')
      .values({
        ...{ set_id: set.id, no, state: no === 1 ? 'released' : 'failed', bytes: 1, entries: 1 },
        ...{ first_path: empty, last_path: empty, direct: 0, reserved: 0 },
      })
      .execute();
  const deps = { settings, catalog, logger: pino({ level: 'silent' }) };
  const run = <R>(body: () => Promise<R>): Promise<R> => new MockActivityEnvironment().run(body);
  assert.deepEqual(await run(() => retryParkedGroups(deps, set.id)), { groups: 1012, first: 2 });
  await catalog.updateTable('sets').set({ scanned: 1 }).execute();
  const seen: number[] = [];
  for (let last = false; !last;) {
    const page: GroupPage = await run(() => nextGroups(deps, set.id, seen.at(-1) ?? 0));
    seen.push(...page.groups.map(({ group }) => group));
    last = page.last;
  }
  assert.equal(seen.length, 1012);
});
