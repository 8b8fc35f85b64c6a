import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { pino } from 'pino';
import { test, type TestContext } from 'node:test';
import { purgeErased } from '../../catalog/tapes/purge-erased.js';
import { isRebuilt } from '../../catalog/rebuilt/rebuilt-sets.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { tapeByName } from '../../catalog/tapes/tapes.js';
import { eraseTape } from '../../operations/tapes/erase-tape.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { lockDrive } from '../../tape/drives/drive-lock.js';
import { labelFileName } from '../../tape/labels/label.js';
import { importTape } from '../../operations/rebuild/import-tape.js';
import { FakeLtfs } from '../support/fake-ltfs.js';
import { buildShim, FaultShim } from '../support/fault-shim.js';
import { Installation } from '../support/installation.js';
import { setsInProcess } from '../support/sets-in-process.js';
import {
  archivesOn,
  assertSameTree,
  noise,
  settled,
  tempFolder,
  writeTree,
  longTest,
} from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

const built = buildShim();
const noShim = 'missing' in built ? built.missing : false;

/** What has ended a second ago has expired for a command that runs with this. */
const short = { POOL_RETENTION: '1s' };

interface Listed {
  name: string;
  uuid: string;
  state: string;
  recyclable: boolean;
  keptForEver: boolean;
  sets: { setId: string; expires: string | null; neededBy: string[] }[];
}

async function backedUp(installation: Installation, ...args: string[]): Promise<string> {
  const result = await installation.json<{ setId: string; status: string }>(['backup', ...args]);
  assert.equal(result.status, 'completed');
  return result.setId;
}

async function recyclable(installation: Installation): Promise<Listed> {
  return (await waitFor(async () => {
    const tape = await installation.json<Listed>(['tape', 'list'], short);
    return tape.recyclable && tape;
  }, 'the sets to expire')) as Listed;
}

function labelOf(tape: string): { name: string; uuid: string; pool: string } {
  return JSON.parse(readFileSync(path.join(tape, labelFileName), 'utf8')) as ReturnType<typeof labelOf>;
}

/** A source, and an installation with a tape T1 in a folder. */
async function withTape(t: TestContext, env: Record<string, string> = {}) {
  const source = tempFolder(t);
  writeTree(source, { a: noise(50_000, 'a'), b: noise(50_000, 'b'), c: noise(50_000, 'c') });
  await settled(source);
  const tape = path.join(tempFolder(t), 'drive');
  mkdirSync(tape);
  const installation = await Installation.make(t, { TAPE_PATH: tape, ...env });
  const labelled = await installation.run(['tape', 'label', 'T1', '--pool', 'default']);
  assert.equal(labelled.code, 0, labelled.stderr);
  return { installation, source, tape };
}

