import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { labelFileName } from '../../tape/labels/label.js';
import { driveSteps, type DriveSteps } from '../support/drive-steps.js';
import { FakeLtfs } from '../support/fake-ltfs.js';
import { longTest, mountPoint, tempFolder } from '../support/trees.js';
import { endMarkOn } from '../support/two-tapes.js';
import { waitFor } from '../support/wait-for.js';

async function loaded(t: TestContext): Promise<{ ltfs: FakeLtfs; steps: DriveSteps } | undefined> {
  const ltfs = await FakeLtfs.make(t);
  if (ltfs === undefined) return undefined;
  const steps = await driveSteps(t, ltfs.mount, 'ltfs');
  await steps.label('LTO1');
  return { ltfs, steps };
}

/** Failed with `TapeNotReady`, and a sentence that matches. */
async function refused(step: Promise<unknown>, sentence: RegExp, what?: string): Promise<void> {
  await assert.rejects(step, (error: Error & { type?: string }) => {
    assert.equal(error.type, 'TapeNotReady', `${what ?? ''} ${error.message}`);
    assert.match(error.message, sentence, what);
    return true;
  });
}

function partIn(folder: string): string | undefined {
  return existsSync(folder) ? readdirSync(folder).find((name) => name.endsWith('.part')) : undefined;
}

for (const [what, path_] of [
  ['an archive', '_000002.tar.gz'],
  ['the manifest of an archive', '_000002.manifest'],
] as const) {
  test(`no space in the middle of ${what}: it is taken off, the others are synced there, and it begins anew on the next tape`, async (t) => {
    const drive = await loaded(t);
    if (drive === undefined) return;
    const { ltfs, steps } = drive;
    for (const group of [1, 2]) await steps.stage(group);
    const { tape } = await steps.write(1);
    ltfs.faults({ write: { errno: 'ENOSPC', path: path_, times: 1 } });
    await refused(steps.write(2, tape), /The tape LTO1 is full: a write found no space.*pool default/);
    const left = readdirSync(path.join(ltfs.mount, steps.setId));
    assert.deepEqual(
      left.filter((name) => name.includes('_000002.')),
      [],
      'nothing looks like an archive',
    );
    assert.equal((await steps.tape('LTO1')).state, 'full');
    assert.match(
      await steps.watch({ group: 2 }),
      /LTO1 is full: a write found no space on it \(it says that .* are free\)\. Load another tape of pool default/,
    );
    assert.deepEqual(await steps.sync(tape, [1]), { committed: [1], lost: [] });

    await ltfs.eject();
    ltfs.store = tempFolder(t);
    await ltfs.load();
    await steps.label('LTO2');
    const next = await steps.write(2);
    assert.equal(next.tapeName, 'LTO2');
    assert.ok(steps.isWhole(2));
    assert.deepEqual(await steps.sync(next.tape, [2]), { committed: [2], lost: [] });
  });
}

/** Calls whose failure is met as that of a write is. */
const nearlyAsWrite = ['an fsync that fails', 'a rename that fails'];

