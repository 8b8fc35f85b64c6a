import assert from 'node:assert/strict';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { openCatalog } from '../../catalog/open-catalog.js';
import { shortInstallationId } from '../../catalog/installation.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { startSet } from '../../workers/starts/start-set.js';
import { snapshotOptions } from '../../operations/sets/set-options.js';
import { projectDir } from '../../config/project-dir.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { ownServer } from '../../workers/server/own-server.js';
import type { BackupSetInput } from '../../workflows/messages.js';
import { backupWorkflowId } from '../../workflows/workflow-ids.js';
import { queuesOf } from '../../workflows/queues.js';
import { Installation } from '../support/installation.js';
import { OwnServer } from '../support/own-server.js';
import { beginSet, needsStrace, setId } from '../support/own-set.js';
import {
  archivesOn,
  assertSameTree,
  longTest,
  manyFiles,
  noise,
  tempFolder,
  untar,
  writeTree,
} from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

interface Status {
  status: string;
  reason: string | null;
  stages: Record<string, number>;
  failedGroups: { group: number; reason: string }[];
  trouble: { kind: string; finding: string; advice: string } | null;
}

/** Four groups, and a worker whose disk refuses to move the second's archive, every time. */
async function poisoned(t: TestContext) {
  const source = tempFolder(t);
  for (const name of ['a', 'b', 'c', 'd']) writeTree(source, { [name]: noise(400_000, name) });
  const installation = await Installation.make(t, {
    MAX_GROUP_SIZE: '450KB',
    RETRY_ATTEMPTS: '2',
    RETRY_SECONDS: '0.1',
  });
  const server = await OwnServer.start(t, installation);
  const bad = path.join(installation.stagingDir, 'temp', setId, `backup_${setId}_000002.tar.gz`);
  const worker = await server.tracedWorker(
    ['archive'],
    ['-P', bad, '-e', 'trace=rename', '-e', 'inject=rename:error=EIO'],
  );
  const times = (stage: string) =>
    Object.fromEntries(
      installation
        .query<{ group_no: number; n: number }>(
          'select group_no, count(*) as n from events where stage = ? and group_no is not null group by group_no',
          stage,
        )
        .map(({ group_no, n }) => [group_no, n]),
    );
  return { source, installation, server, worker, times };
}

function assertOnTape(t: TestContext, installation: Installation, source: string): void {
  const target = tempFolder(t);
  untar(archivesOn(installation.tapeDir, setId), target);
  assertSameTree(path.join(target, source), source, { folderTimes: false });
}

test(
  'a group that fails for good is parked with its reason, the others finish, and retry runs just that group',
  { skip: needsStrace || longTest },
  async (t) => {
    const { source, installation, server, worker, times } = await poisoned(t);
    await server.worker(['tape', '--drive', 'lto1']);
    const failed = await installation.run(['backup', source, '--set', setId], server.env);
    assert.equal(failed.code, 1, failed.stderr);
    assert.match(failed.stdout, /failed .*1 of 4 groups failed \(2\), first: promoting: .*EIO/);
    assert.match(failed.stdout, /`tapeflow retry 2026-11_000001` tries them again/);
    assert.deepEqual(times('committed'), { 1: 1, 3: 1, 4: 1 });

    const status = await installation.run(['status', setId], server.env);
    assert.equal(status.code, 1);
    assert.match(status.stdout, /FAILED: +group 2 at promoting: .*input\/output error of the device \(EIO\)/);
    const trace = await installation.run(['trace', `backup_${setId}_000002.tar.gz`], server.env);
    assert.match(trace.stdout, /Group 2 of set .*: failed: promoting: .*EIO/);
    assert.match(trace.stdout, /Fix the cause, then `tapeflow retry 2026-11_000001`/);

    await worker.kill();
    await server.worker(['archive']);
    const retried = await installation.run(['retry', setId], server.env);
    assert.equal(retried.code, 0, retried.stderr);
    const watched = await installation.run(['watch', setId], server.env);
    assert.equal(watched.code, 0, watched.stdout);
    assert.deepEqual(times('committed'), { 1: 1, 2: 1, 3: 1, 4: 1 });
    assert.deepEqual(times('writing'), { 1: 1, 2: 1, 3: 1, 4: 1 }, 'no other was written again');
    assert.deepEqual(times('compressed'), { 1: 1, 2: 1, 3: 1, 4: 1 }, 'what was compressed is not again');
    assertOnTape(t, installation, source);
  },
);

test(
  'retry takes up a parked group of a set that still runs',
  { skip: needsStrace || longTest },
  async (t) => {
    const { source, installation, server, worker, times } = await poisoned(t);
    // Without a tape worker the other groups wait for the drive, so the set runs on.
    await beginSet({ installation, server, source });
    await waitFor(
      () => installation.query(`select 1 from groups where no = 2 and state = 'failed'`).length === 1,
      'the group to be parked',
    );
    await worker.kill();
    await server.worker(['archive']);
    const retried = await installation.run(['retry', setId, '--detach'], server.env);
    assert.equal(retried.code, 0, retried.stderr);
    await server.worker(['tape', '--drive', 'lto1']);
    const watched = await installation.run(['watch', setId], server.env);
    assert.equal(watched.code, 0, watched.stdout);
    assert.deepEqual(times('committed'), { 1: 1, 2: 1, 3: 1, 4: 1 });
    assert.deepEqual(times('compressed'), { 1: 1, 2: 1, 3: 1, 4: 1 });
    assertOnTape(t, installation, source);
  },
);

