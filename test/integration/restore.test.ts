import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  closeSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
  ftruncateSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { Installation } from '../support/installation.js';
import { installationOfFile } from '../support/installation-of-file.js';
import { IoFaults } from '../support/io-faults.js';
import { backedUp, waitsForTape } from '../support/set-state.js';
import { TapeDrive } from '../support/tape-drive.js';
import {
  archivesOn,
  assertSameTree,
  manyFiles,
  noise,
  tempFolder,
  writeTree,
  longTest,
} from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

interface Summary {
  id: string;
  status: string;
  archives: number;
  restored: number;
  same: number;
  kept: number;
  failed: number;
  problems: number;
  unset: Record<string, number>;
  tapes: string[];
}

const exactly = { folderTimes: true };

/** Where a source's copy lies below a target. */
const below = (target: string, source: string) => path.join(target, source);

/** A tree whose hard links, holes and names are not the ordinary ones, over several archives of 1 MB. */
function oddTree(root: string): void {
  writeTree(root, {
    'a/plain': 'plain\n'.repeat(1000),
    'a/big': noise(2_500_000, 'big'),
    'b/empty': '',
    'b/Ünïcödé 名前': 'utf-8',
    'c/with\nnewline and space': 'odd',
    [`c/${'n'.repeat(255)}`]: 'as long as names can be',
    'z/last': noise(900_000, 'last'),
  });
  writeFileSync(Buffer.from(`${root}/c/latin\xe9`, 'latin1'), 'no utf-8');
  linkSync(path.join(root, 'a/plain'), path.join(root, 'a/same-archive'));
  linkSync(path.join(root, 'a/plain'), path.join(root, 'z/other-archive'));
  symlinkSync('../a/plain', path.join(root, 'b/link'));
  symlinkSync('/nowhere', path.join(root, 'b/dangling'));
  mkdirSync(path.join(root, 'nothing in it'), { mode: 0o1750 });
  const holes = openSync(path.join(root, 'b/holes'), 'w', 0o4711);
  ftruncateSync(holes, 700_000);
  writeSync(holes, 'end', 700_000);
  closeSync(holes);
  execFileSync('touch', ['-d', '@-1.5', path.join(root, 'b/empty')]);
  utimesSync(path.join(root, 'nothing in it'), 1e9, 1_234_567_890.987);
}

const shared = installationOfFile({ MAX_GROUP_SIZE: '1MB' });

let odd: Promise<{ installation: Installation; source: string; setId: string }> | undefined;

/** A set of the odd tree, in the shared installation. */
function oddSet() {
  odd ??= (async () => {
    const installation = await shared();
    const source = path.join(installation.root, 'odd');
    oddTree(source);
    return { installation, source, setId: await backedUp(installation, source) };
  })();
  return odd;
}

test('a set comes back as it was: names, links, holes, modes and times', async (t) => {
  const target = tempFolder(t);
  const { installation, source, setId } = await oddSet();

  const { code, stdout, stderr } = await installation.run(['restore', setId, '--target', target]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /Tapes, in the order of reading:\n {2}TAPE01: \d+ archives/);
  assertSameTree(below(target, source), source, exactly);

  const again = await installation.json<Summary>(['restore', setId, '--target', target]);
  assert.equal(again.status, 'completed', 'what is there already, byte for byte, is nothing to overwrite');
  assert.deepEqual([again.restored, again.same > 0], [0, true]);
  assertSameTree(below(target, source), source, exactly);

  const plain = path.join(below(target, source), 'a/big');
  const { mode } = lstatSync(plain);
  chmodSync(plain, 0o777);
  const left = await installation.run(['restore', setId, '--target', target]);
  assert.equal(left.code, 3, left.stderr);
  assert.match(left.stdout, /Not as backed up: the mode of 1 entry; a restore with `--overwrite always`/);
  const mend = ['restore', setId, '--target', target, '--overwrite', 'always', '--owner-map', '4000000=0'];
  const mended = await installation.json<Summary>(mend);
  assert.deepEqual([mended.restored, mended.unset], [0, {}]);
  assert.equal(lstatSync(plain).mode, mode);
});

