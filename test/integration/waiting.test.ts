import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { labelFileName } from '../../tape/labels/label.js';
import { Installation } from '../support/installation.js';
import {
  archivesOn,
  assertSameTree,
  longTest,
  manyFiles,
  mountPoint,
  noise,
  tempFolder,
  untar,
  writeTree,
} from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

interface Status {
  setId: string;
  status: string;
  reason: string | null;
  stages: Record<string, number>;
}

/** Waits until the set says that it waits for a tape, with a reason that matches. */
async function waitsFor(installation: Installation, reason: RegExp): Promise<Status> {
  return waitFor(async () => {
    const row = installation.tryQuery<{ id: string; state: string; reason: string | null }>(
      'select id, state, reason from sets',
    )[0];
    if (row?.state !== 'waiting_for_tape' || !reason.test(row.reason ?? '')) return undefined;
    return installation.json<Status>(['status', row.id]);
  }, `the set to wait because of ${reason.source}`) as Promise<Status>;
}

test('no tape, no label, a foreign label, a damaged one: the set waits, says why, and goes on by itself', async (t) => {
  const source = tempFolder(t);
  const target = tempFolder(t);
  const tape = path.join(tempFolder(t), 'mount');
  const other = tempFolder(t);
  manyFiles(source, 50);
  const installation = await Installation.make(t, { TAPE_PATH: tape });
  const backup = installation.start(['backup', source]);

  const status = await waitsFor(installation, /does not exist/);
  assert.equal(status.stages['queued'] ?? 0, 1, 'the archive waits, whole, in staging');
  assert.equal(readdirSync(path.dirname(tape)).length, 0, 'nothing makes the folder');

  mkdirSync(tape);
  await waitsFor(installation, /has no label/);
  assert.deepEqual(readdirSync(tape), []);

  writeFileSync(path.join(tape, labelFileName), '{"tapeflowLabel": 1, "name": "../../etc"}');
  await waitsFor(installation, /label .* is damaged/);

  const foreign = await Installation.make(t, { TAPE_PATH: other });
  assert.equal((await foreign.run(['tape', 'label', 'FOREIGN1', '--pool', 'default'])).code, 0);
  rmSync(path.join(tape, labelFileName));
  cpSync(path.join(other, labelFileName), path.join(tape, labelFileName));
  await waitsFor(installation, /belongs to another installation/);
  assert.deepEqual(readdirSync(tape), [labelFileName], 'nothing was written to it');

  const refused = await installation.run(['tape', 'label', 'MINE01', '--pool', 'default']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /labelled FOREIGN1 by another installation/);

  rmSync(path.join(tape, labelFileName));
  const wrongPool = await installation.run(['tape', 'label', 'MINE01', '--pool', 'monthly']);
  assert.equal(wrongPool.code, 0, wrongPool.stderr);
  await waitsFor(installation, /is of pool monthly, but the set writes to pool default/);

  rmSync(tape, { recursive: true });
  await waitsFor(installation, /does not exist/);
  mkdirSync(tape);
  assert.equal((await installation.run(['tape', 'label', 'MINE02'])).code, 0);
  const { code, stdout } = await backup.ended;
  assert.equal(code, 0, stdout);
  untar(archivesOn(tape, status.setId), target);
  assertSameTree(path.join(target, source), source);
});

test(
  'a tape too small for the next archive is left, and the set goes on with the next one',
  { skip: longTest },
  async (t) => {
    if (process.getuid?.() !== 0) return t.skip('mounting a small file system needs root');
    const source = tempFolder(t);
    const target = tempFolder(t);
    const mounts = [mountPoint(t), mountPoint(t)];
    const drive = mountPoint(t);
    for (const mount of mounts) execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', mount]);
    const load = (mount: string) => execFileSync('mount', ['--bind', mount, drive]);
    const unload = () => execFileSync('umount', [drive]);
    for (let i = 0; i < 6; i += 1) writeTree(source, { [`file-${i}`]: noise(2_000_000, `small ${i}`) });
    const installation = await Installation.make(t, {
      TAPE_PATH: drive,
      MAX_GROUP_SIZE: '2MB',
      TAPE_SYNC_BYTES: '1MB',
    });
    load(mounts[0] ?? '');
    assert.equal((await installation.run(['tape', 'label', 'SMALL1'])).code, 0);
    const backup = installation.start(['backup', source]);
    const full = await waitsFor(installation, /SMALL1 is full/);
    unload();
    await waitsFor(installation, /has no label/);
    load(mounts[1] ?? '');
    assert.equal((await installation.run(['tape', 'label', 'SMALL2'])).code, 0);
    const { code, stdout } = await backup.ended;
    assert.equal(code, 0, stdout);
    const archives = mounts.flatMap((mount) => archivesOn(mount, full.setId));
    assert.equal(archives.length, 6);
    untar(archives, target);
    assertSameTree(path.join(target, source), source, { folderTimes: false });
    const tapes = await installation.json<{ tapes: string[] }>(['status', full.setId]);
    assert.deepEqual(tapes.tapes, ['SMALL1', 'SMALL2']);
  },
);