/** A set of the catalog whose workflow was started with an input that no `backup` makes. */
async function brokenSet(t: TestContext, broken: (input: BackupSetInput) => unknown) {
  const source = tempFolder(t);
  manyFiles(source, 20);
  // Workers that take it up by themselves are another test's.
  const installation = await Installation.make(t, { LOOK_AFTER_SECONDS: '0' });
  const server = await OwnServer.start(t, installation);
  const settings = loadSettings({ ...installation.env, ...server.env }, projectDir);
  const catalog = await openCatalog(settings.CATALOG_URL, settings.TAPEFLOW_DATA_DIR);
  const options = snapshotOptions(settings);
  const { set } = await openSet(
    catalog,
    {
      id: setId,
      sources: [source],
      excludes: [],
      pool: settings.TAPE_POOL,
      drive: 'lto1',
      mode: 'full',
      direct: false,
      options,
    },
    { fresh: false },
  );
  const { client } = server;
  const target = ownServer(settings, { ...installation.env, ...server.env });
  // Registers the search attributes, as the first `backup` on a server does.
  const shortId = await shortInstallationId(catalog, settings);
  await startSet({ target, client, installation: shortId }, catalog, set, { retry: false });
  await client.workflow
    .getHandle(backupWorkflowId(setId, installation.shortId))
    .terminate('another version takes over');
  await catalog.destroy();
  const input: BackupSetInput = {
    setId,
    pool: set.pool,
    drive: set.drive,
    options,
    cursor: 0,
    scanned: false,
    retry: false,
    paused: false,
  };
  await client.workflow.start('backupSet', {
    workflowId: backupWorkflowId(setId, installation.shortId),
    taskQueue: queuesOf(installation.shortId).archive,
    args: [broken(input)],
  });
  await server.worker(['archive']);
  await server.worker(['tape', '--drive', 'lto1']);
  return { installation, server, source };
}

async function trouble(installation: Installation, server: OwnServer): Promise<Status['trouble']> {
  return waitFor(async () => {
    const status = await installation.json<Status>(['status', setId], server.env);
    return status.trouble ?? undefined;
  }, 'the trouble to be told') as Promise<Status['trouble']>;
}

async function resumed(t: TestContext, installation: Installation, server: OwnServer, source: string) {
  const resume = await installation.run(['resume', setId], server.env);
  assert.equal(resume.code, 0, resume.stderr);
  const watched = await installation.run(['watch', setId], server.env);
  assert.equal(watched.code, 0, watched.stdout + watched.stderr);
  assertOnTape(t, installation, source);
}

test(
  'a workflow whose code throws ends at once; status, watch and doctor say why, and resume takes the set up again',
  { skip: longTest },
  async (t) => {
    const { installation, server, source } = await brokenSet(t, (input) => ({ ...input, options: null }));
    const told = await trouble(installation, server);
    assert.equal(told?.kind, 'ended');
    assert.match(told?.finding ?? '', /its workflow has ended \(failed: .*null/);
    const doctor = await installation.run(['doctor'], server.env);
    assert.equal(doctor.code, 1);
    assert.match(doctor.stdout, /TROUBLE +set 2026-11_000001: is unfinished, but its workflow has ended/);
    assert.match(doctor.stdout, /`tapeflow resume 2026-11_000001` resumes it/);
    await resumed(t, installation, server, source);
  },
);

test(
  'a workflow whose task the server refuses for ever is told as stuck, and resume starts it anew',
  { skip: longTest },
  async (t) => {
    const { installation, server, source } = await brokenSet(t, (input) => ({
      ...input,
      options: { ...input.options, heartbeatSeconds: -1 },
    }));
    const told = await trouble(installation, server);
    assert.equal(told?.kind, 'stuck');
    assert.match(told?.finding ?? '', /makes no progress: its task was tried \d+ times, the last failure: ./);
    const watched = await installation.run(['watch', setId], server.env);
    assert.equal(watched.code, 1);
    assert.match(watched.stderr, /is unfinished, but its workflow makes no progress: .*`tapeflow resume/s);
    const paused = await installation.run(['pause', setId], server.env);
    assert.equal(paused.code, 1);
    assert.match(paused.stderr, /cannot hear a command/);
    await resumed(t, installation, server, source);
  },
);

test('an update with wrong arguments fails, and the set goes on', async (t) => {
  const source = tempFolder(t);
  manyFiles(source, 20);
  const installation = await Installation.make(t);
  const server = await OwnServer.start(t, installation);
  await server.worker(['archive']);
  await beginSet({ installation, server, source });
  const handle = server.client.workflow.getHandle(backupWorkflowId(setId, installation.shortId));
  await assert.rejects(handle.executeUpdate('cancel', { args: [] }));
  await server.worker(['tape', '--drive', 'lto1']);
  const watched = await installation.run(['watch', setId], server.env);
  assert.equal(watched.code, 0, watched.stdout + watched.stderr);
});