for (const [what, faults] of Object.entries({
  'a write that fails': {
    write: { errno: 'EIO', path: '_000002.tar', after_bytes: 50_000, read_only: false },
  },
  'a tape that turned read-only': { write: { errno: 'EROFS', path: '_000002.tar', read_only: 'mounted' } },
  'an fsync that fails': { fsync: { errno: 'EIO', path: '_000002.tar' } },
  'a close that fails': { flush: { errno: 'EIO', path: '_000002.tar' } },
  'a rename that fails': { rename: { errno: 'EIO', path: '_000002.tar' } },
})) {
  const skip = nearlyAsWrite.includes(what) && longTest;
  test(
    `${what} makes the tape suspect; what was unsynced there is kept in staging and written again`,
    { skip },
    async (t) => {
      const drive = await loaded(t);
      if (drive === undefined) return;
      const { ltfs, steps } = drive;
      for (const group of [1, 2]) await steps.stage(group);
      const { tape } = await steps.write(1);
      ltfs.faults(faults);
      await refused(steps.write(2, tape), /A write to tape LTO1 failed: .*tapeflow tape trust LTO1/);
      ltfs.faults({});
      const row = await steps.tape('LTO1');
      assert.equal(row.state, 'suspect');
      const readOnly = what === 'a tape that turned read-only';
      assert.match(
        row.reason ?? '',
        readOnly
          ? /^a write on it failed: .*\(EROFS\); .* only after it was unmounted and mounted again$/
          : /^a write on it failed: .*\(EIO\)$/,
      );
      assert.equal(await steps.copy(1), 'lost');
      assert.ok((await steps.events()).some((event) => event.stage === 'lost' && event.group_no === 1));
      assert.deepEqual(await steps.sync(tape, [1]), { committed: [], lost: [1] });
      await steps.release([1, 2]);
      assert.ok(steps.isStaged(1) && steps.isStaged(2), 'nothing is released before it is committed');
      assert.match(await steps.watch({ group: 1 }), /LTO1 is not trusted any more: a write on it failed/);

      const reminders = (await steps.trust(tape)).join(' ');
      assert.match(reminders, /likely to have more: `tapeflow tape copy LTO1 --pool default` copies off/);
      assert.equal(/Unmount it and mount it again/.test(reminders), readOnly);
      if (readOnly) {
        await refused(steps.write(1), /only after it was unmounted and mounted again/);
        assert.match(
          await steps.watch({ group: 1 }),
          /only after it was unmounted and mounted again\. Load another/,
        );
        await steps.trust(tape);
        await ltfs.eject();
        await ltfs.load();
      }
      const before = ltfs.operations().length;
      for (const group of [1, 2]) await steps.write(group);
      const made = ltfs
        .operations()
        .slice(before)
        .filter(({ op }) => op === 'create');
      assert.equal(made.length, 4, 'the archive that was there before the error is not taken for whole');
      assert.deepEqual(await steps.sync(tape, [1, 2]), { committed: [1, 2], lost: [] });
      assert.ok(steps.isWhole(1) && steps.isWhole(2));
    },
  );
}

test('a cartridge that LTFS has made read-only for good is read, and never asked for again, whatever a person says', async (t) => {
  const drive = await loaded(t);
  if (drive === undefined) return;
  const { ltfs, steps } = drive;
  for (const group of [1, 2, 3]) await steps.stage(group);
  const { tape } = await steps.write(1);
  assert.deepEqual(await steps.sync(tape, [1]), { committed: [1], lost: [] });
  await steps.write(2, tape);
  ltfs.faults({ write: { errno: 'EIO', path: '_000003.tar', after_bytes: 50_000 } });
  const another =
    /read-only for good .*Load another tape of pool default\. `tapeflow tape copy LTO1 --pool default`/;
  await refused(steps.write(3, tape), another);
  ltfs.faults({});
  assert.equal(await steps.copy(2), 'lost', 'what no sync covered is written again');
  const saysWhy = /^a write on it failed: .*\(EIO\); LTFS had a write error .* read-only for good/;
  const given = async () => {
    const { state, reason, read_only: readOnly } = await steps.tape('LTO1');
    assert.deepEqual([state, readOnly], ['suspect', 1]);
    assert.match(reason ?? '', saysWhy);
  };
  await given();
  const asksForAnother = async (what: string) => {
    const said = await steps.watch({ group: 2 });
    assert.match(said, /LTO1 is only read from now on: LTFS had a write error/, what);
    assert.match(said, another, what);
    assert.doesNotMatch(said, /write protection|tape trust/, what);
    await refused(steps.write(2), another, what);
  };
  const isRefused = (what: string) =>
    assert.rejects(
      steps.trust(tape),
      {
        code: 'ReadOnlyTape',
        message: /LTO1 is only read from now on/,
        advice: /tape copy LTO1 --pool default/,
      },
      what,
    );
  await asksForAnother('mounted');
  await isRefused('in its drive');
  await given();
  await ltfs.eject();
  await isRefused('on its shelf');
  await ltfs.load();
  await asksForAnother('mounted again');
  await given();
  assert.ok(steps.isWhole(1), 'it is read');

  // One that an earlier version trusts: its own word counts.
  const { catalog } = steps.deps;
  const usable = { state: 'usable', reason: null, read_only: 0 } as const;
  await catalog.updateTable('tapes').set(usable).execute();
  await refused(steps.write(2), another);
  assert.equal((await steps.tape('LTO1')).state, 'suspect');
  await catalog
    .updateTable('tapes')
    .set({ ...usable, state: 'suspect' })
    .execute();
  await isRefused('a look at the drive tells');

  const bad = ltfs.store;
  await ltfs.eject();
  ltfs.store = tempFolder(t);
  await ltfs.load();
  const second = await steps.label('LTO2');
  for (const group of [2, 3]) await steps.write(group);
  assert.deepEqual(await steps.sync(second.uuid, [2, 3]), { committed: [2, 3], lost: [] });

  // Formatting lifts it; then a person may say that it is good.
  await ltfs.eject();
  rmSync(path.join(bad, 'permanent-write-error'));
  ltfs.store = bad;
  await ltfs.load();
  await steps.trust(tape);
  assert.deepEqual([(await steps.tape('LTO1')).state, (await steps.tape('LTO1')).read_only], ['usable', 0]);
});