test('a tape is erased when it is named, confirmed and in the drive, and all on it has expired', async (t) => {
  const { installation, source, tape } = await withTape(t);
  const up = installation.start(['up'], short);
  await waitFor(() => installation.hostPid() !== undefined, `the server: ${up.output()}`);
  const full = await backedUp(installation, source);
  const next = await backedUp(installation, source, '--mode', 'incremental');
  const before = labelOf(tape);

  // What another data folder's process has, no worker of this one can do: that is told, and not waited for.
  const elsewhere = loadSettings(
    { ...installation.env, TAPEFLOW_DATA_DIR: tempFolder(t), TAPE_PATH: source },
    source,
  );
  const [theirs] = elsewhere.drives;
  const held = lockDrive(elsewhere, theirs ?? assert.fail(), 'tape worker');
  const busy = await installation.run(['tape', 'label', 'T9'], { TAPE_PATH: source });
  held.release();
  assert.match(
    busy.stderr,
    new RegExp(`The drive lto1 .* is in use by pid ${process.pid} \\(tape worker\\)`),
  );
  assert.equal(busy.code, 1);
  assert.deepEqual(labelOf(tape), before);

  const told = await installation.run(['tape', 'erase', 'T1']);
  assert.equal(told.code, 0, 'nothing was asked that is wrong');
  assert.match(told.stdout, /Tape T1, pool default, usable: needed for ever/);
  assert.match(told.stdout, new RegExp(`${full}: 1 archive, 4 entries, .* nothing of the set would be left`));
  assert.match(told.stdout, new RegExp(`set ${next}, which has not expired, builds on it`));
  assert.match(
    told.stderr,
    new RegExp(
      `Nothing was erased, and \`tapeflow tape erase T1 --yes\` would be refused: The tape T1 is not recyclable: .* ${full}, .*--even-unexpired\` erases it`,
    ),
  );
  const evenSo = await installation.run(['tape', 'erase', 'T1', '--even-unexpired']);
  assert.match(evenSo.stderr, /Nothing was erased: `tapeflow tape erase T1 --yes --even-unexpired` does it/);
  const needed = await installation.run(['tape', 'erase', 'T1', '--yes']);
  assert.equal(needed.code, 1);
  assert.match(
    needed.stderr,
    new RegExp(`T1 is not recyclable: it holds set ${full}, which has not expired`),
  );
  assert.equal((await installation.json<Listed>(['tape', 'list'])).keptForEver, true);
  const { sets } = await recyclable(installation);
  const could = await installation.run(['tape', 'erase', 'T1'], short);
  assert.match(could.stderr, /Nothing was erased: `tapeflow tape erase T1 --yes` does it/);
  assert.deepEqual(
    sets.map((set) => set.setId),
    [full, next],
  );
  const [newest] = (await installation.run(['sets'], short)).stdout.split('\n').slice(1);
  assert.match(newest ?? '', new RegExp(`^${next} .*, is over`));

  renameSync(tape, `${tape}-1`);
  const waiting = await installation.json<{ setId: string }>(['backup', '--detach', `${source}/a`]);
  const reasonOf = (id: string) =>
    installation.query<{ reason: string | null }>('select reason from sets where id = ?', id)[0]?.reason;
  await waitFor(
    () => /the tape T1 is recyclable: `tapeflow tape erase T1 --yes`/.test(reasonOf(waiting.setId) ?? ''),
    'the set that waits for a tape to name the recyclable one',
  );
  assert.equal((await installation.run(['cancel', waiting.setId, '--discard'])).code, 0);
  mkdirSync(tape);
  const labelled = await installation.run(['tape', 'label', 'T2', '--pool', 'default']);
  assert.equal(labelled.code, 0, labelled.stderr);
  const wrong = await installation.run(['tape', 'erase', 'T1', '--yes'], short);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /The tape in drive lto1 is T2, and not T1/);
  renameSync(tape, `${tape}-2`);
  renameSync(`${tape}-1`, tape);

  const unknown = path.join(tape, '2020-01_000001');
  mkdirSync(unknown);
  writeFileSync(path.join(unknown, 'backup_2020-01_000001_000001.tar.gz'), 'x');
  const stranger = await installation.run(['tape', 'erase', 'T1', '--yes'], short);
  assert.equal(stranger.code, 1);
  assert.match(stranger.stderr, /holds backup_2020-01_000001_000001.tar.gz, which the catalog does not know/);
  assert.equal(archivesOn(tape, full).length, 1, 'nothing was erased so far');
  renameSync(unknown, path.join(tape, 'mine'));
  writeFileSync(path.join(tape, full, 'letter.txt'), 'x');
  // What was left of writes in any format is ours.
  for (const ending of ['tar', 'tar.zst', 'manifest.jsonl.gz'])
    writeFileSync(path.join(tape, full, `backup_${full}_000009.${ending}.dead.part`), '');

  const erased = await installation.run(['tape', 'erase', 'T1', '--yes'], short);
  assert.equal(erased.code, 0, erased.stderr);
  assert.match(erased.stdout, /T1, pool default, is erased: 2 archives were deleted/);
  assert.match(erased.stdout, new RegExp(`Left, since it is not tapeflow's: ${full}/letter.txt, mine`));
  assert.deepEqual(readdirSync(tape).sort(), [full, 'mine', labelFileName].sort());
  assert.deepEqual(readdirSync(path.join(tape, full)), ['letter.txt']);
  const after = labelOf(tape);
  assert.deepEqual([after.name, after.pool, after.uuid === before.uuid], ['T1', 'default', false]);
  assert.deepEqual(installation.query(`select set_id from files where set_id != ?`, waiting.setId), []);
  const named = 'select set_id from names join layers on layers.no = names.layer where set_id != ?';
  assert.deepEqual(installation.query(named, waiting.setId), []);
  const states = installation.query<{ state: string }>('select state from sets order by id');
  assert.deepEqual(
    states.map((row) => row.state),
    ['expired', 'expired', 'cancelled'],
  );
  for (const command of [
    ['restore', full, '--target', tempFolder(t)],
    ['verify', full],
    ['ls', full],
  ]) {
    const gone = await installation.run(command);
    assert.equal(gone.code, 1);
    assert.match(gone.stderr, new RegExp(`The set ${full} has expired, and nothing of it is left`));
  }

  for (const [command, told] of [
    ['status', /on tape: +nothing any more/],
    ['trace', /On tape\? no: the tapes that held it were erased, and nothing of it is left/],
  ] as const) {
    const { stdout } = await installation.run([command, full]);
    assert.match(stdout, told);
    assert.doesNotMatch(stdout, /group/, `${command} speaks of no groups`);
  }

  const again = await backedUp(installation, source, '--mode', 'incremental');
  assert.ok(again > waiting.setId, 'no number is given again');
  const status = await installation.json<{ mode: string; tapes: string[] }>(['status', again]);
  assert.deepEqual([status.mode, status.tapes], ['full', ['T1']]);
  const target = tempFolder(t);
  assert.equal((await installation.run(['restore', again, '--target', target])).code, 0);
  assertSameTree(path.join(target, source), source, { folderTimes: true });
});