test('pause stops, resume goes on, cancel keeps what is staged, retry finishes it', async (t) => {
  const source = tempFolder(t);
  const target = tempFolder(t);
  manyFiles(source, 200, 2000);
  const tape = path.join(tempFolder(t), 'later');
  const installation = await Installation.make(t, {
    MAX_GROUP_SIZE: '100KB',
    TAPE_PATH: tape,
    STAGING_MAX_BYTES: '4MB',
  });
  const { setId } = await installation.json<Status>(['backup', source, '--detach']);
  await waitsFor(installation, /does not exist/);
  assert.equal((await installation.run(['pause', setId])).code, 0);
  assert.equal((await installation.json<Status>(['status', setId])).status, 'paused');
  await installation.run(['down']);
  const cancel = await installation.run(['cancel', setId]);
  assert.equal(cancel.code, 0, cancel.stderr);
  // The workflow that the stopped server has kept must hear it, or the set would go on with the next one.
  assert.match(cancel.stderr, /^No server runs: it is started to tell the set, and stopped again/m);
  const cancelled = await installation.json<Status>(['status', setId]);
  assert.equal(cancelled.status, 'cancelled');
  assert.ok((cancelled.stages['queued'] ?? 0) > 0);
  assert.ok(
    readdirSync(path.join(installation.stagingDir, 'final', setId)).length > 0,
    'staged archives are kept',
  );
  assert.equal((await installation.run(['cancel', setId])).code, 2, 'it has ended');

  mkdirSync(tape);
  assert.equal((await installation.run(['tape', 'label', 'T1'])).code, 0);
  assert.equal((await installation.run(['retry', setId])).code, 0);
  const { code, stdout } = await installation.run(['watch', setId]);
  assert.equal(code, 0, stdout);
  untar(archivesOn(tape, setId), target);
  assertSameTree(path.join(target, source), source, { folderTimes: false });
  await installation.run(['down']);
  await installation.quiet();
});

// A second worker that is not refused would run for ever: then the time-out is the failure.
test(
  'a second worker for a drive is refused and names the first, until that one is dead',
  { timeout: 120_000, skip: longTest },
  async (t) => {
    const source = tempFolder(t);
    manyFiles(source, 10);
    const installation = await Installation.make(t);
    await installation.json(['backup', source, '--detach']);
    const first = (await waitFor(() => installation.worker('lto1'), 'the tape worker')) as number;
    await waitFor(
      () => installation.tryQuery(`select 1 from sets where state = 'completed'`).length === 1,
      'the set to complete',
    );
    const second = await installation.run(['worker', 'tape', '--drive', 'lto1']);
    assert.equal(second.code, 1);
    assert.match(second.stderr, new RegExp(`in use by pid ${first} \\(tape worker\\)`));
    // Another data folder, the same drive: the lock is the drive's.
    const stranger = await Installation.make(t, {
      TAPE_PATH: installation.tapeDir,
      TAPEFLOW_LOCK_DIR: installation.env['TAPEFLOW_LOCK_DIR'] ?? '',
    });
    const label = await stranger.run(['tape', 'label', 'X1', '--force']);
    assert.equal(label.code, 1);
    assert.match(label.stderr, new RegExp(`in use by pid ${first} `));
    // A stopped process still holds it.
    process.kill(first, 'SIGSTOP');
    assert.match(
      (await installation.run(['worker', 'tape', '--drive', 'lto1'])).stderr,
      new RegExp(`in use by pid ${first} `),
    );
    process.kill(first, 'SIGKILL');
    const next = (await waitFor(async () => {
      const pid = await installation.worker('lto1');
      return pid === first ? undefined : pid;
    }, 'the next tape worker')) as number;
    assert.notEqual(next, first);
    await installation.run(['down']);
  },
);
