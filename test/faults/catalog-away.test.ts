import assert from 'node:assert/strict';
import { mkdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { IoFaults } from '../support/io-faults.js';
import { Installation } from '../support/installation.js';
import { assertWholeOnTape, countEvents, onlySet, waitsBecause } from '../support/set-state.js';
import { SmallDisk } from '../support/small-disk.js';
import { noise, tempFolder, writeTree, longTest } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

/** One failed attempt parks a group: a wait that used up attempts would be seen. */
const options = { RETRY_ATTEMPTS: '1', RETRY_SECONDS: '0.05', MAX_GROUP_SIZE: '1MB' };

function sourceOf(t: Parameters<typeof tempFolder>[0], groups: number): string {
  const source = tempFolder(t);
  for (let i = 0; i < groups; i += 1) writeTree(source, { [`f${i}`]: noise(700_000, `catalog ${i}`) });
  return source;
}

test(
  'a catalog that another process keeps locked: every step waits for it, none is used up; commands say so in a sentence',
  { skip: longTest },
  async (t) => {
    const source = sourceOf(t, 4);
    const installation = await Installation.make(t, options);
    const backup = installation.start(['backup', source]);
    // The command has nothing to write any more: it would end with that sentence, and leave the set to the next `up`.
    const begun = () =>
      installation.tryQuery('select 1 from sets where workflow_id is not null').length === 1;
    await waitFor(begun, 'the workflow of the set');
    const setId = onlySet(installation);
    // Before the scan has written anything: its thread, which has a connection of its own, meets the lock too.
    const other = new Database(path.join(installation.dataDir, 'catalog.db'), { timeout: 60_000 });
    other.exec('begin immediate');
    await waitsBecause(installation, setId, /catalog of this installation is locked by another process/);
    const [second, doctor] = await Promise.all([
      installation.run(['backup', '--new', source]),
      installation.run(['doctor']),
    ]);
    assert.equal(second.code, 1);
    assert.match(
      second.stderr,
      /^tapeflow: The catalog .* is locked by another process \(SQLITE_BUSY\)\..*\n$/m,
    );
    assert.doesNotMatch(second.stderr, /\n +at /, 'no stack');
    assert.match(doctor.stdout, /TROUBLE +catalog: .* locked by another process/);
    other.exec('rollback');
    other.close();
    const { code, stdout } = await backup.ended;
    assert.equal(code, 0, stdout);
    assert.equal(countEvents(installation, 'failed'), 0);
    assertWholeOnTape(t, installation, setId, source);
  },
);

test(
  'a catalog whose disk is full: every step waits for room, also the commit after a compression',
  { skip: longTest },
  async (t) => {
    const disk = SmallDisk.make(t, 32_000_000);
    if (disk === undefined) return;
    const source = sourceOf(t, 6);
    const installation = await Installation.make(t, {
      ...options,
      CATALOG_URL: path.join(disk.folder, 'catalog.db'),
    });
    const backup = installation.start(['backup', source]);
    await waitFor(() => countEvents(installation, 'compressing') >= 1, 'the first compression');
    disk.fill();
    const setId = onlySet(installation);
    await waitsBecause(installation, setId, /disk of the catalog .* is full/);
    const doctor = await installation.run(['doctor']);
    assert.equal(doctor.code, 1);
    assert.match(doctor.stdout, /TROUBLE +catalog: the disk of .* is full\n.*Make room/);
    const status = await installation.run(['status', setId]);
    assert.match(status.stdout, /now: .*disk of the catalog .* is full/);
    disk.makeRoom();
    const { code, stdout } = await backup.ended;
    assert.equal(code, 0, stdout);
    assert.equal(countEvents(installation, 'failed'), 0);
    assert.equal(countEvents(installation, 'compressing'), 6, 'no compression was begun anew');
    assertWholeOnTape(t, installation, setId, source);
  },
);

test(
  'a catalog whose disk fails: every step waits, and the tape is not blamed',
  { skip: longTest },
  async (t) => {
    const faults = IoFaults.make(t);
    if (faults === undefined) return;
    const source = sourceOf(t, 4);
    const installation = await Installation.make(t, { ...options, ...faults.env });
    const backup = installation.start(['backup', source]);
    await waitFor(() => countEvents(installation, 'writing') >= 1, 'the first write to tape');
    faults.fail('fsync', 'catalog.db');
    const setId = onlySet(installation);
    await waitsBecause(installation, setId, /disk of the catalog .* fails \(SQLITE_IOERR/);
    faults.none();
    const { code, stdout } = await backup.ended;
    assert.equal(code, 0, stdout);
    assert.equal(countEvents(installation, 'failed') + countEvents(installation, 'lost'), 0);
    assertWholeOnTape(t, installation, setId, source);
  },
);

/** A set of four groups that waits for its tape, which is labelled already and lies aside. */
async function waitingSet(t: TestContext, env: Record<string, string>) {
  const source = sourceOf(t, 4);
  const tape = path.join(tempFolder(t), 'tape');
  const installation = await Installation.make(t, {
    ...options,
    STAGING_MAX_BYTES: '10MB',
    TAPE_PATH: tape,
    ...env,
  });
  mkdirSync(tape);
  assert.equal((await installation.run(['tape', 'label', 'T1'])).code, 0);
  renameSync(tape, `${tape}.aside`);
  const backup = installation.start(['backup', source]);
  await waitFor(
    () =>
      installation.tryQuery(`select 1 from sets where state = 'waiting_for_tape' and scanned = 1`).length ===
        1 && installation.query(`select 1 from groups where state = 'queued'`).length === 4,
    'the set to wait for its tape',
  );
  return { source, installation, backup, loadTape: () => renameSync(`${tape}.aside`, tape) };
}

test(
  'a catalog whose folder goes away and comes back: no new one is made meanwhile, and the set completes',
  { skip: longTest },
  async (t) => {
    const folder = path.join(tempFolder(t), 'catalog');
    mkdirSync(folder);
    const { source, installation, backup, loadTape } = await waitingSet(t, {
      CATALOG_URL: path.join(folder, 'catalog.db'),
    });
    const setId = onlySet(installation);
    renameSync(folder, `${folder}.away`);
    const before = (await installation.worker('archive')) ?? 0;
    process.kill(before, 'SIGKILL');
    const [status, doctor] = await Promise.all([
      installation.run(['status', setId]),
      installation.run(['doctor']),
    ]);
    assert.equal(status.code, 1);
    assert.match(
      status.stderr,
      /^tapeflow: The folder .*\/catalog of the catalog does not exist\. Mount it .*\n$/,
    );
    assert.equal(doctor.code, 1);
    assert.match(doctor.stdout, /TROUBLE +catalog: .*does not exist/);
    await waitFor(() => backup.output().includes('of the catalog does not exist'), 'the worker to be missed');
    renameSync(`${folder}.away`, folder);
    loadTape();
    const { code, stdout } = await backup.ended;
    assert.equal(code, 0, stdout);
    assert.equal(countEvents(installation, 'failed'), 0);
    assertWholeOnTape(t, installation, setId, source);
  },
);

test(
  'the disk of the whole data folder full, catalog, server and logs: the set goes on by itself when room comes',
  { skip: longTest },
  async (t) => {
    const disk = SmallDisk.make(t, 64_000_000);
    if (disk === undefined) return;
    const { source, installation, backup, loadTape } = await waitingSet(t, {
      TAPEFLOW_DATA_DIR: path.join(disk.folder, 'data'),
      BACKUP_COMPRESS_DIR: path.join(disk.folder, 'staging'),
    });
    disk.fill();
    loadTape();
    const doctor = (await waitFor(async () => {
      const said = await installation.run(['doctor']);
      return /TROUBLE +catalog: the disk of .* is full/.test(said.stdout) && said;
    }, 'doctor to say so')) as { code: number };
    assert.equal(doctor.code, 1);
    assert.equal(countEvents(installation, 'committed'), 0);
    disk.makeRoom();
    const { code, stdout, stderr } = await backup.ended;
    assert.equal(code, 0, stdout + stderr);
    assert.equal(countEvents(installation, 'failed'), 0);
    assertWholeOnTape(t, installation, onlySet(installation), source);
  },
);
