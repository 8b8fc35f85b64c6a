import { strippedName } from '../../entry/member-name.js';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { newestVersion } from '../../catalog/files/newest-version.js';
import { askedSelection } from '../../client/commands/files/restore-selection.js';
import { projectDir } from '../../config/project-dir.js';
import { collidingNames } from '../../operations/retrievals/colliding-names.js';
import { lackOfRoom, roomNeeded } from '../../operations/retrievals/restore-room.js';
import { FakeLtfs } from '../support/fake-ltfs.js';
import { changeFiles } from '../support/file-rows.js';
import { cleanEnv } from '../support/installation.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { SmallDisk } from '../support/small-disk.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';

const everything = { names: [], globs: [] };

/** The files below a folder, by their paths in it. */
function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const all = readdirSync(folder, { withFileTypes: true, recursive: true });
  return all
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
}

test('a path that the set has is taken as it is, whatever its characters mean in a glob, and what it has not is named', async (t) => {
  const { backUp, catalog, restore } = await setsInProcess(t);
  const source = tempFolder(t);
  const names = ['[abc].txt', 'a.txt', 'x*y', 'xzy', 'q?', 'qq', 'b\\n', '!n', '#n', 'c d '];
  for (const name of names) writeTree(source, { [name]: name });
  const { setId } = await backUp(source, 'full');
  const taken = async (...include: string[]) => {
    const { selection, missing } = await askedSelection(catalog, setId, { include });
    const target = tempFolder(t);
    await restore(setId, target, selection);
    return { files: filesIn(path.join(target, source)), missing: missing.map(({ reason }) => reason) };
  };
  for (const name of names)
    assert.deepEqual(await taken(path.join(source, name)), { files: [name], missing: [] }, name);
  for (const name of ['[abc].txt', 'x*y', 'q?', '!n', '#n'])
    assert.deepEqual(await taken(name), { files: [name], missing: [] }, `${name} wherever it is`);
  assert.deepEqual(await taken(`${source}/[abd].txt`), { files: ['a.txt'], missing: [] }, 'still a glob');
  const some = await taken(`${source}/qq`, `${source}/none`, '*.none');
  assert.deepEqual(some.files, ['qq']);
  assert.deepEqual(some.missing.sort(), [
    'The set holds nothing of this name.',
    'The set holds nothing that matches "*.none".',
  ]);
});

test('a list of any length says what comes back, each line as it is, and each line that the set has not is named', async (t) => {
  const { backUp, catalog, restore } = await setsInProcess(t);
  const source = tempFolder(t);
  const wanted = Array.from({ length: 1200 }, (_, i) => `d${i % 7}/f[${i}]`);
  for (const name of wanted) writeTree(source, { [name]: '', [`${name}-not`]: '' });
  writeTree(source, { 'folder/in/it': 'x', 'two\nlines': 'x', folders: 'x' });
  const { setId } = await backUp(source, 'full');
  const folder = tempFolder(t);
  const list = async (lines: string[], ending: '\n' | '\0') => {
    const file = path.join(folder, 'list');
    writeFileSync(file, lines.map((line) => path.join(source, line) + ending).join(''));
    const flags = ending === '\n' ? { filesFrom: file } : { filesFrom0: file };
    const { selection, missing } = await askedSelection(catalog, setId, { include: [], ...flags });
    const target = tempFolder(t);
    const { status } = await restore(setId, target, selection);
    assert.equal(status, 'completed');
    return { files: filesIn(path.join(target, source)), selection, missing };
  };
  const long = await list([...wanted, 'folder', 'none'], '\n');
  assert.equal(long.selection.list?.length, 64, 'kept in the catalog');
  assert.ok(JSON.stringify(long.selection).length < 200);
  assert.deepEqual(long.files, [...wanted, 'folder/in/it'].sort());
  assert.deepEqual(
    long.missing.map((problem) => Buffer.from(problem.path ?? []).toString()),
    [path.join(source, 'none').slice(1)],
  );
  assert.equal((await list([...wanted, 'folder', 'none'], '\n')).selection.list, long.selection.list);
  assert.deepEqual((await list(['two\nlines', 'folder/in'], '\0')).files, ['folder/in/it', 'two\nlines']);
});