test('one file is taken out by reading its archive alone, with the folders above it as they were', async (t) => {
  const target = tempFolder(t);
  const { installation, source, setId } = await oddSet();
  const wanted = path.join(source, 'z/other-archive');

  const summary = await installation.json<Summary>([
    'restore',
    setId,
    '--target',
    target,
    '--include',
    wanted,
  ]);
  assert.deepEqual([summary.status, summary.archives, summary.restored], ['completed', 1, 1]);
  assert.deepEqual(readFileSync(below(target, wanted)), readFileSync(wanted));
  assert.deepEqual(readdirSync(below(target, source)), ['z']);
  assert.equal(lstatSync(below(target, path.dirname(wanted))).mode, lstatSync(path.dirname(wanted)).mode);

  const link = path.join(source, 'a/same-archive');
  const other = tempFolder(t);
  await installation.json<Summary>(['restore', setId, '--target', other, '--include', link]);
  assert.deepEqual(readFileSync(below(other, link)), readFileSync(link), 'a further link brings its content');

  const third = tempFolder(t);
  const globbed = await installation.json<Summary>(['restore', setId, '--target', third, '--include', 'b*']);
  assert.equal(globbed.restored, 7, 'big, and all in b');
  const newest = tempFolder(t);
  const byPath = ['restore', 'latest', '--path', path.join(source, 'b'), '--target', newest];
  assert.equal((await installation.json<Summary>(byPath)).status, 'completed');
  assertSameTree(below(newest, path.join(source, 'b')), path.join(source, 'b'), exactly);
});

test('what is in the target already is replaced only as --overwrite says', async (t) => {
  const source = tempFolder(t);
  writeTree(source, { older: 'archived', newer: 'archived', gone: 'archived' });
  utimesSync(path.join(source, 'older'), 1e9, 1e9);
  utimesSync(path.join(source, 'newer'), 1e9, 1e9);
  const installation = await shared();
  const setId = await backedUp(installation, source);
  const there = (mode: string) => {
    const target = tempFolder(t);
    writeTree(below(target, source), { older: 'there', newer: 'there' });
    utimesSync(path.join(below(target, source), 'older'), 1, 1);
    return { target, args: ['restore', setId, '--target', target, '--overwrite', mode] };
  };
  const contents = (target: string) =>
    ['older', 'newer', 'gone'].map((name) => readFileSync(path.join(below(target, source), name), 'utf8'));

  const never = there('never');
  const { code, stdout } = await installation.run(never.args);
  assert.equal(code, 1);
  assert.match(stdout, /older: something else is in its place already/);
  assert.deepEqual(contents(never.target), ['there', 'there', 'archived']);

  const ifNewer = there('if-newer');
  const kept = await installation.json<Summary>(ifNewer.args);
  assert.deepEqual([kept.status, kept.kept], ['completed', 1]);
  assert.deepEqual(contents(ifNewer.target), ['archived', 'there', 'archived']);

  const always = there('always');
  assert.equal((await installation.json<Summary>(always.args)).status, 'completed');
  assert.deepEqual(contents(always.target), ['archived', 'archived', 'archived']);
});

test('nothing is written outside of the target, through whatever links lie in it', async (t) => {
  const source = tempFolder(t);
  const outside = tempFolder(t);
  const target = tempFolder(t);
  writeTree(source, { 'folder/file': 'archived', 'other/file': 'archived', plain: 'archived' });
  writeTree(outside, { file: 'untouched' });
  const installation = await shared();
  const setId = await backedUp(installation, source);
  mkdirSync(below(target, source), { recursive: true });
  symlinkSync(outside, path.join(below(target, source), 'folder'));
  symlinkSync(path.join(outside, 'file'), path.join(below(target, source), 'plain'));

  const { code, stdout } = await installation.run([
    'restore',
    setId,
    '--target',
    target,
    '--overwrite',
    'always',
  ]);
  assert.equal(code, 1);
  assert.match(stdout, /folder\/file: a file or symbolic link of the target is in place of a folder/);
  assert.deepEqual(readdirSync(outside), ['file']);
  assert.equal(readFileSync(path.join(outside, 'file'), 'utf8'), 'untouched');
  assert.equal(readFileSync(path.join(below(target, source), 'other/file'), 'utf8'), 'archived');
  assert.equal(
    lstatSync(path.join(below(target, source), 'plain')).isSymbolicLink(),
    false,
    'the link was replaced',
  );
});

