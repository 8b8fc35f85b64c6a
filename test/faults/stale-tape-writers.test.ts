import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test, type TestContext } from 'node:test';
import { FakeLtfs } from '../support/fake-ltfs.js';
import { Installation } from '../support/installation.js';
import { Cable, OwnServer, type Worker } from '../support/own-server.js';
import { beginSet, setCompletes, setId, type OwnSet } from '../support/own-set.js';
import { countEvents, waitsBecause } from '../support/set-state.js';
import {
  archivesOn,
  assertSameTree,
  mountPoint,
  noise,
  tempFolder,
  untar,
  writeTree,
  longTest,
} from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

/** A part of an attempt, in any of its rounds. */
const part = (attempt: number) => new RegExp(`_000001\\.tar\\.gz\\.\\w+-\\w+-${attempt}(\\.\\d+)?\\.part$`);

interface Operation {
  op: string;
  path: string;
  pid: number;
  /** Seconds of CLOCK_MONOTONIC. */
  t: number;
  to?: string;
}

interface Scene extends OwnSet {
  ltfs: FakeLtfs;
  operations(): Operation[];
}

/** A set whose only archive has three chunks and is written to a slow tape; its tape worker is the test's to start. */
async function slowTape(t: TestContext): Promise<Scene | undefined> {
  const ltfs = await FakeLtfs.make(t);
  if (ltfs === undefined) return undefined;
  const source = tempFolder(t);
  writeTree(source, { a: noise(20_000_000, 'stale') });
  const installation = await Installation.make(t, {
    TAPE_PATH: ltfs.mount,
    TAPE_KIND: 'ltfs',
    HEARTBEAT_SECONDS: '2',
  });
  const labelled = await installation.run(['tape', 'label', 'LTO001']);
  assert.equal(labelled.code, 0, labelled.stderr);
  const server = await OwnServer.start(t, installation);
  await server.worker(['archive']);
  ltfs.faults({ write: { delay_ms: 100, path: '.tar.gz' } });
  const operations = () => ltfs.operations() as Operation[];
  return { ltfs, installation, server, source, operations };
}

/** Waits until the first attempt writes its archive. */
function writes(scene: Scene): Promise<unknown> {
  return waitFor(
    () => scene.operations().some(({ op, path }) => op === 'write' && part(1).test(path)),
    'the write to begin',
  );
}

async function completes(scene: Scene, t: TestContext): Promise<void> {
  const { installation, ltfs, source } = scene;
  await setCompletes(scene);
  const target = tempFolder(t);
  const archives = archivesOn(ltfs.mount, setId);
  assert.equal(archives.length, 1);
  untar(archives, target);
  assertSameTree(`${target}${source}`, source, { folderTimes: false });
  assert.equal(installation.query(`select 1 from events where stage = 'committed'`).length, 1);
}

/** Every write of one attempt comes before every write of the next, and the given-up one has named nothing. */
function assertOneAfterTheOther(operations: Operation[]): void {
  const on = (attempt: number) => operations.filter(({ path }) => part(attempt).test(path));
  const last = Math.max(
    ...on(1)
      .filter(({ op }) => op === 'write')
      .map(({ t }) => t),
  );
  const first = Math.min(...on(2).map(({ t }) => t));
  assert.ok(on(2).length > 0, 'a second attempt wrote');
  assert.ok(last < first, 'no write of the first attempt after one of the second');
  assertNamedNothing(operations);
}

function assertNamedNothing(operations: Operation[]): void {
  const named = operations.filter(({ op, path }) => op === 'rename' && part(1).test(path));
  assert.deepEqual(named, [], 'the given-up attempt has named nothing');
}

async function assertRefused({ installation, server }: Scene, holder: Worker): Promise<void> {
  const { code, stderr } = await installation.run(['worker', 'tape', '--drive', 'lto1'], server.env);
  assert.equal(code, 1, stderr);
  assert.match(stderr, new RegExp(`drive lto1 .* is in use by pid ${holder.pid} \\(tape worker\\)`));
}