for (const [op, errno, suspect] of [
  ['fsync', 'EIO', true],
  ['write', 'ENOSPC', false],
] as const) {
  test(`the ${op} of the end mark that fails with ${errno} ${suspect ? 'is one of the tape, and nothing is committed' : 'costs the mark alone'}`, async (t) => {
    const drive = await loaded(t);
    if (drive === undefined) return;
    const { ltfs, steps } = drive;
    const { setId, deps } = steps;
    for (const group of [1, 2]) await steps.stage(group);
    await deps.catalog.updateTable('sets').set({ scanned: 1 }).where('id', '=', setId).execute();
    const { tape } = await steps.write(1);
    ltfs.faults({ [op]: { errno, path: '.end.json' } });
    const synced = await steps.sync(tape, [1]);
    assert.deepEqual(synced, suspect ? { committed: [], lost: [1] } : { committed: [1], lost: [] });
    assert.equal((await steps.tape('LTO1')).state, suspect ? 'suspect' : 'usable');
    ltfs.faults({});
    if (suspect) await steps.trust(tape);
    for (const group of [1, 2]) await steps.write(group);
    assert.deepEqual(await steps.sync(tape, [1, 2]), { committed: [1, 2], lost: [] });
    assert.equal(endMarkOn(ltfs.mount, setId).groups, 2);

    await steps.stage(3);
    await steps.write(3);
    await ltfs.kill();
    ltfs.unmount();
    await ltfs.load();
    assert.equal(endMarkOn(ltfs.mount, setId).groups, 2, 'it is durable with the sync of its archives');
    assert.equal(partIn(path.join(ltfs.mount, setId)), undefined);
  });
}

test('an index sync that fails commits and releases nothing; the archives are written again', async (t) => {
  const drive = await loaded(t);
  if (drive === undefined) return;
  const { ltfs, steps } = drive;
  for (const group of [1, 2]) await steps.stage(group);
  const { tape } = await steps.write(1);
  await steps.write(2, tape);
  ltfs.faults({ sync: { errno: 'EIO', times: 1 } });
  assert.deepEqual(await steps.sync(tape, [1, 2]), { committed: [], lost: [1, 2] });
  await steps.release([1, 2]);
  assert.ok(steps.isStaged(1) && steps.isStaged(2));
  const row = await steps.tape('LTO1');
  assert.equal(row.state, 'suspect');
  assert.match(
    row.reason ?? '',
    /its sync failed: LTFS at .* could not write its index: .*Input\/output error/,
  );
  assert.match(await steps.watch({ group: 1 }), /not trusted any more: its sync failed/);

  // For good: elsewhere.
  await ltfs.eject();
  ltfs.store = tempFolder(t);
  await ltfs.load();
  const second = await steps.label('LTO2');
  for (const group of [1, 2]) assert.equal((await steps.write(group)).tapeName, 'LTO2');
  assert.deepEqual(await steps.sync(second.uuid, [1, 2]), { committed: [1, 2], lost: [] });
  await steps.release([1, 2]);
  assert.ok(!steps.isStaged(1));
});

test('short writes are gone on with', async (t) => {
  const drive = await loaded(t);
  if (drive === undefined) return;
  const { ltfs, steps } = drive;
  await steps.stage(1);
  ltfs.faults({ short_write: { max: 3001 } });
  const { tape } = await steps.write(1);
  assert.deepEqual(await steps.sync(tape, [1]), { committed: [1], lost: [] });
  assert.ok(steps.isWhole(1));
});

