import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { IoFaults } from '../support/io-faults.js';
import { Installation } from '../support/installation.js';
import { OwnServer, type Worker } from '../support/own-server.js';
import { beginSet, needsStrace, setCompletes, setId, type OwnSet } from '../support/own-set.js';
import {
  archivesOn,
  assertSameTree,
  manyFiles,
  noise,
  tempFolder,
  untar,
  writeTree,
  longTest,
} from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

const archive = `backup_${setId}_000001.tar.gz`;

interface Scene extends OwnSet {
  temp: string;
  final: string;
}

/** @param heartbeatSeconds time after which a stopped worker's step is given to another. */
async function scene(t: TestContext, heartbeatSeconds = 2): Promise<Scene> {
  const source = tempFolder(t);
  for (const name of ['a', 'b', 'c']) writeTree(source, { [name]: noise(300_000, name) });
  const installation = await Installation.make(t, { HEARTBEAT_SECONDS: String(heartbeatSeconds) });
  const server = await OwnServer.start(t, installation);
  const folder = (name: string) => path.join(installation.stagingDir, name, setId);
  // There before the set, so that each step makes it with one call.
  for (const name of ['temp', 'final']) mkdirSync(folder(name), { recursive: true });
  return { installation, server, source, temp: folder('temp'), final: folder('final') };
}

/** The calls that open a file of a source: the native part's, and Node's. */
const opens = '/^openat2?$';

/** strace's arguments that stop the process right after its `nth` call of this kind on a path. */
function stopAt(calls: string, nth: number, where: string): string[] {
  return ['-P', where, '-e', `trace=${calls}`, '-e', `inject=${calls}:signal=SIGSTOP:when=${nth}`];
}

const stateOf = ({ installation }: Scene) =>
  installation.query<{ state: string }>('select state from groups where no = 1')[0]?.state;

async function completes(here: Scene, t: TestContext): Promise<void> {
  await setCompletes(here);
  assertWhole(here, t);
}

function assertWhole({ installation, source }: Scene, t: TestContext): void {
  const target = tempFolder(t);
  untar(archivesOn(installation.tapeDir, setId), target);
  assertSameTree(`${target}${source}`, source, { folderTimes: false });
  const stages = installation.query<{ stage: string }>(
    `select stage from events where group_no = 1 and stage in ('compressed', 'committed', 'released', 'lost', 'failed') order by id`,
  );
  assert.deepEqual(
    stages.map(({ stage }) => stage),
    ['compressed', 'committed', 'released'],
    'compressed, committed and released once, and nothing was lost',
  );
  for (const part of ['temp', 'final']) {
    const folder = path.join(installation.stagingDir, part);
    assert.deepEqual(existsSync(folder) ? readdirSync(folder) : [], [], `${part} is empty`);
  }
}

/** The stopped worker goes on, and ends with all that it had begun. */
async function goesOnToItsEnd(worker: Worker): Promise<void> {
  worker.signal('SIGCONT');
  await worker.stop();
}

test(
  'a compression that was stopped before it took the group leaves the archive alone that another has staged meanwhile',
  { skip: needsStrace || longTest },
  async (t) => {
    const here = await scene(t);
    const { server, temp, final } = here;
    // It looks for room in its folder just before it takes the group.
    const first = await server.tracedWorker(['archive'], stopAt('statfs', 1, temp));
    await beginSet(here);
    await first.stopped();
    assert.equal(stateOf(here), 'planned');
    await server.worker(['archive']);
    await waitFor(() => stateOf(here) === 'promoted', 'the second worker to take the group over');
    const staged = readFileSync(path.join(final, archive));
    await goesOnToItsEnd(first);
    assert.deepEqual(readFileSync(path.join(final, archive)), staged, 'the later archive is as it was');
    await server.worker(['tape', '--drive', 'lto1']);
    await completes(here, t);
  },
);

