/** A restore whose target is on another host than the drive: its disk is full, and its processes are killed. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { buildShim, FaultShim } from '../support/fault-shim.js';
import { noPostgres } from '../support/postgres.js';
import { SmallDisk } from '../support/small-disk.js';
import { assertSameTree, longTest, noise, settled, tempFolder, writeTree } from '../support/trees.js';
import { TwoHosts } from '../support/two-hosts.js';
import { waitFor } from '../support/wait-for.js';

const built = buildShim();
const library = 'library' in built ? built.library : '';

/** A set of 20 files on the tape of host b, in groups of one or two, and the workers of both hosts. */
async function storedOnB(t: TestContext) {
  const hosts = await TwoHosts.make(t, { HEARTBEAT_SECONDS: '2' });
  await hosts.worker('a', 'archive');
  hosts.shareKey();
  await hosts.worker('b', 'archive');
  const drive = await hosts.worker('b', 'tape', '--drive', 'vault');
  await hosts.ask('a', 'tape', 'label', 'T1', '--drive', 'vault', '--pool', 'default');
  const source = tempFolder(t);
  writeTree(
    source,
    Object.fromEntries(Array.from({ length: 20 }, (_, no) => [`d/${no}`, noise(50_000, String(no))])),
  );
  await settled(source);
  const { setId } = await hosts.ask<{ setId: string }>('a', 'backup', source, '--drive', 'vault');
  /** What the catalog and staging hold for restores. */
  const state = async () => {
    const sql = 'select state, reason from retrievals order by id desc limit 1';
    const [row] = await hosts.postgres.query<{ state: string; reason: string | null }>(sql, hosts.catalog);
    return row;
  };
  const staged = async () => {
    const [row] = await hosts.postgres.query<{ held: string }>(
      'select coalesce(sum(reserved), 0) as held from retrieval_archives',
      hosts.catalog,
    );
    const folder = path.join(hosts.server.installation.stagingDir, 'copy');
    return { held: Number(row?.held), files: existsSync(folder) ? readdirSync(folder) : [] };
  };
  return { hosts, drive, source, setId, state, staged };
}

/** Each file of a target has its name only when it is whole; says how many have theirs. */
function assertNothingHalf(target: string, source: string): number {
  const folder = path.join(target, source, 'd');
  const names = readdirSync(folder).filter((name) => !name.endsWith('.part'));
  for (const name of names)
    assert.deepEqual(readFileSync(path.join(folder, name)), readFileSync(path.join(source, 'd', name)), name);
  return names.length;
}

test(
  'a full disk on the target’s host is named, with its room; the restore goes on once there is room',
  { skip: noPostgres || longTest },
  async (t) => {
    const disk = SmallDisk.make(t, 500_000);
    if (disk === undefined) return;
    const { hosts, source, setId, state, staged } = await storedOnB(t);
    const args = ['restore', setId, '--to', `a:${disk.folder}`, '--json'];
    const refused = await hosts.run('b', ...args);
    assert.match(
      refused.stdout + refused.stderr,
      /On host a: The restore needs 1 MB, but only [\d.]+ kB are free/,
    );
    const restore = hosts.server.installation.start([...args, '--no-room-check'], hosts.of('b'));
    await waitFor(async () => (await state())?.state === 'waiting_for_tape', 'the restore to wait for room');
    assert.match(
      (await state())?.reason ?? '',
      new RegExp(
        `^The target ${disk.folder} on host a takes no more: .*ENOSPC.*; [\\d.]+ k?B are free there, for .* at most\\. ` +
          'Make room there: the restore goes on by itself; `tapeflow cancel` ends it',
      ),
    );
    assert.ok(assertNothingHalf(disk.folder, source) > 0);
    assert.ok((await staged()).held > 0, 'what is staged is counted');
    execFileSync('mount', ['-o', 'remount,size=3000000', disk.folder]);
    const { code, stdout, stderr } = await restore.ended;
    assert.equal(code, 0, stdout + stderr);
    assertSameTree(path.join(disk.folder, source), source, { folderTimes: true, nearTimes: true });
    assert.deepEqual(await staged(), { held: 0, files: [] });
  },
);

test(
  'a restore that waits for room on the target’s host is cancelled, and leaves nothing in staging',
  { skip: noPostgres || longTest },
  async (t) => {
    const disk = SmallDisk.make(t, 500_000);
    if (disk === undefined) return;
    const { hosts, source, setId, state, staged } = await storedOnB(t);
    const args = ['restore', setId, '--to', `a:${disk.folder}`, '--no-room-check'];
    const restore = hosts.server.installation.start(args, hosts.of('b'));
    await waitFor(async () => (await state())?.state === 'waiting_for_tape', 'the restore to wait for room');
    await hosts.ask('b', 'cancel', 'restore-000001');
    await restore.ended;
    assertNothingHalf(disk.folder, source);
    assert.deepEqual((await staged()).files, []);
  },
);

test(
  'the worker that unpacks on the target’s host, and the drive’s, are killed while a restore runs: it goes on',
  { skip: noPostgres || longTest || ('missing' in built ? built.missing : false) },
  async (t) => {
    const { hosts, drive, source, setId, staged } = await storedOnB(t);
    const staging = hosts.server.installation.stagingDir;
    const target = path.join(tempFolder(t), 'target');
    mkdirSync(target);
    const shimFor = (name: string, folder: string) =>
      new FaultShim(library, tempFolder(t), name, { folders: [folder], commits: '' });
    const [unpacking, reading] = [shimFor('unpacking', target), shimFor('reading', staging)];
    // Only these two carry the shim: other workers of their queues would take the steps.
    for (const worker of hosts.workersOf('a', 'archive')) await worker.stop();
    await drive.stop();
    let unpacker = await hosts.workerWith(unpacking.env, 'a', 'archive');
    let reader = await hosts.workerWith(reading.env, 'b', 'tape', '--drive', 'vault');
    unpacking.arm({ action: 'killBefore', operation: 'write', path: `${target}*/d/*`, at: 5, pids: [-1] });
    reading.arm({ action: 'killBefore', operation: 'rename', path: `${staging}/copy/*`, at: 4, pids: [-1] });
    const restore = hosts.server.installation.start(
      ['restore', setId, '--to', `a:${target}`, '--json'],
      hosts.of('b'),
    );
    const again = async () => {
      await unpacker.ended;
      assert.ok(assertNothingHalf(target, source) < 20);
      unpacker = await hosts.worker('a', 'archive');
      await reader.ended;
      assertNothingHalf(target, source);
      reader = await hosts.worker('b', 'tape', '--drive', 'vault');
    };
    await again();
    const { code, stdout, stderr } = await restore.ended;
    assert.equal(code, 0, stdout + stderr);
    const { restored, same } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, number>;
    assert.equal((restored ?? 0) + (same ?? 0) >= 20, true, stdout);
    assertSameTree(path.join(target, source), source, { folderTimes: true, nearTimes: true });
    assert.deepEqual(await staged(), { held: 0, files: [] });
  },
);
