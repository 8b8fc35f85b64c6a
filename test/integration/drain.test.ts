import assert from 'node:assert/strict';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { Installation } from '../support/installation.js';
import { IoFaults } from '../support/io-faults.js';
import {
  archivesOn,
  assertSameTree,
  noise,
  tempFolder,
  untar,
  writeTree,
  longTest,
} from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

const fileBytes = 400_000;
const oneFilePerGroup = { MAX_GROUP_SIZE: '400KB', TAPE_SYNC_BYTES: '100MB' };

interface Event {
  group_no: number;
  stage: string;
  bytes: number;
}

/** A source of as many groups of one incompressible file each. */
function sourceOf(t: TestContext, groups: number): string {
  const source = tempFolder(t);
  for (let i = 0; i < groups; i += 1)
    writeTree(source, { [`file-${String(i).padStart(2, '0')}`]: noise(fileBytes, `drain ${i}`) });
  return source;
}

/** Backs a source up, and returns the groups' events of those stages in their order. */
async function backUp(
  t: TestContext,
  installation: Installation,
  source: string,
  stages: string[],
): Promise<Event[]> {
  const { setId, status } = await installation.json<{ setId: string; status: string }>(['backup', source]);
  assert.equal(status, 'completed');
  const target = tempFolder(t);
  untar(archivesOn(installation.tapeDir, setId), target);
  assertSameTree(path.join(target, source), source, { folderTimes: false });
  const events = installation.query<Event>(
    'select group_no, stage, bytes from events where set_id = ? order by id',
    setId,
  );
  return events.filter(({ stage }) => stages.includes(stage));
}

const groupsOf = (events: Event[], stage: string) =>
  events.filter((event) => event.stage === stage).map((event) => event.group_no);
const bytesOf = (events: Event[], stage: string) =>
  events.filter((event) => event.stage === stage).reduce((sum, { bytes }) => sum + bytes, 0);

test('with a watermark the drive begins when so many bytes are staged, and writes all of them in order before it stops', async (t) => {
  const installation = await Installation.make(t, {
    ...oneFilePerGroup,
    STAGING_MAX_BYTES: '10MB',
    TAPE_DRAIN_AT: '4MB',
  });
  const events = await backUp(t, installation, sourceOf(t, 12), ['queued', 'writing', 'synced']);
  const begins = events.findIndex(({ stage }) => stage === 'writing');
  const gathered = events.slice(0, begins);
  assert.ok(bytesOf(gathered, 'queued') >= 4_000_000, JSON.stringify(gathered));
  const stops = events.findIndex(({ stage }) => stage === 'synced');
  const drained = groupsOf(events.slice(begins, stops), 'writing');
  for (const group of groupsOf(gathered, 'queued'))
    assert.ok(drained.includes(group), `group ${group} was there, but not written before the drive stopped`);
  const written = groupsOf(events, 'writing');
  assert.equal(written.length, 12, 'what was left below the watermark was written at the end');
  assert.deepEqual(
    written,
    [...written].sort((a, b) => a - b),
  );
});

test(
  'a watermark that staging cannot reach: the drive begins when nothing more can be staged',
  { skip: longTest },
  async (t) => {
    const installation = await Installation.make(t, {
      ...oneFilePerGroup,
      STAGING_MAX_BYTES: '2MB',
      TAPE_DRAIN_AT: '2MB',
    });
    const events = await backUp(t, installation, sourceOf(t, 9), ['queued', 'writing', 'synced']);
    const begins = events.findIndex(({ stage }) => stage === 'writing');
    assert.equal(groupsOf(events.slice(0, begins), 'queued').length, 4, 'a fifth does not fit the budget');
  },
);

test(
  'without a watermark the first archive is written at once, while others are still to be compressed',
  { skip: longTest },
  async (t) => {
    const faults = IoFaults.make(t);
    if (faults === undefined) return;
    const source = sourceOf(t, 3);
    // Staging has room for all of them.
    const env = { ...oneFilePerGroup, STAGING_MAX_BYTES: '100MB', ...faults.env };
    const installation = await Installation.make(t, env);
    faults.hold('read', path.join(source, 'file-02'));
    const backup = installation.start(['backup', source]);
    const groupsAt = (stage: string) =>
      installation.tryQuery<Event>('select group_no, stage from events where stage = ?', stage);
    await waitFor(() => groupsAt('written').length === 2, 'what is compressed to be written');
    assert.equal(groupsAt('compressed').length, 2, 'the third is still to be compressed');
    faults.none();
    const { code, stdout } = await backup.ended;
    assert.equal(code, 0, stdout);
  },
);

test(
  'what another set holds of staging does not keep a set waiting for its watermark for ever',
  { timeout: 600_000, skip: longTest },
  async (t) => {
    const installation = await Installation.make(t, {
      ...oneFilePerGroup,
      STAGING_MAX_BYTES: '4MB',
      TAPE_DRAIN_AT: '3500KB',
      TAPE_SYNC_SECONDS: '0.3',
    });
    // The tape in the drive is of the default pool: this set stages five archives and waits.
    const other = ['backup', sourceOf(t, 5), '--pool', 'monthly', '--detach'];
    const { setId } = await installation.json<{ setId: string }>(other);
    await waitFor(
      () => installation.query(`select 1 from sets where state = 'waiting_for_tape'`).length === 1,
      `set ${setId} to wait for its tape`,
    );
    await backUp(t, installation, sourceOf(t, 8), []);
    await installation.run(['down']);
    await installation.quiet();
  },
);
