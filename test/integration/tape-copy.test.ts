import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { backedUp, waitsForTape } from '../support/set-state.js';
import {
  archivesOn,
  assertSameTree,
  flipBit,
  longTest,
  noise,
  tempFolder,
  writeTree,
} from '../support/trees.js';
import { assertSameOnBoth, oneDrive, twoDrives } from '../support/two-tapes.js';

interface Summary {
  id: string;
  status: string;
  archives: number;
  restored: number;
  problems: number;
  tapes: string[];
}

const exactly = { folderTimes: true };

function source(root: string, count: number): string {
  for (let i = 0; i < count; i += 1) writeTree(root, { [`file-${i}`]: noise(2_000_000, `copied ${i}`) });
  return root;
}

test(
  'a later copy is made through one drive in turns, survives a kill, and stands for the first tape when that is gone',
  { skip: longTest },
  async (t) => {
    const from = source(tempFolder(t), 3);
    const target = tempFolder(t);
    const { installation, drive } = await oneDrive(t, { MAX_GROUP_SIZE: '2MB', STAGING_MAX_BYTES: '4.5MB' });
    const setId = await backedUp(installation, from, '--pool', 'A');
    const args = ['tape', 'copy', setId, '--pool', 'B'];
    const first = installation.start(args);
    await waitsForTape(
      installation,
      'retrievals',
      /The tape A1 is of pool A, but the set writes to pool B next \(copy 2 of group 1 of set .*\)\. Load a tape of pool B/,
    );
    assert.equal(
      readdirSync(path.join(installation.stagingDir, 'copy', 'copy-000001')).length,
      4,
      'two fit in staging',
    );
    await installation.killAll();
    await first.ended;
    drive.load('B1');
    const second = installation.start(args);
    await waitsForTape(installation, 'retrievals', /The tape B1 is in drive lto1, but A1 is wanted/);
    assert.match(second.output(), /Copy of .* goes on/);
    const status = await installation.run(['status', 'copy-000001']);
    assert.match(status.stdout, /copy-000001: waiting for tape \(.*A1 is wanted.*\)/);
    drive.load('A1');
    await waitsForTape(installation, 'retrievals', /The tape A1 is of pool A/);
    drive.load('B1');
    const { code, stdout } = await second.ended;
    assert.equal(code, 0, stdout);
    assertSameOnBoth([drive.at('A1'), drive.at('B1')], setId, 3);
    assert.equal(existsSync(path.join(installation.stagingDir, 'copy', 'copy-000001')), false);

    const again = await installation.run(args);
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, /All 3 archives of .* are on tapes of pool B already/);
    rmSync(drive.at('A1'), { recursive: true });
    const restored = await installation.json<Summary>(['restore', setId, '--target', target]);
    assert.deepEqual([restored.status, restored.tapes], ['completed', ['B1']], 'the tape that is at hand');
    assertSameTree(path.join(target, from), from, exactly);
  },
);

