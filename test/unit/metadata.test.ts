import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { noOwners, ownersAsBackedUp } from '../../entry/owner-choice.js';
import { ownerChoice } from '../../client/commands/files/owner-flags.js';
import { unsetSentence } from '../../client/print/unset-sentence.js';
import { FakeLtfs } from '../support/fake-ltfs.js';
import { fatFolder } from '../support/fat-folder.js';
import { nobody } from '../support/other-user.js';
import { type Became, packTree, restoreThrough, restoreTree } from '../support/restore-alone.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { assertSameTree, tempFolder, writeTree } from '../support/trees.js';

const isRoot = process.getuid?.() === 0;
const needsRoot = isRoot ? {} : { skip: 'needs root, to own files of several users' };
const other = 12_345;
const time = 1_000_000_000;
const everything = { names: [], globs: [] };
const asNobody = ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'];

/** Files, folders and links of root, of a user and of nobody, with modes that matter. */
function oddSource(t: TestContext): string {
  const source = tempFolder(t);
  chmodSync(source, 0o755);
  writeTree(source, {
    key: 'a private key',
    'user/report': 'of a user',
    'user/program': '#!/bin/sh\nid\n',
    'user/group-program': '#!/bin/sh\nid -g\n',
    'mine/file': 'of nobody',
    'mine/program': '#!/bin/sh\nid\n',
    'shut/file': 'in a folder without the right to write',
  });
  symlinkSync('key', path.join(source, 'user', 'link'));
  const modes = { key: 0o600, 'user/report': 0o640, 'user/program': 0o4755, 'user/group-program': 0o2755 };
  for (const name of ['user', 'user/report', 'user/program', 'user/group-program', 'user/link'])
    lchownSync(path.join(source, name), other, other);
  for (const name of ['mine', 'mine/file', 'mine/program'])
    chownSync(path.join(source, name), nobody, nobody);
  const more = {
    'mine/file': 0o400,
    'mine/program': 0o6711,
    'shut/file': 0o444,
    user: 0o2750,
    mine: 0o700,
    shut: 0o555,
  };
  for (const [name, mode] of Object.entries({ ...modes, ...more })) chmodSync(path.join(source, name), mode);
  for (const name of [...Object.keys(modes), 'mine/file', 'mine/program', 'shut/file'])
    utimesSync(path.join(source, name), time, time);
  lutimesSync(path.join(source, 'user', 'link'), time, time);
  for (const name of ['user', 'mine', 'shut', '']) utimesSync(path.join(source, name), time, time);
  return source;
}

const setIdFiles = ['user/program', 'user/group-program'];

/** A folder in which nobody may do everything, and where the source comes to lie in it. */
function theirTarget(t: TestContext): string {
  const target = mkdtempSync(path.join(os.tmpdir(), 'tapeflow-theirs-'));
  t.after(() => rmSync(target, { recursive: true, force: true }));
  chownSync(target, nobody, nobody);
  return target;
}

/** Names of what lacks something, below the source, by what it lacks. */
function lacks(became: readonly Became[], source: string): Record<string, string> {
  const top = source.slice(1);
  const lacking = became.filter(({ unset = [] }) => unset.length > 0);
  return Object.fromEntries(
    lacking.map(({ name, unset = [] }) => [name.slice(top.length + 1).replace(/\/$/, ''), unset.join()]),
  );
}

function lookOf(file: string) {
  const { mode, uid, gid, mtimeMs, ino } = lstatSync(file);
  return { mode: mode & 0o7777, uid, gid, mtimeMs, ino };
}

/** Compares contents, modes and times; files that must not get their set-id bits are named. */
function assertAllButOwners(target: string, source: string, withoutSetId: readonly string[]): void {
  const names = ['key', 'user/report', ...setIdFiles, 'mine/file', 'mine/program', 'shut/file'];
  for (const name of [...names, 'user', 'mine', 'shut', 'user/link']) {
    const [is, was] = [lookOf(path.join(target, source, name)), lookOf(path.join(source, name))];
    const mode = withoutSetId.includes(name) ? was.mode & 0o777 : was.mode;
    assert.deepEqual([name, is.mode, is.mtimeMs], [name, mode, was.mtimeMs]);
  }
  for (const name of names)
    assert.equal(
      readFileSync(path.join(target, source, name), 'utf8'),
      readFileSync(path.join(source, name), 'utf8'),
      name,
    );
}

