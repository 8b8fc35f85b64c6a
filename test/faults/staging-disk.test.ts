import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { FaultShim, buildShim } from '../support/fault-shim.js';
import { IoFaults } from '../support/io-faults.js';
import { Installation } from '../support/installation.js';
import { OwnServer } from '../support/own-server.js';
import { beginSet, setCompletes, setId } from '../support/own-set.js';
import { assertWholeOnTape, countEvents, onlySet, waitsBecause } from '../support/set-state.js';
import { SmallDisk } from '../support/small-disk.js';
import { noise, tempFolder, writeTree, longTest } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

/** Retries come at once, and one failed attempt parks a group: a wait that used up attempts would be seen. */
const noPatience = { RETRY_ATTEMPTS: '1', RETRY_SECONDS: '0.05' };

for (const [kind, makeDisk, skip] of [
  ['in memory', SmallDisk.make, false],
  ['of ext4', SmallDisk.makeExt4, longTest],
] as const) {
  test(
    `staging ${kind} that other data fills in the middle of an archive: the group waits, says so, and goes on when room comes`,
    { skip },
    async (t) => {
      const disk = makeDisk(t, 150_000_000);
      if (disk === undefined) return;
      const source = tempFolder(t);
      // Text compresses slowly enough to be met in the middle.
      writeTree(source, { big: randomBytes(45_000_000).toString('base64') });
      const installation = await Installation.make(t, {
        ...noPatience,
        BACKUP_COMPRESS_DIR: disk.folder,
        MAX_GROUP_SIZE: '80MB',
        STAGING_MAX_BYTES: '100MB',
        COMPRESSION_THREADS: '1',
        // The worker is stopped for a moment: that must not count as its death, which would begin the group anew too.
        HEARTBEAT_SECONDS: '60',
      });
      const backup = installation.start(['backup', source]);
      const temp = path.join(disk.folder, 'temp');
      await waitFor(() => partBytes(temp) > 0, 'the part to grow');
      const worker = (await installation.worker('archive')) ?? 0;
      process.kill(worker, 'SIGSTOP');
      disk.fill();
      process.kill(worker, 'SIGCONT');

      const setId = onlySet(installation);
      await waitsBecause(installation, setId, /staging's disk at .* has .* free, and group 1 may need/);
      assert.equal(partBytes(temp), 0, 'the part that found no room is deleted');
      await waitFor(
        () => backup.output().includes('waits, waiting for room in staging (group 1)'),
        'the client to say so',
      );
      const doctor = await installation.run(['doctor']);
      assert.match(doctor.stdout, /note +staging: .* free.*\n.*large groups will wait for room/);
      disk.makeRoom();
      const { code, stdout } = await backup.ended;
      assert.equal(code, 0, stdout);
      assert.equal(countEvents(installation, 'failed'), 0);
      assert.equal(countEvents(installation, 'compressing'), 2, 'begun, and begun anew');
      assertWholeOnTape(t, installation, setId, source);
    },
  );
}

test('temp and final on two file systems: a move waits for room; half copies and altered archives never reach the tape', async (t) => {
  const disk = SmallDisk.makeBelow(t, 20_000_000, 'final');
  if (disk === undefined) return;
  const staging = path.dirname(disk.folder);
  const installation = await Installation.make(t, {
    ...noPatience,
    BACKUP_COMPRESS_DIR: staging,
    MAX_GROUP_SIZE: '1MB',
    FINAL_WAIT_SECONDS: '0.2',
    RETRY_SECONDS: '0.01',
  });
  disk.fill(200_000);
  const source = tempFolder(t);
  for (const name of ['a', 'b']) writeTree(source, { [name]: noise(900_000, `across ${name}`) });
  const backup = installation.start(['backup', source]);
  const setId = await waitFor(() => onlySetIfAny(installation), 'the set');
  await waitsBecause(installation, String(setId), /final.* free, and group 1 may need/, 'waitForRoom');
  // Every look for the archive in final/ is used up, for both groups: also then nothing is parked.
  await waitFor(() => countEvents(installation, 'final_timeout') >= 20, 'the looks for final to end');
  assert.equal(countEvents(installation, 'failed'), 0);
  const archive = (group: number) => `backup_${String(setId)}_00000${group}.tar.gz`;
  const temp = path.join(staging, 'temp', String(setId));
  const whole = readFileSync(path.join(temp, archive(1)));
  writeFileSync(path.join(disk.folder, String(setId), archive(1)), whole.subarray(0, 100_000));
  const altered = readFileSync(path.join(temp, archive(2)));
  altered.writeUInt8(altered.readUInt8(5000) ^ 1, 5000);
  writeFileSync(path.join(temp, archive(2)), altered);

  disk.makeRoom();
  const { code, stdout } = await backup.ended;
  assert.equal(code, 0, stdout);
  assert.equal(countEvents(installation, 'failed'), 0);
  const lost = installation.query<{ group_no: number; detail: string }>(
    `select group_no, detail from events where stage = 'lost'`,
  );
  assert.deepEqual(
    lost.map((event) => event.group_no),
    [2],
    'only the altered one is compressed again',
  );
  assert.match(
    lost[0]?.detail ?? '',
    /the staged .*\/temp\/.* is not what was compressed/,
    'seen before it was moved',
  );
  assertWholeOnTape(t, installation, String(setId), source);
  assert.deepEqual(readdirSync(disk.folder), []);
});

test(
  'staging that is read-only, and later is again: compressing and releasing wait and go on',
  { skip: longTest },
  async (t) => {
    const disk = SmallDisk.make(t, 50_000_000);
    if (disk === undefined) return;
    const tape = path.join(tempFolder(t), 'tape');
    const source = tempFolder(t);
    for (const name of ['a', 'b']) writeTree(source, { [name]: noise(900_000, `read-only ${name}`) });
    disk.remount('ro');
    const installation = await Installation.make(t, {
      ...noPatience,
      BACKUP_COMPRESS_DIR: disk.folder,
      MAX_GROUP_SIZE: '1MB',
      STAGING_MAX_BYTES: '20MB',
      TAPE_PATH: tape,
    });
    const backup = installation.start(['backup', source]);
    const setId = String(await waitFor(() => onlySetIfAny(installation), 'the set'));
    await waitsBecause(installation, setId, /staging is read-only/);
    const doctor = await installation.run(['doctor']);
    assert.equal(doctor.code, 1);
    assert.match(doctor.stdout, /TROUBLE +staging: .* read-only .*\n.*Make it writable/);
    disk.remount('rw');
    await waitFor(
      () => installation.query(`select 1 from groups where state = 'queued'`).length === 2,
      'both groups to be queued',
    );
    disk.remount('ro');
    mkdirSync(tape);
    assert.equal((await installation.run(['tape', 'label', 'T1'])).code, 0);
    await waitsBecause(installation, setId, /staging is read-only/, 'releaseArchives');
    disk.remount('rw');
    const { code, stdout } = await backup.ended;
    assert.equal(code, 0, stdout);
    assert.equal(countEvents(installation, 'failed'), 0);
    assertWholeOnTape(t, installation, setId, source);
    assert.deepEqual(readdirSync(path.join(disk.folder, 'final')), []);
  },
);

test(
  'an error only at fsync: no archive gets its name; the group is parked with the reason, and retry finishes it',
  { skip: longTest },
  async (t) => {
    const faults = IoFaults.make(t);
    if (faults === undefined) return;
    const source = tempFolder(t);
    writeTree(source, { a: noise(900_000, 'fsync') });
    const installation = await Installation.make(t, { ...noPatience, RETRY_ATTEMPTS: '2', ...faults.env });
    faults.fail('fsync', '.tar.gz.');
    const first = await installation.run(['backup', source]);
    assert.equal(first.code, 1);
    const setId = onlySet(installation);
    assert.match(
      first.stdout,
      new RegExp(
        `Group 1 failed at compressing: The archive of group 1 could not be written to staging at .*/temp/${setId}: input/output error of the device \\(EIO\\)`,
      ),
    );
    assert.equal(countEvents(installation, 'compressing'), 2, 'tried again');
    assert.deepEqual(stagedFiles(installation), []);
    faults.none();
    const again = await installation.run(['retry', setId]);
    assert.equal(again.code, 0, again.stdout + again.stderr);
    assertWholeOnTape(t, installation, setId, source);
  },
);

test(
  'a tape folder on ext4 that fills in the middle of a write: the tape is full and not suspect, and room lets the set go on',
  { skip: longTest },
  async (t) => {
    const shim = buildShim();
    if ('missing' in shim) return t.skip(shim.missing);
    const disk = SmallDisk.makeExt4(t, 60_000_000);
    if (disk === undefined) return;
    const source = tempFolder(t);
    writeTree(source, { a: noise(25_000_000, 'ext4') });
    const installation = await Installation.make(t, { TAPE_PATH: disk.folder, HEARTBEAT_SECONDS: '60' });
    const labelled = await installation.run(['tape', 'label', 'EXT1']);
    assert.equal(labelled.code, 0, labelled.stderr);
    const server = await OwnServer.start(t, installation);
    const strikes = new FaultShim(shim.library, installation.root, 'tape', {
      folders: [disk.folder],
      commits: '',
    });
    await server.worker(['archive']);
    const worker = await server.worker(['tape', '--drive', 'lto1'], strikes.env);
    strikes.arm({ action: 'freeze', operation: 'write', path: '*.part', at: 2 });
    await beginSet({ installation, server, source });
    await worker.stopped();
    disk.fill();
    worker.signal('SIGCONT');
    await waitFor(
      () =>
        installation.query(
          `select 1 from sets where state = 'waiting_for_tape' and reason like 'The tape EXT1 is full: %'`,
        ).length === 1,
      'the set to wait for another tape',
    );
    const names = readdirSync(path.join(disk.folder, setId));
    assert.deepEqual(names, [], 'what is incomplete is taken away');
    disk.makeRoom();
    await setCompletes({ installation });
    assertWholeOnTape(t, installation, setId, source);
  },
);

// A tape that was blamed would be waited for without end.
test(
  'a staged archive that cannot be read is made again; the tape is not blamed',
  { timeout: 180_000, skip: longTest },
  async (t) => {
    const faults = IoFaults.make(t);
    if (faults === undefined) return;
    const source = tempFolder(t);
    for (const name of ['a', 'b']) writeTree(source, { [name]: noise(900_000, `unreadable ${name}`) });
    const installation = await Installation.make(t, {
      ...noPatience,
      MAX_GROUP_SIZE: '1MB',
      ...faults.env,
    });
    faults.fail('read', '000001.tar.gz');
    const first = await installation.run(['backup', source]);
    assert.equal(first.code, 1, 'it persists: the group is parked');
    const setId = onlySet(installation);
    assert.match(
      first.stdout,
      /Group 1 failed at writing: .*the staged .*000001\.tar\.gz cannot be read: input/,
    );
    assert.doesNotMatch(first.stdout, /Group 2 failed/);
    assert.ok(countEvents(installation, 'lost') > 1, 'made again, and again');
    assert.deepEqual(
      installation.query<{ state: string }>('select state from tapes').map((row) => row.state),
      ['usable'],
    );
    faults.none();
    const again = await installation.run(['retry', setId]);
    assert.equal(again.code, 0, again.stdout + again.stderr);
    assertWholeOnTape(t, installation, setId, source);
  },
);

/** Bytes of all parts below a folder. */
function partBytes(folder: string): number {
  let bytes = 0;
  try {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      if (name.endsWith('.part')) bytes += statSync(path.join(folder, name)).size;
    }
  } catch {
    // Not there yet, or renamed meanwhile.
  }
  return bytes;
}

function stagedFiles(installation: Installation): string[] {
  return readdirSync(installation.stagingDir, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.includes('backup_'),
  );
}

function onlySetIfAny(installation: Installation): string | undefined {
  return installation.tryQuery<{ id: string }>('select id from sets')[0]?.id;
}
