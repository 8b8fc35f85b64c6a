import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { loadSettings } from '../../config/settings/load-settings.js';
import { lockDrive } from '../../tape/drives/drive-lock.js';
import { FakeLtfs } from '../support/fake-ltfs.js';
import { Installation } from '../support/installation.js';
import { longTest, noise, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

/** What the display says of a step that has reported nothing for as long as a drive may take. */
const silent = /the drive lto1.* has not answered since [0-9:]{8}: it is busy with a long step, or hangs/;

/**
 * An installation with one LTFS drive whose tape takes its time, a source, and a set of it whose write to the tape
 * hangs.
 */
async function hangingSet(t: TestContext, { stays = false } = {}) {
  const ltfs = await FakeLtfs.make(t);
  if (ltfs === undefined) return undefined;
  const source = tempFolder(t);
  writeTree(source, { a: noise(3_000_000, 'hanging') });
  const installation = await Installation.make(t, {
    TAPE_PATH: ltfs.mount,
    TAPE_KIND: 'ltfs',
    DRIVE_ANSWER_SECONDS: '2',
  });
  assert.equal((await installation.run(['tape', 'label', 'LTO001'])).code, 0);
  if (stays) {
    const up = installation.start(['up']);
    await waitFor(() => up.output().includes('Ctrl-C stops'), 'server and workers to run');
  }
  const backup = installation.start(['backup', source]);
  await ltfs.hangIn('write');
  const [set] = installation.query<{ id: string }>('select id from sets');
  return { ltfs, source, installation, backup, setId: set?.id ?? '' };
}

/** How many copies of a set the catalog believes in, and its state. */
function known(installation: Installation, setId: string) {
  const [set] = installation.query<{ state: string; reason: string }>(
    'select state, reason from sets where id = ?',
    setId,
  );
  const copies = installation.query<{ state: string }>('select state from copies where set_id = ?', setId);
  return { ...set, copies: copies.map((copy) => copy.state) };
}

test(
  'a set whose drive does not answer says so, is cancelled all the same, and leaves nothing behind that counts',
  { skip: longTest },
  async (t) => {
    const hanging = await hangingSet(t, { stays: true });
    if (hanging === undefined) return;
    const { ltfs, source, installation, backup, setId } = hanging;
    const watch = installation.start(['watch', setId]);
    await waitFor(async () => silent.test((await installation.run(['status', setId])).stdout), 'status');
    await waitFor(() => silent.test(watch.output()) && silent.test(backup.output()), 'watch and backup');

    const cancelled = await installation.run(['cancel', setId]);
    assert.equal(cancelled.code, 0, cancelled.stderr);
    const before = known(installation, setId);
    assert.equal(before.state, 'cancelled');
    assert.match(before.reason ?? '', /the drive lto1.* has not answered since .* is left to end by itself/);
    assert.match(cancelled.stdout, /The drive lto1.* is left to end by itself/);
    await Promise.all([backup.ended, watch.ended]);

    // No other step begins on the drive before the one that was left behind has ended.
    const next = installation.start(['backup', source]);
    await waitFor(() => /left to end/.test(next.output()), 'the next set to say what it waits for');
    const second = installation.query<{ id: string }>('select id from sets order by id').at(-1)?.id ?? '';
    assert.deepEqual(known(installation, second).copies, []);

    ltfs.faults({});
    ltfs.goOn();
    const { code, stderr } = await next.ended;
    assert.equal(code, 0, stderr);
    assert.deepEqual(known(installation, setId), before);
    assert.equal((await installation.run(['verify', second])).code, 0);
  },
);

test(
  'Ctrl-C ends command, host and workers while a drive does not answer, and the set goes on when it does',
  { skip: longTest },
  async (t) => {
    const hanging = await hangingSet(t);
    if (hanging === undefined) return;
    const { ltfs, source, installation, backup, setId } = hanging;
    const tapeWorker = await installation.worker('lto1');
    process.kill(backup.child.pid ?? 0, 'SIGINT');
    const interrupted = await backup.ended;
    assert.match(interrupted.stdout + interrupted.stderr, /a drive or a disk may not answer/);
    assert.equal(installation.hostPid(), undefined);
    // The system ends it when the drive's call returns, and keeps its lock of the drive until then.
    const left = await installation.processes();
    assert.ok(left.length === 0 || (left.length === 1 && left[0] === tapeWorker), String(left));

    ltfs.faults({});
    ltfs.goOn();
    const again = await installation.run(['backup', source]);
    assert.equal(again.code, 0, again.stderr);
    assert.deepEqual(known(installation, setId).copies, ['committed']);
    assert.equal(installation.query('select 1 from sets').length, 1);
    assert.equal((await installation.run(['verify', setId])).code, 0);
  },
);

test(
  'a tape worker that is told to end while its drive does not answer says so and ends, with the lock of the drive until then',
  { skip: longTest },
  async (t) => {
    const hanging = await hangingSet(t);
    if (hanging === undefined) return;
    const { ltfs, installation, backup, setId } = hanging;
    const tapeWorker = await installation.worker('lto1');
    assert.ok(tapeWorker);
    process.kill(tapeWorker, 'SIGTERM');
    const sentence =
      /The drive lto1 .* has not answered since .*: its worker ends with the step writeToTape unfinished/;
    const told = new RegExp(`${sentence.source}|drive lto1 .* is in use by pid ${tapeWorker} `);
    await waitFor(() => told.test(backup.output()), 'the command to say it');
    const log = path.join(installation.dataDir, 'logs', 'tape-worker-lto1.log');
    assert.match(readFileSync(log, 'utf8'), sentence);
    await waitFor(
      async () => !(await installation.processes()).includes(tapeWorker),
      'nothing of it but the call to be left',
    );
    const settings = loadSettings(installation.env, installation.root);
    const [drive] = settings.drives;
    assert.ok(drive);
    assert.throws(() => lockDrive(settings, drive, 'test'), new RegExp(`in use by pid ${tapeWorker} `));
    ltfs.faults({});
    ltfs.goOn();
    const { code, stderr } = await backup.ended;
    assert.equal(code, 0, stderr);
    assert.deepEqual(known(installation, setId).copies, ['committed']);
  },
);