test('leading parts of paths are left off, and of two files that get one name the second is refused and named, also with always', async (t) => {
  assert.equal(strippedName('a/b/c', 2), 'c');
  assert.equal(strippedName('a/b/', 2), undefined);
  assert.equal(strippedName('a', 1), undefined);
  const { backUp, catalog, restore } = await setsInProcess(t);
  const source = tempFolder(t);
  writeTree(source, {
    'a/x': 'a',
    'b/x': 'b',
    'a/d/1': '1',
    'b/d/2': '2',
    'b/f': 'f',
    'c/f/in': 'in',
    top: '',
  });
  const { setId } = await backUp(source, 'full');
  const strip = source.split('/').length;
  const selection = { ...everything, strip };
  const target = tempFolder(t);
  const refused = await collidingNames(catalog, { setId, target, selection, members: 20 });
  const name = (of: string) => path.join(source, of).slice(1);
  assert.deepEqual(refused, [
    [name('b/x'), name('a/x')],
    [name('c/f'), name('b/f')],
  ]);
  for (const overwrite of ['never', 'always']) {
    const more = { refused: JSON.stringify(refused) };
    const { status, problems } = await restore(setId, target, selection, overwrite, more);
    assert.equal(status, 'incomplete');
    assert.deepEqual(filesIn(target), ['d/1', 'd/2', 'f', 'x']);
    assert.equal(readFileSync(path.join(target, 'x'), 'utf8'), 'a');
    assert.deepEqual(
      problems.map(({ path: of }) => path.relative(source, `/${Buffer.from(of ?? []).toString()}`)).sort(),
      ['b/x', 'c/f', 'c/f/in'],
    );
  }
});

test('names that the target takes for one are found before, and only the first of them is restored', async (t) => {
  const disk = await FakeLtfs.make(t);
  if (disk === undefined) return;
  await disk.eject();
  await disk.load({ fold: true });
  const { backUp, catalog, restore } = await setsInProcess(t);
  const source = tempFolder(t);
  writeTree(source, {
    README: 'A',
    readme: 'a',
    'D/x': '1',
    'd/y': '2',
    '\u00e9': 'e',
    'e\u0301': 'e',
    other: '',
  });
  const { setId } = await backUp(source, 'full');
  const wanted = { setId, selection: everything, members: 20 };
  assert.deepEqual(await collidingNames(catalog, { ...wanted, target: tempFolder(t) }), []);
  const refused = await collidingNames(catalog, { ...wanted, target: disk.mount });
  const names = refused.map((pair) =>
    pair.map((name) => path.relative(source, `/${Buffer.from(name, 'latin1').toString()}`)),
  );
  assert.deepEqual(names, [
    ['d', 'D'],
    ['readme', 'README'],
    ['\u00e9', 'e\u0301'],
  ]);
  const more = { refused: JSON.stringify(refused) };
  const { problems } = await restore(setId, disk.mount, undefined, 'always', more);
  const there = path.join(disk.mount, source);
  // The disk keeps names in the composed form, as LTFS does.
  assert.deepEqual(filesIn(there), ['D/x', 'README', 'other', '\u00e9']);
  assert.equal(readFileSync(path.join(there, 'README'), 'utf8'), 'A');
  assert.equal(problems.length, 4);
  assert.match(problems[0]?.reason ?? '', /in the target (it has|its folder has) the same place as/);
});

test('what a restore needs is what does not lie there yet, in bytes and in inodes, of each file system', async (t) => {
  const disk = SmallDisk.make(t, 2_000_000, ',nr_inodes=30');
  if (disk === undefined) return;
  const { backUp, catalog, restore } = await setsInProcess(t);
  const source = tempFolder(t);
  writeTree(source, { 'a/1': noise(700_000, '1'), 'a/2': noise(700_000, '2'), 'b/3': noise(700_000, '3') });
  const { setId } = await backUp(source, 'full');
  const question = { setId, selection: everything, overwrite: 'never', fresh: undefined };
  const lack = async (target: string, overwrite = 'never') =>
    lackOfRoom(await roomNeeded(catalog, { ...question, target, overwrite }));
  assert.equal(await lack(tempFolder(t)), undefined);
  assert.match(
    (await lack(disk.folder)) ?? '',
    /^The restore needs 2\.1 MB, but only .+ are free at \/.+\.$/,
  );
  const some = { names: [path.join(source, 'a').slice(1)], globs: [] };
  assert.equal((await restore(setId, disk.folder, some)).status, 'completed');
  const [need] = await roomNeeded(catalog, { ...question, target: disk.folder });
  assert.deepEqual([need?.bytes, need?.inodes], [700_000, 2]);
  assert.match((await lack(disk.folder)) ?? '', /needs 700 kB/);
  writeFileSync(path.join(disk.folder, source, 'a/1'), 'other');
  const always = await roomNeeded(catalog, { ...question, target: disk.folder, overwrite: 'always' });
  assert.equal(always[0]?.bytes, 1_400_000);

  const nested = tempFolder(t);
  mkdirSync(path.join(nested, 'm'));
  for (let i = 0; i < 40; i += 1) writeTree(source, { [`many/${i}`]: '' });
  const { setId: more } = await backUp(source, 'full');
  const many = { names: [path.join(source, 'many').slice(1)], globs: [] };
  const needs = await roomNeeded(catalog, { ...question, setId: more, selection: many, target: disk.folder });
  assert.match(
    lackOfRoom(needs) ?? '',
    /makes 4\d entries, but the file system at .+ takes only \d+ more\.$/,
  );
});