test(
  'an erasing that is killed goes on where it was, and nothing counts meanwhile',
  { skip: noShim || longTest },
  async (t) => {
    const { installation, source, tape } = await withTape(t, { MAX_GROUP_FILES: '2' });
    const setId = await backedUp(installation, source);
    await installation.quiet();
    const archives = archivesOn(tape, setId).length;
    assert.equal(archives, 2);
    const before = labelOf(tape);
    const library = 'library' in built ? built.library : '';
    const shim = new FaultShim(library, tempFolder(t), 'erase', { folders: [tape], commits: '' });
    const erase = () => installation.run(['tape', 'erase', 'T1', '--yes', '--even-unexpired'], shim.env);
    const killedAt = async (
      operation: string,
      action: 'killBefore' | 'killAfter',
      at: number,
      glob = '*',
    ) => {
      shim.arm({ action, operation, path: glob, at, pids: [-1] });
      assert.equal((await erase()).code, null, 'it was killed');
      shim.arm(undefined);
    };
    const committed = () => installation.query("select 1 from copies where state = 'committed'").length;
    const tapes = () => installation.query<Listed>('select name, uuid, state from tapes');

    await killedAt('unlink', 'killBefore', 1);
    assert.equal(archivesOn(tape, setId).length, archives, 'nothing is deleted');
    assert.equal(committed(), 0, 'before the catalog knows it');
    await killedAt('unlink', 'killAfter', 3);
    assert.equal(labelOf(tape).uuid, before.uuid, 'the label comes last');
    const status = await installation.run(['tape', 'status']);
    assert.match(status.stdout, /`tapeflow tape erase T1 --yes` ends its erasing/);
    for (const args of [['trust', 'T1'], ['catalog'], ['label', 'T9', '--force']]) {
      const refused = await installation.run(['tape', ...args]);
      assert.match(refused.stderr, /erasing of tape T1/, args[0]);
      assert.notEqual(refused.code, 0);
    }
    await killedAt('rename', 'killAfter', 1, `*/${labelFileName}`);
    const after = labelOf(tape);
    assert.notEqual(after.uuid, before.uuid);
    assert.deepEqual(tapes(), [{ name: 'T1', uuid: before.uuid, state: 'erasing' }]);
    assert.match((await installation.run(['tape', 'catalog'])).stderr, /erasing of tape T1/);

    const ended = await erase();
    assert.equal(ended.code, 0, ended.stderr);
    assert.deepEqual(tapes(), [{ name: 'T1', uuid: after.uuid, state: 'usable' }]);
    assert.deepEqual(readdirSync(tape), [labelFileName]);
    assert.deepEqual(installation.query('select state from sets'), [{ state: 'expired' }]);
  },
);