test('a damaged archive is read from the other copy in the middle of a restore, and is repaired by a verify', async (t) => {
  const from = source(tempFolder(t), 3);
  const target = tempFolder(t);
  const { installation, tapes } = await twoDrives(t, { MAX_GROUP_SIZE: '4.5MB' });
  const setId = await backedUp(installation, from, '--pool', 'A');
  const copied = await installation.json<Summary>([
    ...['tape', 'copy', 'A1', '--pool', 'B', '--drive', 'lto1', '--to-drive', 'lto2'],
  ]);
  assert.deepEqual([copied.status, copied.archives], ['completed', 2]);
  assertSameOnBoth(tapes, setId, 2);
  const [archive = ''] = archivesOn(tapes[0], setId);
  flipBit(archive, 2_500_000);

  const swap = () => {
    const [a, b] = tapes;
    for (const [here, there] of [
      [a, `${a}.out`],
      [b, a],
      [`${a}.out`, b],
    ] as const)
      renameSync(here, there);
  };
  const restored = await installation.json<Summary>(['restore', setId, '--target', target]);
  assert.deepEqual(
    [restored.status, restored.restored, restored.problems, restored.tapes],
    ['completed', 4, 0, ['A1', 'B1']],
    'the other copy is in the other drive: nobody is asked for it',
  );
  assertSameTree(path.join(target, from), from, exactly);

  const good = readFileSync(archivesOn(tapes[1], setId)[0] ?? '');
  assert.ok(!readFileSync(archive).equals(good));
  const trace = await installation.run(['trace', path.basename(archive)]);
  assert.match(trace.stdout, /Copy 1: yes: tape A1, .*BUT it is damaged: .*block \d of \d is damaged/);
  assert.match(trace.stdout, /Copy 2: yes: tape B1/);
  const list = await installation.run(['tape', 'list']);
  assert.match(list.stdout, /A1 +A +usable .* 2 \(1 damaged\)/);
  const repair = ['verify', 'A1', '--repair', '--drive', 'lto1', '--to-drive', 'lto1'];
  const repairing = installation.start(repair);
  await waitsForTape(installation, 'retrievals', /A1 is in drive lto1, but B1 is wanted/);
  swap();
  await waitsForTape(installation, 'retrievals', /The tape B1 is of pool B, but the set writes to pool A/);
  swap();
  const repaired = await repairing.ended;
  assert.equal(repaired.code, 0, repaired.stdout);
  assert.ok(readFileSync(archive).equals(good), 'written anew, byte for byte');
  const copies = installation.query<{ copy_no: number; state: string; damage: string | null }>(
    'select copy_no, state, damage is not null as damage from copies where group_no = 1 order by copy_no',
  );
  assert.deepEqual(copies, [
    { copy_no: 1, state: 'lost', damage: 1 },
    { copy_no: 2, state: 'committed', damage: 0 },
    { copy_no: 3, state: 'committed', damage: 0 },
  ]);

  const preview = await installation.run(['tape', 'lost', 'A1']);
  assert.match(preview.stdout, /would leave every set restorable/);
  assert.match(preview.stderr, /Nothing was changed: `tapeflow tape lost A1 --yes` does it/);
  assert.equal(preview.code, 0);
  assert.equal((await installation.run(['tape', 'lost', 'B1', '--yes'])).code, 0);
  const alone = await installation.run(['tape', 'lost', 'A1']);
  assert.match(alone.stdout, /would leave no copy of groups 1–2 of set /);
  const tapesOf = async () => (await installation.json<{ tapes: string[] }>(['status', setId])).tapes;
  assert.deepEqual(await tapesOf(), ['A1'], 'a lost tape holds nothing of the set');
  const refused = await installation.run(['verify', 'B1']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /The tape B1 is marked as lost, .*`tapeflow tape found B1`/);
  assert.equal((await installation.run(['tape', 'lost', 'A1', '--yes'])).code, 0);
  assert.match((await installation.run(['sets'])).stdout, /completed, 2 of 2 groups LOST/);
  assert.deepEqual(await tapesOf(), []);
  assert.match(
    (await installation.run(['verify', setId])).stderr,
    /Every tape that held the set .* is marked as lost/,
  );
  assert.match(
    (await installation.run(['status', setId])).stdout,
    /2 of 2 groups were on lost tapes only: 1–2/,
  );
  const gone = await installation.run(['restore', setId, '--target', tempFolder(t)]);
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /Group 1 of set .* is on no tape: it was on A1 and B1, now lost/);
  assert.equal((await installation.run(['tape', 'found', 'B1'])).code, 0);
  const rest = tempFolder(t);
  const other = await installation.json<Summary>(['restore', setId, '--target', rest, '--drive', 'lto2']);
  assert.deepEqual([other.status, other.tapes], ['completed', ['B1']]);
  assertSameTree(path.join(rest, from), from, exactly);
});