test(
  'a compression that was stopped in the middle publishes nothing when another has taken the group over',
  { skip: needsStrace || longTest },
  async (t) => {
    const here = await scene(t);
    const { server, source, installation, temp } = here;
    const first = await server.tracedWorker(['archive'], stopAt(opens, 1, path.join(source, 'b')));
    await beginSet(here);
    await first.stopped();
    assert.equal(readdirSync(temp).length, 2, 'its archive and manifest are being written');
    await server.worker(['archive']);
    await server.worker(['tape', '--drive', 'lto1']);
    await completes(here, t);
    const before = installation.query('select * from archives');
    await goesOnToItsEnd(first);
    assert.deepEqual(installation.query('select * from archives'), before);
    assertWhole(here, t);
  },
);

test(
  'a compression that goes on while another compresses the group leaves that one alone, and publishes nothing',
  { skip: needsStrace || longTest },
  async (t) => {
    // Long enough that a busy machine does not take the second one's step away while it is held.
    const here = await scene(t, 10);
    const faults = IoFaults.make(t);
    if (faults === undefined) return;
    const { server, source, installation, temp } = here;
    const first = await server.tracedWorker(['archive'], stopAt(opens, 1, path.join(source, 'b')));
    await beginSet(here);
    await first.stopped();
    const tokenOf = () => installation.query<{ token: string }>('select token from groups')[0]?.token;
    const token = tokenOf();
    faults.hold('read', path.join(source, 'c'));
    await server.worker(['archive'], faults.env);
    const partsOfSecond = () => {
      const now = tokenOf() ?? '';
      return now === token ? [] : readdirSync(temp).filter((name) => name.includes(`.${now}.`));
    };
    await waitFor(() => partsOfSecond().length === 2, 'the second to take over');
    await goesOnToItsEnd(first);
    assert.equal(stateOf(here), 'compressing', 'the second is still at it, and has the group still');
    // Its step may have been taken from it and begun anew by itself, when the machine was too busy for its heartbeats.
    await waitFor(() => partsOfSecond().length === 2, 'the parts of the second');
    assert.deepEqual(readdirSync(temp), partsOfSecond(), 'its parts alone are there');
    faults.none();
    await server.worker(['tape', '--drive', 'lto1']);
    await completes(here, t);
  },
);

test(
  'a promote that was stopped before it moves the files does nothing after they were released',
  { skip: needsStrace || longTest },
  async (t) => {
    const here = await scene(t);
    const { server, final } = here;
    // Its first step is a look whether the folder is there.
    const first = await server.tracedWorker(['archive'], stopAt('statx', 1, final));
    await beginSet(here);
    await first.stopped();
    assert.equal(stateOf(here), 'compressed');
    await server.worker(['archive']);
    await server.worker(['tape', '--drive', 'lto1']);
    await completes(here, t);
    await goesOnToItsEnd(first);
    assert.equal(stateOf(here), 'released');
    assertWhole(here, t);
  },
);

test('two archive workers side by side complete a set together', async (t) => {
  const faults = IoFaults.make(t);
  if (faults === undefined) return;
  const source = tempFolder(t);
  const target = tempFolder(t);
  manyFiles(source, 120, 20_000);
  const installation = await Installation.make(t, { MAX_GROUP_SIZE: '500KB', STAGING_MAX_BYTES: '10MB' });
  const server = await OwnServer.start(t, installation);
  // Of the groups that the set has compressed at once, this one takes two at most, and stands still with them.
  faults.hold('read', source);
  const first = await server.worker(['archive'], faults.env);
  await server.worker(['tape', '--drive', 'lto1']);
  const env = { ...server.env, PARALLEL_GROUPS: '4' };
  const backup = installation.start(['backup', source, '--set', setId, '--json'], env);
  await waitFor(() => /"stage":"compressing"/.test(first.output()), 'the first worker to take a group');
  const second = await server.worker(['archive']);
  const compresses = /"stage":"compressed"/;
  await waitFor(() => compresses.test(second.output()), 'the second worker to compress another');
  faults.none();
  const { code, stdout } = await backup.ended;
  assert.equal(code, 0, stdout);
  assert.match(first.output(), compresses, 'both have compressed');
  const { archives } = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as { archives: number };
  assert.equal(installation.query(`select 1 from events where stage = 'committed'`).length, archives);
  untar(archivesOn(installation.tapeDir, setId), target);
  assertSameTree(path.join(target, source), source, { folderTimes: false });
});