test(
  'a tape worker that was stopped in a write keeps the drive, writes nothing more of it when it goes on, and never publishes',
  { skip: longTest },
  async (t) => {
    const scene = await slowTape(t);
    if (scene === undefined) return;
    const { ltfs, server } = scene;
    const worker = await server.worker(['tape', '--drive', 'lto1']);
    await beginSet(scene);
    await writes(scene);
    worker.signal('SIGSTOP');
    await server.givenUp(setId, 'writeToTape');
    await worker.stopped();
    await assertRefused(scene, worker);
    const goesOn = Number(process.hrtime.bigint()) / 1e9;
    ltfs.faults({});
    worker.signal('SIGCONT');
    await completes(scene, t);
    assertOneAfterTheOther(scene.operations());
    const late = scene
      .operations()
      .filter(({ op, path, t: at }) => at > goesOn && op === 'write' && part(1).test(path));
    assert.deepEqual(late, [], 'the given-up attempt wrote nothing after it went on');
  },
);

test(
  'when a stopped tape worker is killed, another takes the drive over at once',
  { skip: longTest },
  async (t) => {
    const scene = await slowTape(t);
    if (scene === undefined) return;
    const { ltfs, server } = scene;
    const first = await server.worker(['tape', '--drive', 'lto1']);
    await beginSet(scene);
    await writes(scene);
    first.signal('SIGSTOP');
    await first.stopped();
    await assertRefused(scene, first);
    const threads = first.threads();
    await first.kill();
    ltfs.faults({});
    await server.worker(['tape', '--drive', 'lto1']);
    await completes(scene, t);
    const operations = scene.operations();
    assertOneAfterTheOther(operations);
    const began = operations.findIndex(({ path }) => part(1).test(path));
    const isFirst = operations.slice(began).map(({ pid }) => threads.includes(pid));
    assert.ok(isFirst.includes(true) && isFirst.includes(false));
    assert.deepEqual(
      isFirst,
      [...isFirst].sort().reverse(),
      'the first process, then the second, never in turns',
    );
  },
);

test(
  'a tape worker that is cut off from the server stops writing, and the archive is written anew after it',
  { skip: longTest },
  async (t) => {
    const scene = await slowTape(t);
    if (scene === undefined) return;
    const { ltfs, server } = scene;
    const cable = await Cable.to(t, server.environment.address);
    const worker = await server.worker(['tape', '--drive', 'lto1'], { TEMPORAL_ADDRESS: cable.address });
    await beginSet(scene);
    await writes(scene);
    // Slower than the worker's own giving up: 5 s after the heartbeat timeout.
    ltfs.faults({ write: { delay_ms: 800, path: '.tar.gz' } });
    cable.cut();
    await server.givenUp(setId, 'writeToTape');
    await worker.closed(part(1));
    assertNamedNothing(scene.operations());
    ltfs.faults({});
    cable.mend();
    await completes(scene, t);
    assertOneAfterTheOther(scene.operations());
  },
);

test(
  'a second path to a tape that is in use: the write there waits, names the other process, and goes on by itself',
  { skip: longTest },
  async (t) => {
    const scene = await slowTape(t);
    if (scene === undefined) return;
    if (process.getuid?.() !== 0) return t.skip('a second path to a mount needs root');
    const { installation, ltfs, server } = scene;
    const second = mountPoint(t);
    execFileSync('mount', ['--bind', ltfs.mount, second]);
    const first = await server.worker(['tape', '--drive', 'lto1']);
    await beginSet(scene);
    await writes(scene);
    first.signal('SIGSTOP');
    await server.givenUp(setId, 'writeToTape');
    await server.worker(['tape', '--drive', 'lto1'], { TAPE_PATH: second });
    const busy = `The tape in drive lto1 \\(${second}\\) is in use by pid ${first.pid} \\(tape worker of drive lto1\\)`;
    await waitsBecause(installation, setId, new RegExp(busy), 'writeToTape', server.env);
    const told = new RegExp(`now: .*${busy}.*two paths lead to one tape`);
    const tells = async () => told.test((await installation.run(['status', setId], server.env)).stdout);
    await waitFor(tells, 'status to name the other process');
    ltfs.faults({});
    first.signal('SIGCONT');
    await completes(scene, t);
    assertOneAfterTheOther(scene.operations());
    assert.equal(countEvents(installation, 'failed'), 0);
  },
);