const othersEntries = [
  '',
  'key',
  'shut',
  'shut/file',
  'user',
  'user/link',
  'user/report',
  ...setIdFiles,
].sort();

test(
  'a user who may not give files away gets contents, modes and times, and is told of each owner that was not set',
  needsRoot,
  async (t) => {
    const source = oddSource(t);
    const packed = await packTree(t, source);
    const target = theirTarget(t);
    const became = restoreThrough(asNobody, packed, target);
    assert.deepEqual(
      became.filter(({ outcome }) => outcome !== 'restored'),
      [],
    );
    assertAllButOwners(target, source, setIdFiles);
    assert.deepEqual(lacks(became, source), Object.fromEntries(othersEntries.map((name) => [name, 'owner'])));
    assert.equal(
      lookOf(path.join(target, source, 'mine/program')).mode,
      0o6711,
      "the user's own program keeps its bits",
    );
    const again = restoreThrough(asNobody, packed, target);
    assert.deepEqual(
      again.filter(({ outcome }) => outcome !== 'same'),
      [],
      'the same restore again finds all there',
    );
    assert.deepEqual(lacks(again, source), lacks(became, source), 'and counts the same');
    const free = theirTarget(t);
    assert.deepEqual(lacks(restoreThrough(asNobody, packed, free, { owners: noOwners }), source), {});
    assertAllButOwners(free, source, setIdFiles);
  },
);

test(
  'in a user namespace, owners that it does not have are counted and all else comes back',
  needsRoot,
  async (t) => {
    const unshare = ['unshare', '-r'];
    if (spawnSync('unshare', ['-r', 'true']).status !== 0)
      return t.skip('this machine allows no user namespaces');
    const source = oddSource(t);
    const packed = await packTree(t, source);
    const target = tempFolder(t);
    const became = restoreThrough(unshare, packed, target);
    assert.deepEqual(
      became.filter(({ outcome }) => outcome !== 'restored'),
      [],
    );
    assertAllButOwners(target, source, [...setIdFiles, 'mine/program']);
    const unmapped = ['mine', 'mine/file', 'mine/program', 'user', 'user/link', 'user/report', ...setIdFiles];
    assert.deepEqual(lacks(became, source), Object.fromEntries(unmapped.map((name) => [name, 'owner'])));
  },
);

test(
  'a file system that ignores or refuses owners, modes or times gets every content, and what it lacks is counted',
  needsRoot,
  async (t) => {
    const ltfs = await FakeLtfs.make(t);
    if (ltfs === undefined) return;
    const source = tempFolder(t);
    writeTree(source, { 'a/file': 'content', 'a/other': 'more' });
    linkSync(path.join(source, 'a', 'other'), path.join(source, 'a', 'other name'));
    chmodSync(path.join(source, 'a', 'file'), 0o600);
    chownSync(path.join(source, 'a', 'file'), other, other);
    for (const name of ['a/file', 'a/other', 'a', '']) utimesSync(path.join(source, name), time, time);
    const packed = await packTree(t, source);
    const into = async (name: string, faults: Record<string, unknown>) => {
      const target = path.join(ltfs.mount, name);
      mkdirSync(target);
      ltfs.faults(faults);
      const became = await restoreTree(packed, target);
      ltfs.faults({});
      assert.deepEqual(
        became.filter(({ outcome }) => outcome !== 'restored'),
        [],
      );
      assert.equal(readFileSync(path.join(target, source, 'a', 'file'), 'utf8'), 'content');
      // It has no hard links: the other name is a file of its own.
      assert.equal(readFileSync(path.join(target, source, 'a', 'other name'), 'utf8'), 'more');
      assert.match(lacks(became, source)['a/other name'] ?? '', /link$/);
      return lacks(became, source)['a/file'];
    };
    // Modes and owners are accepted there, and ignored.
    assert.equal(await into('ignored', {}), 'owner,mode');
    assert.equal(await into('modes', { chmod: { errno: 'EPERM' } }), 'owner,mode');
    assert.equal(await into('times', { utimens: { errno: 'EPERM' } }), 'owner,mode,times');
  },
);

