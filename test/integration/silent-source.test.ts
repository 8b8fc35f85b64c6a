import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { FakeLtfs } from '../support/fake-ltfs.js';
import { Installation } from '../support/installation.js';
import { longTest, noise, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

/** An installation with a source on a file system that can be made to hang, and one on this machine's disk. */
async function withSource(t: TestContext) {
  const mount = await FakeLtfs.make(t);
  if (mount === undefined) return undefined;
  t.after(() => mount.goOn());
  const installation = await Installation.make(t, { DRIVE_ANSWER_SECONDS: '2', PARALLEL_GROUPS: '1' });
  const [source, local] = [path.join(mount.mount, 'share'), tempFolder(t)];
  mkdirSync(source);
  writeTree(source, { a: noise(3_000_000, 'a'), b: noise(3_000_000, 'b') });
  writeTree(local, { c: noise(1000, 'c') });
  const silent = new RegExp(
    `the source ${source} has not answered since [0-9:]{8}: it is busy with a long step, or hangs`,
  );
  const lastSet = () => {
    type Row = { id: string; state: string; reason: string | null };
    const [set] = installation.tryQuery<Row>('select id, state, reason from sets order by id desc limit 1');
    return set ?? { id: '', state: '', reason: null };
  };
  return { mount, installation, source, local, silent, lastSet };
}

test(
  'a set whose source does not answer says so, is paused and cancelled all the same, and holds up no other; taken up again it waits for the source',
  { skip: longTest },
  async (t) => {
    const made = await withSource(t);
    if (made === undefined) return;
    const { mount, installation, source, local, silent, lastSet } = made;
    const up = installation.start(['up']);
    await waitFor(() => up.output().includes('Ctrl-C stops'), 'server and workers to run');
    mount.faults({ read: { delay_ms: 300 } });
    const backup = installation.start(['backup', source]);
    await waitFor(
      () => installation.tryQuery(`select 1 from events where stage = 'compressing'`).length > 0,
      'the compression to begin',
    );
    mount.hang();
    const { id } = lastSet();
    await waitFor(async () => silent.test((await installation.run(['status', id])).stdout), 'status');
    await waitFor(() => silent.test(backup.output()), 'the command that follows');
    assert.equal((await installation.run(['pause', id])).code, 0);
    assert.equal(lastSet().state, 'paused');

    const cancelled = await installation.run(['cancel', id]);
    assert.equal(cancelled.code, 0, cancelled.stderr);
    assert.match(
      cancelled.stdout,
      new RegExp(`The source ${source} has not answered since .* is left to end`),
    );
    const ended = lastSet();
    assert.equal(ended.state, 'cancelled');
    assert.match(
      ended.reason ?? '',
      new RegExp(`the source ${source} has not answered since .* is left to end`),
    );
    await backup.ended;

    // One group is compressed at a time, and what hangs holds no place.
    const other = await installation.run(['backup', local]);
    assert.equal(other.code, 0, other.stderr);
    const again = installation.start(['retry', id]);
    await waitFor(
      async () => /left to end by itself/.test((await installation.run(['status', id])).stdout),
      'the set that is taken up again to say what it waits for',
    );
    mount.faults({});
    mount.goOn();
    const { code, stderr } = await again.ended;
    assert.equal(code, 0, stderr);
    const copies = installation.query<{ state: string }>('select state from copies where set_id = ?', id);
    assert.deepEqual(copies, [{ state: 'committed' }]);
    assert.equal((await installation.run(['verify', id])).code, 0);
  },
);

test(
  'Ctrl-C ends command, host and workers while a scan waits for its source, and the set goes on when that answers',
  { skip: longTest },
  async (t) => {
    const made = await withSource(t);
    if (made === undefined) return;
    const { mount, installation, source, silent, lastSet } = made;
    mount.faults({ getattr: { delay_ms: 500, path: 'share/' } });
    const backup = installation.start(['backup', source]);
    await waitFor(() => lastSet().state === 'scanning', 'the set to be there');
    const archiveWorker = await waitFor(() => installation.worker('archive'), 'the archive worker');
    mount.hang();
    await waitFor(() => silent.test(backup.output()), 'the command to say it');
    process.kill(backup.child.pid ?? 0, 'SIGINT');
    await backup.ended;
    assert.equal(installation.hostPid(), undefined);
    // The system ends it when its call returns.
    const left = await installation.processes();
    assert.ok(left.length === 0 || (left.length === 1 && left[0] === archiveWorker), String(left));
    const log = readFileSync(path.join(installation.dataDir, 'logs', 'archive-worker.log'), 'utf8');
    assert.match(
      log,
      new RegExp(`The source ${source} has not answered since .*: the archive worker ends with`),
    );

    mount.faults({});
    mount.goOn();
    const again = await installation.run(['backup', source]);
    assert.equal(again.code, 0, again.stderr);
    assert.equal(installation.query('select 1 from sets').length, 1);
    assert.equal((await installation.run(['verify', lastSet().id])).code, 0);
  },
);
