import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { waitsForTape } from '../support/set-state.js';
import { longTest, noise, tempFolder, writeTree } from '../support/trees.js';
import { oneDrive } from '../support/two-tapes.js';
import { waitFor } from '../support/wait-for.js';

/** Alters a byte in the middle of an archive of a set on a tape. */
function damage(tape: string, setId: string, group: 1 | 2): void {
  const folder = path.join(tape, setId);
  const name = readdirSync(folder).find((one) => one.endsWith(`_00000${group}.tar.gz`)) ?? '';
  const bytes = readFileSync(path.join(folder, name));
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 0xff;
  writeFileSync(path.join(folder, name), bytes);
}

test('a set with --verify says what was read back; it is complete before, and the verify survives a kill of all', async (t) => {
  const source = tempFolder(t);
  writeTree(source, { one: noise(200_000, 'one'), two: noise(200_000, 'two') });
  const { installation, drive } = await oneDrive(t, { MAX_GROUP_SIZE: '200KB' });
  await installation.keepUp();
  const pools = ['--copies', '2', '--pool', 'A', '--pool', 'B'];
  const one = ['backup', source, '--pool', 'A'];
  const first = await installation.json<{ status: string; verified: boolean }>([...one, '--verify']);
  assert.deepEqual([first.status, first.verified], ['completed', true]);
  assert.equal((await installation.json<{ verified: boolean }>(one)).verified, false);
  assert.equal(installation.query('select 1 from retrievals').length, 1);
  assert.match(
    (await installation.run([...one, '--verify'])).stdout,
    /Set \S+ is verified: 2 archives are as written/,
  );

  const { setId } = await installation.json<{ setId: string }>([
    ...['backup', source, ...pools, '--verify', '--detach'],
  ]);
  await waitsForTape(installation, 'sets', /pool B/);
  drive.load('B1');
  await waitsForTape(installation, 'retrievals', /A1/);
  const known = () =>
    installation.query('select copy_no from copies where verified_at is not null and set_id = ?', setId);
  assert.deepEqual(installation.query('select state from sets where id = ?', setId), [
    { state: 'completed' },
  ]);
  assert.deepEqual(known(), [{ copy_no: 2 }, { copy_no: 2 }], 'the tape in the drive is read first');

  await installation.killAll();
  damage(drive.at('A1'), setId, 1);
  await installation.keepUp();
  const verifying = installation.start(['verify', setId]);
  const goesOn = /Verify of \S+ \(verify-000003\) goes on/;
  await waitFor(() => goesOn.test(verifying.output()), 'the verify to go on');
  drive.load('A1');
  const verify = await verifying.ended;
  assert.equal(verify.code, 1, verify.stderr);
  assert.match(
    (await installation.run(['status', setId])).stdout,
    /verified: +4 of 4 copies; 1 copy is DAMAGED/,
  );

  await t.test(
    'what a tape has goes to another one of its pool; then it may be erased',
    { skip: longTest },
    async () => {
      drive.load('B1');
      const erase = ['tape', 'erase', 'B1'];
      assert.match((await installation.run(erase)).stderr, /would be refused: The tape B1 is not recyclable/);
      const planned = await installation.run(['tape', 'repack', 'B1', '--dry-run']);
      assert.match(
        planned.stdout,
        /Of tape B1, 2 archives of .* would be copied to other tapes of pool B, in about/,
      );
      const repacking = installation.start(['tape', 'repack', 'B1']);
      await waitsForTape(installation, 'retrievals', /pool B/);
      drive.load('B2');
      assert.equal((await installation.run(['tape', 'label', 'B2', '--pool', 'B'])).code, 0);
      const repacked = await repacking.ended;
      assert.equal(repacked.code, 0, repacked.stderr);
      assert.match(
        repacked.stdout,
        /Nothing on tape B1 is needed any more: `tapeflow tape erase B1 --yes` erases it/,
      );
      drive.load('B1');
      const erased = await installation.run([...erase, '--yes']);
      assert.equal(erased.code, 0, erased.stderr);
      drive.load('B2');
      assert.equal((await installation.run(['verify', 'B2'])).code, 0);
    },
  );
  const slices =
    'a slice of all tapes reads what is in the drive, and what it finds damaged is written again';
  await t.test(slices, { skip: longTest }, async () => {
    damage(drive.path, setId, 2);
    const slice = ['--cron', '0 3 * * *', '--', 'verify', '--each-within', '1s', '--for', '1h', '--repair'];
    assert.equal((await installation.run(['schedule', 'add', 'slices', ...slice])).code, 0);
    assert.equal((await installation.run(['schedule', 'run', 'slices'])).code, 0);
    await waitsForTape(installation, 'retrievals', /A1/);
    drive.load('A1');
    await waitsForTape(installation, 'retrievals', /pool B/);
    drive.load('B1');
    const last = () =>
      installation
        .query<{ id: string; state: string }>('select id, state from retrievals order by created_at')
        .at(-1);
    await waitFor(() => last()?.state === 'completed', 'what is damaged to be written again');
    assert.match(last()?.id ?? '', /^copy-/);
    assert.match(
      (await installation.run(['schedule', 'list'])).stdout,
      new RegExp(`slices .*completed \\(${last()?.id ?? ''}\\)`),
    );
  });
});
