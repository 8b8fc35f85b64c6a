import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Installation } from './installation.js';
import { IoFaults } from './io-faults.js';
import { OwnServer } from './own-server.js';
import { beginSet, setCompletes, setId, type OwnSet } from './own-set.js';
import { SmallDisk } from './small-disk.js';
import { oneDrive, twoDrives } from './two-tapes.js';
import { manyFiles, mountPoint, noise, tempFolder, writeTree } from './trees.js';
import { waitFor } from './wait-for.js';

/** The key of every installation whose histories are recorded: they replay with no other. */
export const recordingKey = 'c0'.repeat(32);

/**
 * Lets the workflows take every way that a replay must know. A story is over when its sets have ended, and all else
 * that its server runs.
 */
export const stories: Record<string, (t: TestContext) => Promise<OwnSet>> = {
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
    await beginSet(set, [...twoCopies, '--drive', 'lto1', '--drive', 'lto2']);
    return set;
  },

  restored: async (t) => {
    const set = await ownSet(t, { MAX_GROUP_SIZE: '100KB' });
    manyFiles(set.source, 150, 2000);
    await withWorkers(set);
    await beginSet(set);
    await setCompletes(set);
    await succeed(set, 'restore', setId, '--target', path.join(set.installation.root, 'target'));
    return set;
  },

  copied: async (t) => {
    const set = await ownSetOfTwoDrives(t);
    manyFiles(set.source, 150, 2000);
    await withWorkers(set);
    await set.server.worker(['tape', '--drive', 'lto2']);
    await beginSet(set, ['--pool', 'A']);
    await setCompletes(set);
    await succeed(set, 'tape', 'copy', 'A1', '--pool', 'B', '--drive', 'lto1', '--to-drive', 'lto2');
    return set;
  },

  'two-copies-one-drive': async (t) => {
    const source = tempFolder(t);
    const { installation, drive } = await oneDrive(t, { MAX_GROUP_SIZE: '100KB' });
    installation.useKey(recordingKey);
    const set = { installation, source, server: await OwnServer.start(t, installation) };
    manyFiles(source, 100, 2000);
    await withWorkers(set);
    await beginSet(set, twoCopies);
    await waitsForTape(set, '%pool B next%');
    drive.load('B1');
    return set;
  },

  direct: async (t) => {
    const set = await ownSet(t, { MAX_GROUP_SIZE: '100KB' });
    manyFiles(set.source, 150, 2000);
    await withWorkers(set);
    await beginSet(set, ['--direct']);
    return set;
  },

  'any-drive': async (t) => {
    const set = await ownSetOfTwoDrives(t);
    manyFiles(set.source, 100, 2000);
    await withWorkers(set);
    await set.server.worker(['tape', '--drive', 'lto2']);
    await beginSet(set, ['--pool', 'A']);
    await setCompletes(set);
    await succeed(set, 'verify', setId);
    return set;
  },

  scheduled: async (t) => {
    const set = await ownSet(t, { MAX_GROUP_SIZE: '100KB' });
    const { source } = set;
    manyFiles(source, 50, 2000);
    await withWorkers(set);
    const yearly = ['--cron', '0 0 1 1 *', '--'];
    await succeed(set, 'schedule', 'add', 'nightly', ...yearly, 'backup', source);
    await succeed(set, 'schedule', 'add', 'check', ...yearly, 'verify', '--latest', source);
    for (const [name, count] of [
      ['nightly', `select count(*) as n from sets where state = 'completed'`],
      ['check', `select count(*) as n from retrievals where state = 'completed'`],
    ] as const) {
      await succeed(set, 'schedule', 'run', name);
      await waitFor(
        () => set.installation.query<{ n: number }>(count)[0]?.n === 1,
        `what the schedule ${name} has begun`,
      );
    }
    return set;
  },

  'tape-commands': async (t) => {
    const tape = path.join(tempFolder(t), 'tape');
    mkdirSync(tape);
    const set = await ownSet(t, { TAPE_PATH: tape });
    writeTree(set.source, { file: noise(50_000, 'file') });
    await withWorkers(set);
    await succeed(set, 'tape', 'label', 'TAPE1');
    await beginSet(set);
    await setCompletes(set);
    await succeed(set, 'tape', 'catalog');
    await succeed(set, 'tape', 'erase', 'TAPE1', '--yes', '--even-unexpired');
    return set;
  },
};

/** For `beginSet`: a copy in each of two pools. */
const twoCopies = ['--copies', '2', '--pool', 'A', '--pool', 'B'];

async function succeed({ installation, server }: OwnSet, ...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await installation.run(args, server.env);
  if (code !== 0) throw new Error(`${args.join(' ')}: ${stdout}${stderr}`);
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
