import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { labelFileName } from '../../tape/labels/label.js';
import { labelTape } from '../../operations/tapes/label-tape.js';
import { describeLockState } from '../../tape/ltfs/ltfs.js';
import { driveSteps } from '../support/drive-steps.js';
import { FakeLtfs } from '../support/fake-ltfs.js';
import { SmallDisk } from '../support/small-disk.js';
import { noise, tempFolder } from '../support/trees.js';

const notReady = { type: 'TapeNotReady' };

test('a label that is forged or damaged is refused with a sentence, by the wait and by the write', async (t) => {
  const drive = tempFolder(t);
  const steps = await driveSteps(t, drive);
  await steps.label('T1');
  await steps.stage(1);
  const file = path.join(drive, labelFileName);
  const good = readFileSync(file, 'utf8');
  const secret = path.join(tempFolder(t), 'secret');
  writeFileSync(secret, good);
  const forgeries: [string, () => void][] = [
    ['it is too long', () => (writeFileSync(file, ''), truncateSync(file, 300_000_000))],
    ['it is not a regular file', () => symlinkSync(secret, file)],
    ['it is not a regular file', () => symlinkSync('/dev/zero', file)],
    ['it is not a regular file', () => mkdirSync(file)],
    ['it is not a regular file', () => execFileSync('mkfifo', [file])],
    ['it is not JSON', () => writeFileSync(file, Buffer.alloc(4096))],
    ['it is not JSON', () => writeFileSync(file, noise(5000, 'label'))],
    ['it is not JSON', () => writeFileSync(file, '')],
    ['it is not JSON', () => writeFileSync(file, good.slice(0, 100))],
    ['is wrong', () => writeFileSync(file, 'null')],
    ['its tapeflowLabel is wrong', () => writeFileSync(file, '{"tapeflowLabel": 0}')],
    ['its name is wrong', () => writeFileSync(file, good.replace('"T1"', '"../../etc"'))],
    ['its name is wrong', () => writeFileSync(file, good.replace('"T1"', '"T1\\u0000"'))],
    ['its uuid is wrong', () => writeFileSync(file, good.replace(/"uuid": "[^"]*"/, '"uuid": {"$ne": 1}'))],
    ['its pool is wrong', () => writeFileSync(file, good.replace('"default"', '["default"]'))],
  ];
  for (const [why, forge] of forgeries) {
    rmSync(file, { recursive: true, force: true });
    forge();
    const said = await steps.watch({ group: 1 });
    assert.match(said, /^The tape's label .*tapeflow-label\.json is damaged: /);
    assert.ok(said.includes(why), `${why} in: ${said}`);
    assert.match(said, /The set needs a tape of pool default with room for 100\.5 kB\.$/);
    await assert.rejects(steps.write(1), notReady, 'the set waits; its group is not parked');
  }
  rmSync(file, { recursive: true });
  writeFileSync(file, '{"tapeflowLabel": 99}');
  assert.match(
    await steps.watch({ group: 1 }),
    /^The tape's label .* has version 99, and this program reads 1\. Load another tape, or use a newer version of tapeflow/,
    'nobody is told to label it anew',
  );
  await assert.rejects(steps.write(1), notReady);
  writeFileSync(file, JSON.stringify({ ...(JSON.parse(good) as object), later: { added: true } }));
  await steps.write(1);
  assert.ok(steps.isWhole(1));
});

test('a label copied to a second folder is noticed: that one lacks the last committed archive', async (t) => {
  const [first, second] = [tempFolder(t), tempFolder(t)];
  const drive = path.join(tempFolder(t), 'drive');
  symlinkSync(first, drive);
  const load = (folder: string) => {
    rmSync(drive);
    symlinkSync(folder, drive);
  };
  const steps = await driveSteps(t, drive);
  await steps.label('T1');
  for (const group of [1, 2, 3]) await steps.stage(group);
  const { tape } = await steps.write(1);
  await steps.sync(tape, [1]);

  cpSync(path.join(first, labelFileName), path.join(second, labelFileName));
  load(second);
  assert.match(
    await steps.watch({ group: 2 }),
    /carries the label T1, but its last archive .*_000001\.tar\.gz is not there: it is another cartridge with a copied label, or damaged\. Load the right T1/,
  );
  await assert.rejects(steps.write(2), notReady);
  // The archive is there, but cut: damaged, or copied while it was written.
  cpSync(first, second, { recursive: true });
  writeFileSync(path.join(second, steps.setId, path.basename(steps.onTape(1))), 'short');
  assert.match(await steps.watch({ group: 2 }), /has 5 bytes instead of 100000/);

  load(first);
  await steps.write(2);
  await steps.sync(tape, [2]);
  assert.equal(await steps.copy(2), 'committed');
});

test('what a tape has lost of its committed archives is noticed before the next write, and nothing is written', async (t) => {
  const drive = tempFolder(t);
  const steps = await driveSteps(t, drive);
  await steps.label('T1');
  for (const group of [1, 2]) await steps.stage(group);
  const { tape } = await steps.write(1);
  await steps.sync(tape, [1]);
  rmSync(path.join(drive, steps.setId), { recursive: true });
  await assert.rejects(steps.write(2), (error: Error & { type?: string }) => {
    assert.equal(error.type, 'TapeNotReady');
    assert.match(error.message, /its last archive .* is not there/);
    assert.match(error.message, /tapeflow tape distrust T1/);
    return true;
  });
  assert.equal(await steps.copy(2), undefined);
});

test('an archive of the same name that this catalog did not write is not replaced, and the wait says so too', async (t) => {
  const drive = tempFolder(t);
  const steps = await driveSteps(t, drive);
  await steps.label('T1');
  await steps.stage(1);
  mkdirSync(path.join(drive, steps.setId));
  writeFileSync(steps.onTape(1), 'of a set that a lost catalog knew');
  assert.match(
    await steps.watch({ group: 1 }),
    /T1 holds another .* already, which this catalog did not write/,
  );
  await assert.rejects(steps.write(1), notReady);
  assert.equal(readFileSync(steps.onTape(1), 'utf8'), 'of a set that a lost catalog knew');
});

test('an LTFS label on another volume, and a write-protected cartridge, are refused with the reason', async (t) => {
  const ltfs = await FakeLtfs.make(t);
  if (ltfs === undefined) return;
  const steps = await driveSteps(t, ltfs.mount, 'ltfs');
  await steps.label('LTO1');
  await steps.stage(1);
  const label = readFileSync(path.join(ltfs.mount, labelFileName));

  await ltfs.eject();
  const first = ltfs.store;
  ltfs.store = tempFolder(t);
  await ltfs.load();
  writeFileSync(path.join(ltfs.mount, labelFileName), label);
  assert.match(
    await steps.watch({ group: 1 }),
    /carries the label LTO1, but its volume id is [-0-9a-f]+ and not [-0-9a-f]+\. It was formatted again, or the label was copied: load the right tape\. The set needs a tape of pool default/,
  );
  await assert.rejects(steps.write(1), notReady);

  await ltfs.eject();
  ltfs.store = first;
  await ltfs.load({ readOnly: true });
  assert.match(
    await steps.watch({ group: 1 }),
    /The tape LTO1 cannot be written: its write protection is set \(volume lock state 0x00000004\)\. Open its write protection/,
  );
  await assert.rejects(steps.write(1), notReady);
  await ltfs.eject();
  await ltfs.load();
  await steps.write(1);
});

test('an archive that would fit but for the reserve is not begun on the tape; a smaller one is', async (t) => {
  const disk = SmallDisk.make(t, 2_000_000);
  if (disk === undefined) return;
  const steps = await driveSteps(t, disk.folder);
  await steps.label('T1');
  // A whole tape would take the next archive.
  await steps.stage(3, 100_000);
  await steps.write(3);
  const before = readdirSync(disk.folder);
  const { free, capacity } = await steps.deps.drive.space();
  await steps.stage(1, free - Math.ceil(capacity / 200) - 500);
  assert.match(
    await steps.watch({ group: 1 }),
    /T1 is full: .* are free, and the next archive needs .* besides/,
  );
  await assert.rejects(steps.write(1), notReady);
  assert.deepEqual(readdirSync(disk.folder), before, 'nothing was written');
  await steps.stage(2, 100_000);
  await steps.write(2);
  assert.ok(steps.isWhole(2));
});

test('a label that finds no room leaves nothing on the tape', async (t) => {
  const disk = SmallDisk.make(t, 1_000_000);
  if (disk === undefined) return;
  const { deps } = await driveSteps(t, disk.folder);
  disk.fill();
  const before = readdirSync(disk.folder);
  const label = () =>
    labelTape(deps.drive, deps.lock, deps.catalog, { name: 'T1', pool: 'default', force: true });
  await assert.rejects(label, { code: 'LabelNotWritten', message: /no space left/ });
  assert.deepEqual(readdirSync(disk.folder), before);
  disk.makeRoom();
  await label();
});

test('the lock state of the reference LTFS is a hexadecimal number, of older versions a digit', () => {
  assert.equal(describeLockState('0x00000000'), undefined);
  assert.equal(describeLockState('0'), undefined);
  assert.match(describeLockState('0x00000060')?.why ?? '', /had a write error on it .* for good/);
  assert.match(describeLockState('0x00000001')?.why ?? '', /is locked/);
  assert.match(describeLockState('?')?.why ?? '', /is locked \(volume lock state \?\)/);
  const lasting = [0x20, 0x40, 0x80, 0x60, 0x24].map(
    (bits) => describeLockState(`0x${bits.toString(16)}`)?.forGood,
  );
  assert.deepEqual(lasting, [true, true, true, true, true]);
  const others = [0x01, 0x02, 0x04, 0x08, 0x10].map(
    (bits) => describeLockState(`0x${bits.toString(16)}`)?.forGood,
  );
  assert.deepEqual(others, [false, false, false, false, false]);
});

test('a drive whose tape cannot be looked at waits for a person instead of failing the group', async (t) => {
  const ltfs = await FakeLtfs.make(t);
  if (ltfs === undefined) return;
  const steps = await driveSteps(t, ltfs.mount, 'ltfs');
  await steps.label('LTO1');
  await steps.stage(1);
  for (const op of ['open', 'read', 'statfs']) {
    await ltfs.eject();
    await ltfs.load();
    ltfs.faults({ [op]: { errno: 'EIO', ...(op === 'statfs' ? {} : { path: labelFileName }) } });
    const said = await steps.watch({ group: 1 });
    assert.match(said, /drive lto1 .*(cannot be read: input\/output error|does not tell its free space)/, op);
    await assert.rejects(steps.write(1), notReady, op);
    ltfs.faults({});
  }
  await steps.write(1);
  assert.ok(steps.isWhole(1));
});