test('a time before which the newest set ended chooses the set', async (t) => {
  const { backUp, catalog } = await setsInProcess(t);
  const source = tempFolder(t);
  writeTree(source, { file: 'x' });
  const names = [path.join(source, 'file').slice(1)];
  const ids: string[] = [];
  for (const finished of [1000, 2000, 3000]) {
    const { setId } = await backUp(source, 'full');
    await catalog.updateTable('sets').set({ finished_at: finished }).where('id', '=', setId).execute();
    ids.push(setId);
  }
  for (const [before, set] of [
    [1000, undefined],
    [1001, ids[0]],
    [3000, ids[1]],
    [undefined, ids[2]],
  ] as const)
    assert.equal((await newestVersion(catalog, names, before))?.setId, set);
});

test('a dry run says what would come back, how much and from which tapes, and a restore to where it came from is never a surprise', async (t) => {
  const { backUp, settings, catalog } = await setsInProcess(t);
  const source = tempFolder(t);
  writeTree(source, { a: noise(5000, 'a'), b: 'b' });
  const { setId } = await backUp(source, 'full');
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [path.join(projectDir, 'bin', 'tapeflow.cjs'), 'restore', setId, ...args], {
      env: {
        ...cleanEnv(),
        TAPEFLOW_DATA_DIR: settings.TAPEFLOW_DATA_DIR,
        BACKUP_COMPRESS_DIR: settings.BACKUP_COMPRESS_DIR,
        TAPEFLOW_LOCK_DIR: settings.TAPEFLOW_LOCK_DIR,
        TAPE_PATH: settings.drives[0]?.path ?? '',
        TAPE_KIND: 'directory',
      },
      encoding: 'utf8',
    });
  const target = path.join(tempFolder(t), 'not', 'there');
  const dry = run('--target', target, '--include', path.join(source, 'a'), '--dry-run');
  assert.equal(dry.status, 0, dry.stderr);
  assert.match(
    dry.stdout,
    new RegExp(`^${path.join(source, 'a')}\n.+would bring back 1 entry, 5 kB.+:\n  TAPE01: 1 archive`, 's'),
  );
  assert.equal(existsSync(target), false);
  assert.equal(run('--target', target, '--include', path.join(source, 'none'), '--dry-run').status, 1);
  // What is not whole is named, and the exit code is that of the restore.
  const torn = Buffer.from(path.join(source, 'b').slice(1));
  await changeFiles(catalog, (files) => files.where('path', '=', torn), {
    ...{ state: 'skipped', reason: 'it shrank', sha256: null },
  });
  const lacking = run('--target', target, '--include', path.join(source, 'b'), '--dry-run');
  assert.deepEqual(
    [lacking.status, /\/b: It is not whole in the backup: it shrank$/m.test(lacking.stdout)],
    [1, true],
  );
  assert.equal(
    run('--target', target, '--include', path.join(source, 'b'), '--dry-run', '--salvage').status,
    3,
  );
  const original = run('--to-original');
  assert.equal(original.status, 2);
  assert.match(original.stderr, /asks first, but this is no terminal\. Nothing was restored; add --yes/);
  assert.match(run('--to-original', '--dry-run').stdout, /to \/ would bring back/);
  assert.match(run().stderr, /needs --target, --to or --to-original/);
  assert.deepEqual(await catalog.selectFrom('retrievals').selectAll().execute(), []);
});