test('the ltfs process dies before a write, in one, and in a sync: no trust is lost, and only what was forgotten is written again', async (t) => {
  const drive = await loaded(t);
  if (drive === undefined) return;
  const { ltfs, steps } = drive;
  for (const group of [1, 2, 3]) await steps.stage(group, 2_000_000);
  const { tape } = await steps.write(1);
  assert.deepEqual(await steps.sync(tape, [1]), { committed: [1], lost: [] });
  await steps.write(2);
  const folder = path.join(ltfs.mount, steps.setId);

  ltfs.faults({ write: { hold: true, path: '_000003.tar', after_bytes: 500_000 } });
  const writing = refused(steps.write(3, tape), /went out of (the )?drive/);
  await waitFor(() => partIn(folder) !== undefined, 'a part on the tape');
  await ltfs.kill();
  await writing;
  await refused(
    steps.write(3, tape),
    /LTFS process behind .* has died\..*`ltfsck --deep-recovery`.*The set needs the tape LTO1/,
  );
  await refused(steps.sync(tape, [2]), /has died/);
  ltfs.unmount();
  await refused(steps.write(3, tape), /is a plain folder: nothing is mounted there/);
  assert.deepEqual(readdirSync(ltfs.mount), [], 'nothing is in the bare folder');
  assert.equal((await steps.tape('LTO1')).state, 'usable');

  ltfs.faults({});
  await ltfs.load();
  assert.equal(await steps.watch({ wanted: tape }), 'LTO1', 'the wait ends without a person');
  assert.ok(steps.isWhole(1), 'what was committed is there');
  assert.deepEqual(await steps.sync(tape, [2]), { committed: [], lost: [2] }, 'the index had forgotten it');
  for (const group of [2, 3]) await steps.write(group);

  ltfs.faults({ sync: { hold: true } });
  const before = ltfs.operations().length;
  const syncing = refused(steps.sync(tape, [2, 3]), /has died/);
  await waitFor(
    () =>
      ltfs
        .operations()
        .slice(before)
        .some(({ op, path: name }) => op === 'fsyncdir' && name === '/'),
    'the sync to begin',
  );
  await ltfs.kill();
  await syncing;
  ltfs.unmount();
  ltfs.faults({});
  await ltfs.load();
  assert.deepEqual(await steps.sync(tape, [2, 3]), { committed: [], lost: [2, 3] });
  for (const group of [2, 3]) await steps.write(group);
  // A clean unmount has written the index: then nothing is lost, and nothing is written again.
  await ltfs.eject();
  await ltfs.load();
  assert.deepEqual(await steps.sync(tape, [2, 3]), { committed: [2, 3], lost: [] });
  for (const group of [1, 2, 3]) assert.ok(steps.isWhole(group));
});

test('one archive that the tape lacks at the sync is written again, and the others are committed', async (t) => {
  const drive = tempFolder(t);
  const steps = await driveSteps(t, drive);
  await steps.label('T1');
  for (const group of [1, 2, 3]) await steps.stage(group);
  const { tape } = await steps.write(1);
  for (const group of [2, 3]) await steps.write(group, tape);
  rmSync(steps.onTape(2));
  assert.deepEqual(await steps.sync(tape, [1, 2, 3]), { committed: [1, 3], lost: [2] });
  await steps.write(2, tape);
  assert.deepEqual(await steps.sync(tape, [2]), { committed: [2], lost: [] });
});

test('a set folder that the index has forgotten whole is written again', async (t) => {
  const drive = await loaded(t);
  if (drive === undefined) return;
  const { ltfs, steps } = drive;
  await steps.stage(1);
  const { tape } = await steps.write(1);
  await ltfs.kill();
  ltfs.unmount();
  await ltfs.load();
  assert.ok(!existsSync(path.join(ltfs.mount, steps.setId)));
  assert.deepEqual(await steps.sync(tape, [1]), { committed: [], lost: [1] });
  await steps.write(1);
  assert.deepEqual(await steps.sync(tape, [1]), { committed: [1], lost: [] });
});

test('a tape that is distrusted while it is written: the group waits for another one', async (t) => {
  const drive = await loaded(t);
  if (drive === undefined) return;
  const { ltfs, steps } = drive;
  await steps.stage(1, 2_000_000);
  ltfs.faults({ write: { hold: true, path: '_000001.tar', after_bytes: 500_000 } });
  const writing = refused(steps.write(1), /LTO1 was distrusted while group 1 was written to it/);
  await waitFor(() => partIn(path.join(ltfs.mount, steps.setId)) !== undefined, 'a part on the tape');
  await steps.distrust('LTO1');
  ltfs.faults({});
  await writing;
  await refused(steps.write(1), /not trusted any more: distrusted by a command/);
});