test(
  'a FAT file system, which has no owners and hardly any modes, gets every content and counts the rest',
  needsRoot,
  async (t) => {
    const made = fatFolder(t);
    if ('skip' in made) return t.skip(made.skip);
    const { folder } = made;
    const source = oddSource(t);
    linkSync(path.join(source, 'key'), path.join(source, 'the same key'));
    const packed = await packTree(t, source);
    const became = await restoreTree(packed, folder);
    const link = `${source.slice(1)}/user/link`;
    assert.deepEqual(
      became.filter(({ outcome }) => outcome !== 'restored').map(({ name }) => name),
      [link],
      'what it cannot have is named',
    );
    for (const name of ['key', 'the same key'])
      assert.equal(readFileSync(path.join(folder, source, name), 'utf8'), 'a private key');
    assert.match(lacks(became, source)['the same key'] ?? '', /link/);
    assert.match(lacks(became, source)['key'] ?? '', /mode/);
    assert.match(lacks(became, source)['user/report'] ?? '', /owner/);
    const again = await restoreTree(packed, folder);
    assert.deepEqual(
      again.filter(({ outcome, name }) => outcome !== 'same' && name !== link),
      [],
      'times of two seconds are no other file',
    );
  },
);

for (const overwrite of ['always', 'if-newer'] as const)
  test(
    `--overwrite ${overwrite}: a file with the same content gets owner, mode and times of the backup, and is not written`,
    needsRoot,
    async (t) => {
      const source = oddSource(t);
      const packed = await packTree(t, source);
      const target = tempFolder(t);
      await restoreTree(packed, target);
      assertSameTree(path.join(target, source), source);
      const key = path.join(target, source, 'key');
      chmodSync(key, 0o644);
      chownSync(path.join(target, source, 'user', 'program'), 0, 0);
      lchownSync(path.join(target, source, 'user', 'link'), 0, 0);
      utimesSync(path.join(target, source, 'mine', 'file'), time - 100, time - 100);
      const inode = lookOf(key).ino;
      const left = await restoreTree(packed, target, { overwrite: 'never' });
      assert.equal(lookOf(key).mode, 0o644, 'nothing is changed where nothing may be overwritten');
      assert.deepEqual(lacks(left, source), {
        key: 'mode',
        'mine/file': 'times',
        'user/link': 'owner',
        'user/program': 'owner',
      });
      const mended = await restoreTree(packed, target, { overwrite });
      assert.deepEqual(
        mended.filter(({ outcome }) => outcome !== 'same'),
        [],
      );
      assert.deepEqual(lacks(mended, source), {});
      assert.equal(lookOf(key).ino, inode, 'it is the same file');
      assertSameTree(path.join(target, source), source);
      assert.equal(lookOf(path.join(target, source, 'user', 'program')).mode, 0o4755);
    },
  );

test(
  'a file whose other name lies elsewhere is replaced, and that name keeps its owner and mode',
  needsRoot,
  async (t) => {
    const source = oddSource(t);
    const packed = await packTree(t, source);
    const target = tempFolder(t);
    await restoreTree(packed, target);
    const elsewhere = path.join(tempFolder(t), 'theirs');
    const report = path.join(target, source, 'user', 'report');
    writeFileSync(elsewhere, 'of a user', { mode: 0o600 });
    rmSync(report);
    linkSync(elsewhere, report);
    await restoreTree(packed, target, { overwrite: 'always' });
    assert.deepEqual([lookOf(elsewhere).mode, lookOf(elsewhere).uid], [0o600, 0]);
    assertSameTree(path.join(target, source), source);
  },
);

test('two names of one file are mended and stay one file', needsRoot, async (t) => {
  const source = tempFolder(t);
  writeTree(source, { a: 'one file' });
  chmodSync(path.join(source, 'a'), 0o600);
  linkSync(path.join(source, 'a'), path.join(source, 'b'));
  const packed = await packTree(t, source);
  const target = tempFolder(t);
  await restoreTree(packed, target);
  chmodSync(path.join(target, source, 'b'), 0o666);
  const mended = await restoreTree(packed, target, { overwrite: 'always' });
  assert.deepEqual(lacks(mended, source), {});
  assertSameTree(path.join(target, source), source);
});

test(
  'a newer file is kept as it is with if-newer, also when its content is the same',
  needsRoot,
  async (t) => {
    const source = oddSource(t);
    const packed = await packTree(t, source);
    const target = tempFolder(t);
    await restoreTree(packed, target);
    const key = path.join(target, source, 'key');
    chmodSync(key, 0o400);
    utimesSync(key, time + 100, time + 100);
    const left = await restoreTree(packed, target);
    assert.equal(left.find(({ name }) => name.endsWith('/key'))?.outcome, 'same', 'its content is there');
    assert.deepEqual(lacks(left, source), { key: 'mode,times' });
    const became = await restoreTree(packed, target, { overwrite: 'if-newer' });
    assert.equal(became.find(({ name }) => name.endsWith('/key'))?.outcome, 'kept');
    assert.equal(lookOf(key).mode, 0o400);
  },
);

