import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { FakeLtfs } from '../support/fake-ltfs.js';
import { Installation } from '../support/installation.js';
import {
  archivesOn,
  assertSameTree,
  longTest,
  manyFiles,
  noise,
  tempFolder,
  untar,
  writeTree,
} from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

interface Result {
  setId: string;
  status: string;
  archives: number;
}

test('an LTFS tape: what is committed survives the death of the ltfs process, because its index was synced first', async (t) => {
  const ltfs = await FakeLtfs.make(t);
  if (ltfs === undefined) return;
  const source = tempFolder(t);
  const target = tempFolder(t);
  manyFiles(source, 300, 2000);
  const installation = await Installation.make(t, {
    TAPE_PATH: ltfs.mount,
    TAPE_KIND: 'ltfs',
    MAX_GROUP_SIZE: '100KB',
    // More than there is: all archives are staged before the first is written, however slow the machine is.
    STAGING_MAX_BYTES: '10MB',
    TAPE_DRAIN_AT: '10MB',
  });
  const label = await installation.run(['tape', 'label', 'LTO001']);
  assert.equal(label.code, 0, label.stderr);
  const result = await installation.json<Result>(['backup', source]);
  assert.equal(result.status, 'completed');
  await installation.quiet();
  assert.deepEqual(readdirSync(path.join(installation.stagingDir, 'final')), [], 'everything was released');

  // No clean unmount: whatever no index sync covered is gone now.
  await ltfs.kill();
  ltfs.unmount();
  await ltfs.load();
  const archives = archivesOn(ltfs.mount, result.setId);
  assert.equal(archives.length, result.archives);
  untar(archives, target);
  assertSameTree(path.join(target, source), source, { folderTimes: false });

  const syncs = ltfs.operations().filter(({ op }) => op === 'sync').length;
  assert.ok(
    syncs < result.archives,
    `${syncs} index syncs for ${result.archives} archives: they are batched`,
  );
});

test('the ltfs process dies before the sync: nothing is released, and it is written again after the next mount', async (t) => {
  const ltfs = await FakeLtfs.make(t);
  if (ltfs === undefined) return;
  const source = tempFolder(t);
  const target = tempFolder(t);
  for (let i = 0; i < 4; i += 1) writeTree(source, { [`f${i}`]: noise(900_000, `ltfs ${i}`) });
  const installation = await Installation.make(t, {
    TAPE_PATH: ltfs.mount,
    TAPE_KIND: 'ltfs',
    MAX_GROUP_SIZE: '1MB',
    STAGING_MAX_BYTES: '10MB',
  });
  assert.equal((await installation.run(['tape', 'label', 'LTO002'])).code, 0);
  // The first index sync hangs long enough to be killed in.
  ltfs.faults({ sync: { delay_ms: 60_000 } });
  const backup = installation.start(['backup', source]);
  await waitFor(
    () => installation.tryQuery(`select 1 from copies where state = 'written'`).length >= 1,
    'a written archive',
  );
  await ltfs.kill();
  const waits = () =>
    installation.query<{ state: string; reason: string }>('select state, reason from sets')[0];
  await waitFor(() => waits()?.state === 'waiting_for_tape', 'the set to wait');
  assert.match(waits()?.reason ?? '', /LTFS process .*has died|went out of the drive/);
  assert.equal(installation.query(`select 1 from copies where state = 'committed'`).length, 0);
  const setId = installation.query<{ id: string }>('select id from sets')[0]?.id ?? '';
  await waitFor(
    () => readdirSync(path.join(installation.stagingDir, 'final', setId)).length === 8,
    'every archive and manifest to be staged',
  );

  ltfs.unmount();
  assert.deepEqual(readdirSync(ltfs.mount), [], 'nothing was written into the bare folder');
  ltfs.faults({});
  await ltfs.load();
  const tape = installation.query<{ state: string }>('select state from tapes')[0];
  assert.equal(tape?.state, 'usable', 'a dead process says nothing against the tape: no person is needed');
  const { code, stdout } = await backup.ended;
  assert.equal(code, 0, stdout);
  untar(archivesOn(ltfs.mount, setId), target);
  assertSameTree(path.join(target, source), source, { folderTimes: false });
  const names = readdirSync(path.join(ltfs.mount, setId));
  assert.equal(names.length, 9, 'with the end mark');
});

test(
  'a plain folder is no LTFS tape, and a permanent write error makes the set ask for another tape',
  { skip: longTest },
  async (t) => {
    const ltfs = await FakeLtfs.make(t);
    if (ltfs === undefined) return;
    const source = tempFolder(t);
    writeTree(source, { a: noise(2_000_000, 'a') });
    const bare = tempFolder(t);
    const plain = await Installation.make(t, { TAPE_PATH: bare, TAPE_KIND: 'ltfs' });
    const refused = await plain.run(['tape', 'label', 'X1']);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /No tape is mounted in drive lto1: .* is a plain folder/);
    assert.deepEqual(readdirSync(bare), []);

    const installation = await Installation.make(t, { TAPE_PATH: ltfs.mount, TAPE_KIND: 'ltfs' });
    assert.equal((await installation.run(['tape', 'label', 'LTO003'])).code, 0);
    ltfs.faults({ write: { errno: 'EIO', after_bytes: 500_000, times: 1, path: 'tar.gz' } });
    const backup = installation.start(['backup', source]);
    await waitFor(
      () => installation.tryQuery(`select 1 from tapes where state = 'suspect'`).length === 1,
      'the tape to be suspect',
    );
    await waitFor(
      () => installation.tryQuery(`select 1 from sets where state = 'waiting_for_tape'`).length === 1,
      'the set to wait for another tape',
    );
    const status = await installation.json<{ reason: string; archives: number }>(['status']);
    assert.equal(status.archives, 0);
    assert.match(status.reason, /LTO003/);
    // LTFS has made it read-only for good: no word makes a set ask for it again.
    const trusted = await installation.run(['tape', 'trust', 'LTO003']);
    assert.equal(trusted.code, 1);
    assert.match(
      trusted.stderr,
      /LTO003 is only read from now on: .*`tapeflow tape copy LTO003 --pool default`/,
    );
    const look = await installation.run(['tape', 'status']);
    assert.match(look.stdout, /suspect\n.*cannot be written: LTFS had a write error/);
    assert.match(look.stdout, /→ Load another tape of pool default\. `tapeflow tape copy LTO003/);
    assert.doesNotMatch(look.stdout, /Open its write protection|tape trust/);

    await ltfs.eject();
    ltfs.store = tempFolder(t);
    await ltfs.load();
    const label = await installation.run(['tape', 'label', 'LTO004']);
    assert.equal(label.code, 0, label.stderr);
    const { code, stdout } = await backup.ended;
    assert.equal(code, 0, stdout);
    assert.deepEqual((await installation.json<{ tapes: string[] }>(['status'])).tapes, ['LTO004']);
  },
);