test(
  'each tape is waited for by its name, in the order that was said, and the restore survives a kill -9 of everything',
  { skip: longTest },
  async (t) => {
    if (process.getuid?.() !== 0) return t.skip('mounting needs root');
    const source = tempFolder(t);
    const target = tempFolder(t);
    for (let i = 0; i < 8; i += 1) writeTree(source, { [`file-${i}`]: noise(2_000_000, `tapes ${i}`) });
    manyFiles(path.join(source, 'many'), 500);
    const drive = new TapeDrive(t);
    const tapes = [drive.newTape(), drive.newTape(), drive.newTape()] as const;
    const installation = await Installation.make(t, {
      TAPE_PATH: drive.path,
      MAX_GROUP_SIZE: '2MB',
      STAGING_MAX_BYTES: '40MB',
    });
    for (const [index, tape] of tapes.entries()) {
      drive.load(tape);
      assert.equal((await installation.run(['tape', 'label', `TAPE${index + 1}`])).code, 0);
      drive.unload();
    }
    drive.load(tapes[0]);
    const backup = installation.start(['backup', source, '--json']);
    await waitsForTape(installation, 'sets', /TAPE1 is full/);
    drive.swap(tapes[1]);
    await waitsForTape(installation, 'sets', /TAPE2 is full/);
    drive.swap(tapes[2]);
    const set = await backup.ended;
    assert.equal(set.code, 0, set.stderr);
    const { setId } = JSON.parse(set.stdout.trim().split('\n').at(-1) ?? '') as { setId: string };

    const args = ['restore', setId, '--target', target];
    const first = installation.start(args);
    await waitsForTape(installation, 'retrievals', /TAPE3 is in drive lto1, but TAPE1 is wanted/);
    // The one that is in the drive comes first.
    assert.match(first.output(), /TAPE3: .*\n {2}TAPE1: .*\n {2}TAPE2: /);
    drive.swap(tapes[0]);
    await waitsForTape(installation, 'retrievals', /TAPE2 is wanted/);
    await installation.killAll();
    await first.ended;
    const second = installation.start(args);
    await waitFor(() => second.output().includes('goes on'), 'the restore to be taken up');
    drive.swap(tapes[1]);
    const { code, stdout, stderr } = await second.ended;
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stdout, /already there/, 'folders that an archive of the same restore has made');
    assertSameTree(below(target, source), source, exactly);
  },
);

test('a kill -9 in the middle of a file leaves no part of it behind', { skip: longTest }, async (t) => {
  const source = tempFolder(t);
  const target = tempFolder(t);
  writeTree(source, { 'folder/big': Buffer.alloc(600_000_000), 'folder/small': 'x' });
  const installation = await Installation.make(t);
  const setId = await backedUp(installation, source);
  const args = ['restore', setId, '--target', target];
  const folder = path.join(below(target, source), 'folder');
  const first = installation.start(args);
  await waitFor(
    () => existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.part')),
    'a part',
  );
  await installation.killAll();
  await first.ended;
  assert.ok(
    readdirSync(folder).some((name) => name.endsWith('.part')),
    'it was killed in the middle',
  );
  assert.ok(!existsSync(path.join(folder, 'big')), 'a file has its name only when it is whole');
  const { code, stdout, stderr } = await installation.run(args);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /: 4 restored\n/, 'also what the killed attempt has made');
  assertSameTree(below(target, source), source, exactly);
});

test('of a damaged archive everything is restored but what the damage hit, and verify names it', async (t) => {
  const source = tempFolder(t);
  const target = tempFolder(t);
  for (const name of ['a', 'b', 'c']) writeTree(source, { [name]: noise(3_000_000, name) });
  const installation = await Installation.make(t);
  const setId = await backedUp(installation, source);
  const good = await installation.json<Summary>(['verify', setId]);
  assert.deepEqual([good.status, good.restored], ['completed', 4]);

  const [archive = ''] = archivesOn(installation.tapeDir, setId);
  const bytes = readFileSync(archive);
  bytes.writeUInt8(bytes.readUInt8(4_500_000) ^ 1, 4_500_000);
  writeFileSync(archive, bytes);
  const { code, stdout } = await installation.run(['restore', setId, '--target', target]);
  assert.equal(code, 1);
  assert.match(stdout, /\/b: .*block 5 of 9 is damaged/);
  assert.deepEqual(readdirSync(below(target, source)).sort(), ['a', 'c']);
  const verified = await installation.run(['verify', 'TAPE01']);
  assert.equal(verified.code, 1);
  assert.match(verified.stdout, /\/b: .*block 5 of 9 is damaged/);
  const [copy] = installation.query<{ damage: string }>('select damage from copies');
  assert.match(copy?.damage ?? '', /block 5 of 9/);

  truncateSync(archive, 4_000_000);
  const rest = tempFolder(t);
  const cut = await installation.run(['restore', setId, '--target', rest]);
  assert.equal(cut.code, 1);
  assert.match(cut.stdout, /has 4000000 bytes instead of/);
  assert.deepEqual(readdirSync(below(rest, source)), ['a']);

  rmSync(archive);
  const gone = await installation.run(['restore', setId, '--target', tempFolder(t)]);
  assert.equal(gone.code, 1);
  assert.match(gone.stdout, /cannot be read: does not exist/);
});

