import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { Installation } from '../support/installation.js';
import { IoFaults } from '../support/io-faults.js';
import { waitsForTape } from '../support/set-state.js';
import { TapeDrive } from '../support/tape-drive.js';
import {
  archivesOn,
  assertSameTree,
  longTest,
  noise,
  tempFolder,
  untar,
  writeTree,
} from '../support/trees.js';
import { assertSameOnBoth, oneDrive, twoDrives } from '../support/two-tapes.js';
import { waitFor } from '../support/wait-for.js';

/** EPERM of Linux: nothing that a tape says, so the step is at fault, and its group is parked. */
const eperm = 1;
const megabyte = 1_000_000;
const bothPools = ['--copies', '2', '--pool', 'A', '--pool', 'B'];

function filesOfTwoMegabytes(root: string, count: number, seed: string): void {
  for (let i = 0; i < count; i += 1) writeTree(root, { [`file-${i}`]: noise(2 * megabyte, `${seed} ${i}`) });
}

function committed(installation: Installation, copyNo: number): number {
  const sql = `select 1 from copies where copy_no = ? and state = 'committed'`;
  return installation.tryQuery(sql, copyNo).length;
}

/** Files on a tape that are being written. */
function partsOn(tape: string): string[] {
  const all = readdirSync(tape, { recursive: true, encoding: 'utf8' });
  return all.filter((name) => /\.tar\.gz\..*part$/.test(name));
}

function staged(installation: Installation): string[] {
  if (!existsSync(installation.stagingDir)) return [];
  const all = readdirSync(installation.stagingDir, { recursive: true, encoding: 'utf8' });
  return all.filter((name) => name.endsWith('.tar.gz'));
}

test(
  'two drives write both copies at once, each at its own pace, and only what is on both tapes is released; a kill in the middle of one does not touch the other',
  { skip: longTest },
  async (t) => {
    const faults = IoFaults.make(t);
    if (faults === undefined) return;
    const source = tempFolder(t);
    const target = tempFolder(t);
    const more = tempFolder(t);
    filesOfTwoMegabytes(source, 4, 'both');
    filesOfTwoMegabytes(more, 3, 'missing');
    const { installation, tapes } = await twoDrives(t, {
      ...{ MAX_GROUP_SIZE: '2MB', STAGING_MAX_BYTES: '40MB', RETRY_ATTEMPTS: '1', ...faults.env },
    });
    const drives = ['--drive', 'lto1', '--drive', 'lto2'];

    // The second drive stands in the middle of its first archive, the first one before it.
    faults.hold('fsync', tapes[0], 'tape-b/2026');
    const { setId } = await installation.json<{ setId: string }>([
      'backup',
      source,
      ...bothPools,
      ...drives,
      '--detach',
    ]);
    await waitFor(() => partsOn(tapes[1]).length === 1, 'the second drive to write');
    process.kill((await installation.worker('lto2')) ?? 0, 'SIGKILL');
    faults.hold('fsync', tapes[0]);
    await waitFor(
      () => committed(installation, 2) === 4,
      'the second copy to be whole, although its worker was killed',
    );
    assert.deepEqual(partsOn(tapes[1]), [], 'nothing is left of the write that was killed');
    assert.equal(committed(installation, 1), 0, 'the other drive is at its first archive');
    assert.equal(staged(installation).length, 4, 'nothing is released that is on one tape only');
    assert.deepEqual(installation.query(`select 1 from groups where state in ('committed', 'released')`), []);
    faults.none();
    const { code, stdout } = await installation.run(['watch', setId]);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /2 copies: 4 archives in pool A, 4 archives in pool B/);
    assertSameOnBoth(tapes, setId, 4);
    const traced = await installation.run(['trace', setId]);
    for (const [drive, tape] of [
      ['lto1', 'A1'],
      ['lto2', 'B1'],
    ])
      assert.match(traced.stdout, new RegExp(`Drive ${drive} mounted\\? yes, with tape ${tape}`));
    assert.deepEqual(staged(installation), []);
    untar(archivesOn(tapes[1], setId), target);
    assertSameTree(path.join(target, source), source, { folderTimes: false });

    faults.fail('fsync', 'tape-b/2026', eperm);
    const lacking = await installation.run(['backup', more, ...bothPools, ...drives]);
    assert.equal(lacking.code, 1);
    assert.match(lacking.stdout, /3 of 3 groups failed .*copy 2 of 2, to pool B: /);
    const failed =
      installation.query<{ id: string }>(`select id from sets where state = 'failed'`)[0]?.id ?? '';
    const status = await installation.run(['status', failed]);
    assert.match(status.stdout, /copy 1 of 2: pool A, drive lto1: 3 of 3 archives are committed/);
    assert.match(status.stdout, /copy 2 of 2: pool B, drive lto2: 0 of 3 archives are committed/);
    assert.equal(staged(installation).length, 3, 'what has one copy stays staged for the other');
    faults.none();
    const writes = () => installation.query(`select 1 from events where stage = 'writing'`).length;
    const before = writes();
    assert.equal((await installation.run(['retry', failed, '--detach'])).code, 0);
    assert.equal((await installation.run(['watch', failed])).code, 0);
    assert.equal(writes() - before, 3, 'only the missing copy is written');
    assertSameOnBoth(tapes, failed, 3);
    assert.deepEqual(staged(installation), []);
    await installation.run(['down']);
  },
);