test('a copy of an expired set that turns up is read as of a set that is known from tapes only', async (t) => {
  const source = tempFolder(t);
  writeTree(source, { a: noise(5000, 'a'), 'b/c': 'c' });
  await settled(source);
  const sets = await setsInProcess(t);
  const { catalog, drive, lock, tapeDir } = sets;
  const { setId } = await sets.backUp(source, 'full');
  const copy = tempFolder(t);
  cpSync(tapeDir, copy, { recursive: true, preserveTimestamps: true });
  const tape = (await tapeByName(catalog, 'TAPE01'))?.uuid ?? '';
  const context = { catalog, logger: pino({ level: 'silent' }), drive, lock, guard: () => undefined };
  const retentions = { pools: {}, otherwise: null };
  const { archives } = await eraseTape(context, { tape, retentions, evenUnexpired: true });
  await purgeErased(catalog);
  assert.deepEqual([archives, (await setNamed(catalog, setId)).state], [1, 'expired']);

  rmSync(path.join(tapeDir, labelFileName));
  cpSync(copy, tapeDir, { recursive: true, preserveTimestamps: true });
  const scratch = path.join(tempFolder(t), 'scratch');
  const silent = { say: () => undefined, onArchive: () => undefined };
  const { troubles } = await importTape({ drive, lock, catalog, scratch, ...silent });
  assert.deepEqual(troubles, []);
  const set = await setNamed(catalog, setId);
  assert.deepEqual([set.state, set.erased_at, isRebuilt(set)], ['completed', null, true]);
  const target = tempFolder(t);
  assert.equal((await sets.restore(setId, target)).status, 'completed');
  assertSameTree(path.join(target, source), source, { folderTimes: true });
});

test(
  'an LTFS tape is given up first, and labelled anew when a person has formatted it',
  { skip: longTest },
  async (t) => {
    const ltfs = await FakeLtfs.make(t);
    if (ltfs === undefined) return;
    const source = tempFolder(t);
    writeTree(source, { a: 'a' });
    const installation = await Installation.make(t, { TAPE_PATH: ltfs.mount, TAPE_KIND: 'ltfs' });
    assert.equal((await installation.run(['tape', 'label', 'LTO001'])).code, 0);
    const setId = await backedUp(installation, source);
    await installation.quiet();
    const erase = () => installation.run(['tape', 'erase', 'LTO001', '--yes', '--even-unexpired']);
    for (const attempt of [1, 2]) {
      const first = await erase();
      assert.equal(first.code, 1, `attempt ${attempt}`);
      assert.match(first.stderr, /Unmount .*, format the tape \(`mkltfs -f -d DEVICE`\), mount it, and run/);
      assert.equal(archivesOn(ltfs.mount, setId).length, 1, 'deleting would free nothing');
    }
    await ltfs.eject();
    ltfs.store = tempFolder(t);
    await ltfs.load();
    assert.equal(existsSync(path.join(ltfs.mount, labelFileName)), false);
    const second = await erase();
    assert.equal(second.code, 0, second.stderr);
    assert.equal(labelOf(ltfs.mount).name, 'LTO001');
    await ltfs.kill();
    ltfs.unmount();
    await ltfs.load();
    assert.equal(labelOf(ltfs.mount).name, 'LTO001', 'its index was synced');
    const [tape] = installation.query<{ state: string; uuid: string }>('select state, uuid from tapes');
    assert.deepEqual(tape, { state: 'usable', uuid: labelOf(ltfs.mount).uuid });
  },
);