/** What holds a write of the second group in its middle, until the faults are changed. */
const heldWrite = { write: { hold: true, path: '_000002.tar', after_bytes: 500_000 } };

/** A drive of kind `directory` at a mount point; its first tape can hold what is done to it. */
async function heldFolder(t: TestContext) {
  if (process.getuid?.() !== 0) return void t.skip('bind mounts need root');
  const ltfs = await FakeLtfs.make(t);
  if (ltfs === undefined) return undefined;
  const drive = mountPoint(t);
  const load = (folder: string) => execFileSync('mount', ['--bind', folder, drive]);
  const unload = () => execFileSync('umount', ['-l', drive]);
  load(ltfs.mount);
  const steps = await driveSteps(t, drive);
  await steps.label('T1');
  for (const group of [1, 2]) await steps.stage(group, 2_000_000);
  const { tape } = await steps.write(1);
  return { ltfs, drive, load, unload, steps, tape };
}

test('a folder that is unmounted in the middle of a write: nothing stays in the bare folder, and the write begins anew', async (t) => {
  const held = await heldFolder(t);
  if (held === undefined) return;
  const { ltfs, drive, load, unload, steps, tape } = held;
  ltfs.faults(heldWrite);
  const writing = refused(steps.write(2, tape), /went out of (the )?drive/);
  await waitFor(() => partIn(path.join(drive, steps.setId)) !== undefined, 'a part on the tape');
  unload();
  ltfs.faults({});
  await writing;
  assert.deepEqual(readdirSync(drive), []);
  await refused(steps.write(2, tape), /has no label .*The set needs the tape T1, which holds archives/);
  assert.deepEqual(readdirSync(drive), []);
  load(ltfs.mount);
  await steps.write(2, tape);
  assert.deepEqual(await steps.sync(tape, [1, 2]), { committed: [1, 2], lost: [] });
  assert.ok(steps.isWhole(2));
});

test('a folder that is unmounted between an archive and its manifest: nothing stays in the bare folder', async (t) => {
  const held = await heldFolder(t);
  if (held === undefined) return;
  const { ltfs, drive, unload, steps, tape } = held;
  // The archive has its name, and the fsync of its folder has not ended.
  ltfs.faults({ fsyncdir: { hold: true, path: steps.setId } });
  const writing = refused(steps.write(2, tape), /went out of (the )?drive/);
  await waitFor(() => existsSync(steps.onTape(2)), 'the archive under its name');
  unload();
  ltfs.faults({});
  await writing;
  assert.deepEqual(readdirSync(drive), []);
  assert.equal(await steps.copy(2), 'writing', 'nothing counts');
});

test('a tape that is swapped in the middle of a write is noticed: nothing counts, and the first is waited for by name', async (t) => {
  const held = await heldFolder(t);
  if (held === undefined) return;
  const { ltfs, drive, load, unload, steps, tape } = held;
  const other = tempFolder(t);
  unload();
  load(other);
  await steps.label('T2');
  unload();
  load(ltfs.mount);
  ltfs.faults(heldWrite);
  const writing = refused(steps.write(2, tape), /went out of (the )?drive/);
  await waitFor(() => partIn(path.join(drive, steps.setId)) !== undefined, 'a part on the tape');
  unload();
  load(other);
  ltfs.faults({});
  await writing;
  assert.deepEqual(readdirSync(other), [labelFileName], 'nothing landed on the other tape');
  assert.equal(await steps.copy(2), 'writing');
  assert.match(await steps.watch({ wanted: tape }), /The tape T2 is in drive lto1, but T1 is wanted/);
  await refused(steps.sync(tape, [1]), /T2 is in drive lto1, but T1 is wanted: 1 archives? on it/);
  // Without a volume id the other folder may even carry the same label.
  unload();
  cpSync(path.join(ltfs.mount, labelFileName), path.join(other, labelFileName));
  load(other);
  assert.deepEqual(await steps.sync(tape, [1]), { committed: [], lost: [1] }, 'its bytes are not there');
});