test(
  'one drive fills staging, then asks once for a tape of the other pool; nothing is lost by a kill in between',
  { skip: longTest },
  async (t) => {
    const source = tempFolder(t);
    const target = tempFolder(t);
    filesOfTwoMegabytes(source, 5, 'swap');
    const { installation, drive } = await oneDrive(t, { MAX_GROUP_SIZE: '2MB', STAGING_MAX_BYTES: '6.5MB' });
    const args = ['backup', source, ...bothPools];
    const first = installation.start(args);
    await waitsForTape(
      installation,
      'sets',
      /The tape A1 is of pool A, but the set writes to pool B next \(copy 2 of 2, staging is full of what another tape already has\)\. Load a tape of pool B\./,
    );
    assert.deepEqual([committed(installation, 1), committed(installation, 2)], [3, 0]);
    assert.equal(staged(installation).length, 3, 'nothing is released that is on one tape only');
    process.kill((await installation.worker('lto1')) ?? 0, 'SIGKILL');
    drive.load('B1');
    await waitsForTape(installation, 'sets', /pool A next \(copy 1 of 2, nothing else is left to write\)/);
    assert.deepEqual(
      [committed(installation, 1), committed(installation, 2)],
      [3, 5],
      'it wrote all it had for B1',
    );
    await installation.killAll();
    await first.ended;
    const second = installation.start(args);
    await waitFor(() => second.output().includes('goes on'), 'the set to be taken up');
    await waitsForTape(installation, 'sets', /pool A next/);
    drive.load('A1');
    const { code, stdout } = await second.ended;
    assert.equal(code, 0, stdout);
    const setId = installation.query<{ id: string }>('select id from sets')[0]?.id ?? '';
    assertSameOnBoth([drive.at('A1'), drive.at('B1')], setId, 5);
    assert.deepEqual(staged(installation), []);
    untar(archivesOn(drive.at('B1'), setId), target);
    assertSameTree(path.join(target, source), source, { folderTimes: false });
  },
);

test(
  'a full tape of one copy is followed by the next of its pool, while the other copy goes on',
  { skip: longTest },
  async (t) => {
    if (process.getuid?.() !== 0) return t.skip('mounting needs root');
    const source = tempFolder(t);
    filesOfTwoMegabytes(source, 4, 'full');
    const drive = new TapeDrive(t);
    const [b1, b2] = [drive.newTape('6m'), drive.newTape('12m')];
    drive.load(b1);
    const env = { MAX_GROUP_SIZE: '2MB', STAGING_MAX_BYTES: '40MB' };
    const { installation, tapes } = await twoDrives(t, env, drive.path);
    const args = ['backup', source, ...bothPools, '--drive', 'lto1', '--drive', 'lto2', '--detach'];
    const { setId } = await installation.json<{ setId: string }>(args);
    await waitsForTape(installation, 'sets', /The tape B1 is full: .*Load another tape of pool B/);
    await waitFor(() => committed(installation, 1) === 4, 'the first copy to be whole');
    drive.swap(b2);
    const label = ['tape', 'label', 'B2', '--pool', 'B', '--drive', 'lto2'];
    assert.equal((await installation.run(label)).code, 0);
    assert.equal((await installation.run(['watch', setId])).code, 0);
    const onB = [...archivesOn(b1, setId), ...archivesOn(b2, setId)];
    const onA = archivesOn(tapes[0], setId);
    assert.deepEqual(
      onB.map((file) => readFileSync(file).toString('latin1')),
      onA.map((file) => readFileSync(file).toString('latin1')),
      'every archive is on one tape of each pool, byte for byte',
    );
    assert.deepEqual(staged(installation), []);
    await installation.run(['down']);
  },
);
