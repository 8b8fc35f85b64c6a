import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { backupWorkflowId, retrievalWorkflowId } from '../../workflows/messages.js';
import { Installation, temporalCli } from './installation.js';
import { IoFaults } from './io-faults.js';
import { OwnServer } from './own-server.js';
import { beginSet, setCompletes, setId, type OwnSet } from './own-set.js';
import { SmallDisk } from './small-disk.js';
import { twoDrives } from './two-tapes.js';
import { manyFiles, mountPoint, noise, tempFolder, writeTree } from './trees.js';
import { waitFor } from './wait-for.js';

/** A set, and the workflow whose histories are told if it is not the set's own. */
type Story = OwnSet & { workflowId?: string };

/** The key of every installation whose histories are recorded: they replay with no other. */
export const recordingKey = 'c0'.repeat(32);

/** Lets sets take every way through the workflows that a replay must know, one set for each. */
export const stories: Record<string, (t: TestContext) => Promise<Story>> = {
  plain: async (t) => {
    const set = await ownSet(t, { MAX_GROUP_SIZE: '100KB' });
    manyFiles(set.source, 300, 2000);
    await withWorkers(set);
    await beginSet(set);
    return set;
  },

  'continued-as-new': async (t) => {
    // The server's suggestion comes at 4,096 events otherwise, after a few hundred groups.
    const early = ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=150'];
    const set = await ownSet(t, { MAX_GROUP_SIZE: '20KB' }, early);
    manyFiles(set.source, 200, 2000);
    await withWorkers(set);
    await beginSet(set);
    return set;
  },

  'changed-tapes': async (t) => {
    const [first, second] = [SmallDisk.make(t, 4_000_000), SmallDisk.make(t, 8_000_000)];
    if (first === undefined || second === undefined) throw new Error('needs root, to mount');
    const drive = mountPoint(t);
    const set = await ownSet(t, { MAX_GROUP_SIZE: '2MB', TAPE_PATH: drive });
    for (const name of ['a', 'b', 'c']) writeTree(set.source, { [name]: noise(1_500_000, name) });
    await withWorkers(set);
    await beginSet(set);
    for (const [disk, label] of [
      [first, 'TAPE1'],
      [second, 'TAPE2'],
    ] as const) {
      const reason = label === 'TAPE1' ? '%has no label%' : '%TAPE1 is full%';
      await waitsForTape(set, reason);
      execFileSync('mount', ['--bind', disk.folder, drive]);
      await set.installation.run(['tape', 'label', label], set.server.env);
    }
    return set;
  },

  'parked-and-retried': async (t) => {
    const faults = IoFaults.make(t);
    if (faults === undefined) throw new Error('needs a C compiler');
    const set = await ownSet(t, { MAX_GROUP_SIZE: '450KB', RETRY_ATTEMPTS: '1', ...faults.env });
    const { installation, server, source } = set;
    for (const name of ['a', 'b', 'c']) writeTree(source, { [name]: noise(400_000, name) });
    const parked = () => installation.query(`select 1 from groups where state = 'failed'`).length === 1;
    const ended = () => installation.query(`select 1 from sets where state = 'failed'`).length === 1;
    await server.worker(['archive']);
    faults.fail('fsync', '_000002.tar.gz.');
    await beginSet(set);
    await waitFor(parked, 'the group to be parked');
    // While the set runs, for it waits for the drive: it fails, and is parked again.
    await installation.run(['retry', setId, '--detach'], server.env);
    await waitFor(
      () => installation.query(`select 1 from events where stage = 'failed' and group_no = 2`).length === 2,
      'the group to be parked again',
    );
    await server.worker(['tape', '--drive', 'lto1']);
    await waitFor(ended, 'the set to fail');
    faults.none();
    await installation.run(['retry', setId, '--detach'], server.env);
    return set;
  },

  'paused-and-resumed': async (t) => {
    const tape = path.join(tempFolder(t), 'tape');
    const set = await ownSet(t, { MAX_GROUP_SIZE: '100KB', TAPE_PATH: tape });
    const { installation, server } = set;
    manyFiles(set.source, 150, 2000);
    await withWorkers(set);
    await beginSet(set);
    await waitsForTape(set, '%does not exist%');
    await installation.run(['pause', setId], server.env);
    mkdirSync(tape);
    await installation.run(['tape', 'label', 'TAPE1'], server.env);
    await installation.run(['resume', setId, '--detach'], server.env);
    return set;
  },

  'two-copies': async (t) => {
    const set = await ownSetOfTwoDrives(t);
    manyFiles(set.source, 150, 2000);
    await withWorkers(set);
    await set.server.worker(['tape', '--drive', 'lto2']);
    await beginSet(set, [
      '--copies',
      '2',
      '--pool',
      'A',
      '--pool',
      'B',
      '--drive',
      'lto1',
      '--drive',
      'lto2',
    ]);
    return set;
  },

  restored: async (t) => {
    const set = await ownSet(t, { MAX_GROUP_SIZE: '100KB' });
    manyFiles(set.source, 150, 2000);
    await withWorkers(set);
    await beginSet(set);
    await setCompletes(set);
    const target = path.join(set.installation.root, 'target');
    await set.installation.run(['restore', setId, '--target', target], set.server.env);
    return { ...set, workflowId: retrievalOf(set) };
  },

  copied: async (t) => {
    const set = await ownSetOfTwoDrives(t);
    manyFiles(set.source, 150, 2000);
    await withWorkers(set);
    await set.server.worker(['tape', '--drive', 'lto2']);
    await beginSet(set, ['--pool', 'A']);
    await setCompletes(set);
    const copy = ['tape', 'copy', 'A1', '--pool', 'B', '--drive', 'lto1', '--to-drive', 'lto2'];
    const copied = await set.installation.run(copy, set.server.env);
    if (copied.code !== 0) throw new Error(copied.stderr);
    return { ...set, workflowId: retrievalOf(set) };
  },
};