test(
  'owners are mapped by number, the first pair that fits counts, and what no pair names stays',
  needsRoot,
  async (t) => {
    const source = oddSource(t);
    const packed = await packTree(t, source);
    const target = tempFolder(t);
    const owners = {
      ...ownersAsBackedUp,
      users: [[other, 777] as [number, number], [0, 778] as [number, number]],
      groups: [[other, 779] as [number, number], [null, 780] as [null, number]],
    };
    const became = await restoreTree(packed, target, { owners });
    assert.deepEqual(lacks(became, source), {});
    const ownerOf = (name: string) => {
      const { uid, gid } = lookOf(path.join(target, source, name));
      return [uid, gid];
    };
    assert.deepEqual(ownerOf('user/report'), [777, 779]);
    assert.deepEqual(ownerOf('user/link'), [777, 779]);
    assert.deepEqual(ownerOf('key'), [778, 780]);
    assert.deepEqual(ownerOf('mine'), [nobody, 780]);
    assert.equal(lookOf(path.join(target, source, 'user/program')).mode, 0o4755);
  },
);

test('without owners, root makes no program run as root that ran as somebody else', needsRoot, async (t) => {
  const source = oddSource(t);
  const packed = await packTree(t, source);
  const target = tempFolder(t);
  assert.deepEqual(lacks(await restoreTree(packed, target, { owners: noOwners }), source), {});
  for (const name of [...setIdFiles, 'mine/program']) {
    const { mode, uid } = lookOf(path.join(target, source, name));
    assert.deepEqual([name, mode & 0o6000, uid], [name, 0, 0]);
  }
  assert.ok(existsSync(path.join(target, source, 'key')));
});

test('a pair of --owner-map names users, groups or both, by name or number, and a wrong one says why', () => {
  const chosen = (...ownerMap: string[]) => ownerChoice({ owner: true, ownerMap });
  assert.equal(chosen(), null);
  assert.deepEqual(chosen('1000=2000', ':100=:200', '5:6=7:8', '*=root'), {
    ...{
      set: true,
      users: [
        [1000, 2000],
        [5, 7],
        [null, 0],
      ],
      groups: [
        [100, 200],
        [6, 8],
      ],
    },
  });
  assert.deepEqual(ownerChoice({ owner: false, ownerMap: [] }), noOwners);
  assert.throws(() => ownerChoice({ owner: false, ownerMap: ['1=2'] }), /--no-owner/);
  for (const wrong of ['1000', '=', '1=', '1:2=3', '1=2=3', '1:2:3=4', '1=*', '1=4294967295'])
    assert.throws(() => chosen(wrong), /--owner-map cannot be/, wrong);
  assert.throws(() => chosen('no-such-user-here=0'), /knows no user "no-such-user-here"/);
});

test('what entries lack is one sentence', () => {
  assert.equal(unsetSentence({}), undefined);
  assert.match(unsetSentence({ owner: 1200 }) ?? '', /^Not as backed up: the owner of 1,200 entries; /);
  assert.match(
    unsetSentence({ owner: 2, mode: 1, times: 3 }) ?? '',
    /: the owner of 2 entries, the mode of 1 entry and the times of 3 entries; /,
  );
});

test('what a restore could not set is counted once, however often its steps run', needsRoot, async (t) => {
  const twice = async <Result>(run: () => Promise<Result>) => (await run(), await run());
  const sets = await setsInProcess(t, {}, twice);
  const source = oddSource(t);
  const { setId } = await sets.backUp(source, 'full');
  const target = tempFolder(t);
  assert.deepEqual((await sets.restore(setId, target)).unset, {});
  chmodSync(path.join(target, source, 'key'), 0o644);
  lchownSync(path.join(target, source, 'user', 'link'), 0, 0);
  assert.deepEqual((await sets.restore(setId, target)).unset, { owner: 1, mode: 1 });
  assert.deepEqual((await sets.restore(setId, target, everything, 'always')).unset, {});
  assertSameTree(path.join(target, source), source);
});