test('without the index of an archive it is read from its beginning', async (t) => {
  const source = tempFolder(t);
  const target = tempFolder(t);
  oddTree(source);
  const installation = await shared();
  const setId = await backedUp(installation, source);
  const catalog = new Database(path.join(installation.dataDir, 'catalog.db'));
  catalog.prepare('update archives set blocks = null where set_id = ?').run(setId);
  catalog.close();
  const [archive = ''] = archivesOn(installation.tapeDir, setId);
  // As another program would compress it: one gzip member.
  execFileSync('sh', ['-c', 'gzip -dc "$1" | gzip -1 > "$1.new"', 'sh', archive]);
  renameSync(`${archive}.new`, archive);
  const { code, stdout } = await installation.run(['restore', setId, '--target', target]);
  assert.equal(code, 1, 'its size is another');
  assert.match(stdout, /bytes instead of/);
  assertSameTree(below(target, source), source, exactly);
});

test(
  'a restore on the drive of running backups goes before the one that has waited for longer',
  { skip: longTest },
  async (t) => {
    const faults = IoFaults.make(t);
    if (faults === undefined) return;
    const source = tempFolder(t);
    const target = tempFolder(t);
    writeTree(source, { file: 'archived' });
    const installation = await Installation.make(t, faults.env);
    const setId = await backedUp(installation, source);
    const others = [2, 3].map((number) => setId.replace(/\d$/, String(number)));
    const folders = others.map((id) => path.join(installation.tapeDir, id));
    // No write of theirs ends before it is let go: one stands in the drive, and the next step is the drive's choice.
    faults.hold('fsync', ...folders);
    const [first = '', second = ''] = others;
    const waits = (of: string, activity: string, isBegun: boolean) =>
      waitFor(async () => {
        const { steps } = await installation.json<{ steps: { activity: string; started: boolean }[] }>([
          'status',
          of,
        ]);
        return steps.some((step) => step.activity === activity && step.started === isBegun);
      }, `${activity} of ${of}`);
    for (const [id, isBegun] of [
      [first, true],
      [second, false],
    ] as const) {
      const begun = await installation.run(['backup', source, '--set', id, '--detach']);
      assert.equal(begun.code, 0, begun.stderr);
      await waits(id, 'writeToTape', isBegun);
    }
    const restore = installation.start(['restore', setId, '--target', target]);
    await waitFor(() => installation.query('select 1 from retrievals').length > 0, 'the restore');
    await waits('restore-000001', 'readArchive', false);
    faults.hold('fsync', path.join(installation.tapeDir, second));
    const { code, stderr } = await restore.ended;
    assert.equal(code, 0, stderr);
    assertSameTree(below(target, source), source, exactly);
    faults.none();
    for (const id of others) assert.equal((await installation.run(['watch', id])).code, 0);
    await installation.run(['down']);
  },
);

test('a wrong request says what is wrong, and starts nothing', async (t) => {
  const source = tempFolder(t);
  writeTree(source, { file: 'x' });
  const installation = await shared();
  const setId = await backedUp(installation, source);
  const begun = installation.query('select 1 from retrievals').length;
  const target = tempFolder(t);
  const cases: [string[], number, RegExp][] = [
    [['restore', '2020-01_000001', '--target', target], 2, /There is no set 2020-01_000001/],
    [['restore', setId, '--target', path.join(source, 'file')], 2, /cannot be used: it is not a folder/],
    [['restore', setId, '--target', '/proc/tapeflow/target'], 2, /\/proc\/tapeflow\/target cannot be used/],
    [['restore', setId, '--target', target, '--overwrite', 'maybe'], 2, /never, if-newer or always/],
    [
      ['restore', setId, '--target', target, '--include', '/no/such'],
      1,
      /holds nothing on tape that matches/,
    ],
    [['restore', 'latest', '--target', target], 2, /needs --path/],
    [['restore', 'latest', '--path', '/no/such', '--target', target], 1, /No set on tape holds \/no\/such/],
    [['restore', setId], 2, /--target/],
    [['verify', 'NOTHING'], 2, /no set and no tape NOTHING/],
    [['verify', setId, '--sample', '0'], 2, /--sample cannot be "0"/],
  ];
  for (const [args, exit, message] of cases) {
    const { code, stderr } = await installation.run(args);
    assert.equal(code, exit, `${args.join(' ')}: ${stderr}`);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /\n {4}at /);
  }
  assert.equal(installation.query('select 1 from retrievals').length, begun);
});