function retrievalOf({ installation }: OwnSet): string {
  const [row] = installation.query<{ id: string }>('select id from retrievals');
  return retrievalWorkflowId(row?.id ?? '', installation.shortId);
}

async function ownSetOfTwoDrives(t: TestContext): Promise<OwnSet> {
  const source = tempFolder(t);
  const { installation } = await twoDrives(t, { MAX_GROUP_SIZE: '100KB' });
  installation.useKey(recordingKey);
  return { installation, source, server: await OwnServer.start(t, installation) };
}

async function ownSet(t: TestContext, env: Record<string, string>, serverArgs?: string[]): Promise<OwnSet> {
  const source = tempFolder(t);
  const installation = await Installation.make(t, env);
  installation.useKey(recordingKey);
  return { installation, source, server: await OwnServer.start(t, installation, serverArgs) };
}

async function withWorkers({ server }: OwnSet): Promise<void> {
  await server.worker(['archive']);
  await server.worker(['tape', '--drive', 'lto1']);
}

async function waitsForTape({ installation }: OwnSet, reason: string): Promise<void> {
  await waitFor(
    () =>
      installation.query(`select 1 from sets where state = 'waiting_for_tape' and reason like ?`, reason)
        .length === 1,
    `the set to wait because of ${reason}`,
  );
}

/**
 * Lets a set take its way to its end, and writes the history of each run of the story's workflow to
 * `PREFIX-RUN.json.gz`.
 */
export async function recordHistories(t: TestContext, story: string, prefix: string): Promise<void> {
  const set = await stories[story]?.(t);
  if (set === undefined) throw new Error(`no story ${story}`);
  await setCompletes(set);
  const { client, address } = set.server.environment;
  const workflowId = set.workflowId ?? backupWorkflowId(setId, set.installation.shortId);
  await client.workflow.getHandle(workflowId).result();
  const runs: { id: string; began: number }[] = [];
  await waitFor(async () => {
    runs.length = 0;
    for await (const { runId, startTime, status } of client.workflow.list({
      query: `WorkflowId = '${workflowId}'`,
    })) {
      if (status.name === 'RUNNING') return false;
      runs.push({ id: runId, began: startTime.getTime() });
    }
    return runs.length > 0;
  }, 'the server to list every run as ended');
  runs.sort((a, b) => a.began - b.began);
  for (const [index, run] of runs.entries()) {
    const show = ['workflow', 'show', '--output', 'json', '--address', address];
    const json = execFileSync(
      await temporalCli(),
      [...show, '--workflow-id', workflowId, '--run-id', run.id],
      {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
      },
    );
    const file = `${prefix}-${index + 1}.json.gz`;
    rmSync(file, { force: true });
    writeFileSync(file, gzipSync(JSON.stringify(JSON.parse(json)), { level: 9 }));
  }
}
