import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { fromBytes, toBytes } from '../../entry/byte-string.js';
import type { FileRow } from '../../catalog/rows.js';
import { changeFiles } from '../support/file-rows.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { archivesOn, assertSameTree, noise, tempFolder, untar, writeTree } from '../support/trees.js';

type Sets = Awaited<ReturnType<typeof setsInProcess>>;

/** Bytes of each file: more than a block, and nothing that compresses. */
const size = 1_200_000;

/** A tree, and a full set of it. */
async function backedUp(t: TestContext, names: readonly string[], env: Record<string, string> = {}) {
  const source = tempFolder(t);
  writeTree(source, Object.fromEntries(names.map((name) => [name, noise(size, name)])));
  const sets = await setsInProcess(t, env);
  const { setId: id } = await sets.backUp(source, 'full');
  return { source, sets, full: id };
}

/** Bytes of content that a set's archives were packed from. */
async function storedBytes({ catalog }: Pick<Sets, 'catalog'>, setId: string): Promise<number> {
  const rows = await catalog.selectFrom('archives').select('bytes_in').where('set_id', '=', setId).execute();
  return rows.reduce((sum, { bytes_in }) => sum + bytes_in, 0);
}

async function rowsOf({ catalog }: Pick<Sets, 'catalog'>, setId: string): Promise<Record<string, FileRow>> {
  const rows = await catalog.selectFrom('files').selectAll().where('set_id', '=', setId).execute();
  return Object.fromEntries(rows.map((row) => [path.basename(fromBytes(row.path)), row]));
}

/** Restores a whole set into an empty folder, and compares the source there. */
async function comesBack(
  t: TestContext,
  sets: Pick<Sets, 'restore'>,
  setId: string,
  source: string,
): Promise<void> {
  const target = tempFolder(t);
  const { status, problems } = await sets.restore(setId, target);
  assert.deepEqual([status, problems], ['completed', []]);
  assertSameTree(path.join(target, source), source, { folderTimes: true });
}

const isRoot = process.getuid?.() === 0;

test('of files whose mode, owner, time, links or inode changed, the content is not stored again, and all else is', async (t) => {
  const names = ['mode', 'touched', 'linked', 'copied', 'owner', 'pair-a', 'still'];
  const { source, sets, full } = await backedUp(t, names);
  const at = (name: string) => path.join(source, name);
  linkSync(at('pair-a'), at('pair-b'));
  const paired = await sets.backUp(source, 'incremental');
  assert.equal(
    (await rowsOf(sets, paired.setId))['pair-a']?.held_set,
    full,
    'a new link leaves the first name',
  );

  chmodSync(at('mode'), 0o4711);
  utimesSync(at('touched'), 1_500_000_000, 1_500_000_000);
  if (isRoot) chownSync(at('owner'), 1234, 2345);
  // As after a copy of the disk: the same times, another inode.
  execFileSync('cp', ['-a', at('copied'), at('copy')]);
  renameSync(at('copy'), at('copied'));
  chmodSync(at('pair-a'), 0o640);
  const { setId: id, unchanged } = await sets.backUp(source, 'incremental');
  assert.equal(await storedBytes(sets, id), 0);
  assert.equal(unchanged, 8);
  const rows = await rowsOf(sets, id);
  for (const name of [...names, 'pair-b']) {
    const stats = lstatSync(at(name), { bigint: true });
    const row = rows[name];
    assert.deepEqual(
      [row?.state, row?.ino, row?.nlink, row?.mode, row?.uid, row?.mtime_s],
      ['unchanged', String(stats.ino), Number(stats.nlink), Number(stats.mode & 0o7777n)].concat([
        Number(stats.uid),
        Number(stats.mtimeNs / 1_000_000_000n),
      ]),
      name,
    );
    assert.equal(
      BigInt(row?.ctime_s ?? 0) * 1_000_000_000n + BigInt(row?.ctime_ns ?? 0),
      stats.ctimeNs,
      name,
    );
  }
  await comesBack(t, sets, id, source);
  await comesBack(t, await sets.rebuilt(), id, source);
  assert.equal(statSync(at('mode')).mode & 0o7777, 0o4711);
});

test('content that changed while size and times stayed is stored, and so is what the base has not whole', async (t) => {
  const { source, sets, full } = await backedUp(t, ['changed', 'damaged', 'same']);
  const at = (name: string) => path.join(source, name);
  const { atime, mtime } = statSync(at('changed'));
  writeFileSync(at('changed'), noise(size, 'other'));
  utimesSync(at('changed'), atime, mtime);
  for (const name of ['damaged', 'same']) chmodSync(at(name), 0o600);
  const damaged = toBytes(at('damaged').slice(1));
  await changeFiles(sets.catalog, (files) => files.where('set_id', '=', full).where('path', '=', damaged), {
    sha256: null,
    state: 'skipped',
    reason: 'shrank',
  });
  const { setId: id } = await sets.backUp(source, 'incremental');
  const rows = await rowsOf(sets, id);
  assert.deepEqual(
    ['changed', 'damaged', 'same'].map((name) => rows[name]?.state),
    ['packed', 'packed', 'unchanged'],
  );
  assert.equal(await storedBytes(sets, id), 2 * size);
  await comesBack(t, sets, id, source);
});

test('a name that was a hard link and is a file of its own now comes back as one, with its own mode', async (t) => {
  const { source, sets } = await backedUp(t, ['a']);
  const at = (name: string) => path.join(source, name);
  linkSync(at('a'), at('b'));
  // Both names in one archive.
  const { setId: full } = await sets.backUp(source, 'full');
  execFileSync('cp', ['-p', at('b'), at('new')]);
  renameSync(at('new'), at('b'));
  chmodSync(at('b'), 0o600);
  // Each in a group of its own: what holds the first is known when the second is packed.
  const { setId: id } = await sets.backUp(source, 'incremental', [], { MAX_GROUP_FILES: 1 });
  const { a, b } = await rowsOf(sets, id);
  assert.deepEqual([a?.held_set, b?.held_set], [full, full]);
  await comesBack(t, sets, id, source);
});

test('two files that became one by a hard link come back as one', async (t) => {
  const { source, sets } = await backedUp(t, ['a']);
  const at = (name: string) => path.join(source, name);
  execFileSync('cp', ['-p', at('a'), at('b')]);
  await sets.backUp(source, 'full');
  rmSync(at('b'));
  linkSync(at('a'), at('b'));
  const { setId: id } = await sets.backUp(source, 'incremental');
  assert.equal(await storedBytes(sets, id), 0);
  await comesBack(t, sets, id, source);
});

test('a changed file with several names is stored once, and the names that changed nothing are not', async (t) => {
  const { source, sets } = await backedUp(t, ['a', 'c']);
  const at = (name: string) => path.join(source, name);
  linkSync(at('a'), at('b'));
  linkSync(at('c'), at('d'));
  await sets.backUp(source, 'full');
  const content = readFileSync(at('a'));
  content.writeUInt8(content.readUInt8(7) ^ 1, 7);
  writeFileSync(at('a'), content);
  chmodSync(at('c'), 0o600);
  const { setId: id } = await sets.backUp(source, 'incremental');
  assert.equal(await storedBytes(sets, id), size);
  const rows = await rowsOf(sets, id);
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((name) => rows[name]?.state),
    ['packed', 'packed', 'unchanged', 'unchanged'],
  );
  await comesBack(t, sets, id, source);
});

test('a new hard link of a file that the base has stores nothing but the link, wherever its name is', async (t) => {
  const { source, sets, full } = await backedUp(t, ['m/a', 'm/b', 'n/c'], { MAX_GROUP_SIZE: '1MB' });
  const at = (name: string) => path.join(source, name);
  const links: [of: string, name: string][] = [
    ['m/a', 'm/a too'],
    ['m/a', 'z far away'],
    ['m/b', 'a far before'],
  ];
  for (const [of, name] of links) linkSync(at(of), at(name));
  const { setId: next } = await sets.backUp(source, 'incremental');
  assert.equal(await storedBytes(sets, next), 0);
  for (const [of, name] of links) {
    const rows = await rowsOf(sets, next);
    const [row, first] = [rows[path.basename(name)], rows[path.basename(of)]];
    assert.deepEqual([row?.state, row?.held_set, row?.sha256], ['unchanged', full, first?.sha256], name);
  }
  // Nothing has changed since, and one of the names alone is gone in the set after.
  const { setId: third } = await sets.backUp(source, 'incremental');
  rmSync(at('m/a'));
  const { setId: last } = await sets.backUp(source, 'incremental');
  assert.equal(await storedBytes(sets, third), 0);
  assert.equal(await storedBytes(sets, last), 2 * size, 'no tar would find it under the name that is gone');
  await comesBack(t, sets, last, source);
  linkSync(at('m/a too'), at('m/a'));
  const rebuilt = await sets.rebuilt();
  for (const steps of [sets, rebuilt]) {
    const target = tempFolder(t);
    const { status, problems } = await steps.restore(third, target);
    assert.deepEqual([status, problems], ['completed', []]);
    assertSameTree(path.join(target, source), source, { folderTimes: false });
  }
  const alone = tempFolder(t);
  const [, far] = links[2] ?? ['', ''];
  const { status } = await sets.restore(third, alone, { names: [at(far).slice(1)], globs: [] });
  assert.equal(status, 'completed');
  assert.deepEqual(readFileSync(path.join(alone, at(far))), readFileSync(at('m/b')));

  // As a person without tapeflow: the archives of both sets, one after the other.
  const byTar = tempFolder(t);
  untar([...archivesOn(sets.tapeDir, full), ...archivesOn(sets.tapeDir, third)], byTar);
  for (const [of, name] of links)
    assert.equal(lstatSync(path.join(byTar, at(name))).ino, lstatSync(path.join(byTar, at(of))).ino, name);
  assert.equal((await sets.verify(third)).status, 'completed');
});

test('new hard links store nothing however many names a file has', async (t) => {
  const { source, sets } = await backedUp(t, ['z']);
  for (let no = 0; no < 105; no += 1)
    linkSync(path.join(source, 'z'), path.join(source, `a ${String(no).padStart(3, '0')}`));
  const { setId: next } = await sets.backUp(source, 'incremental');
  assert.equal(await storedBytes(sets, next), 0);
  await comesBack(t, sets, next, source);
});

test('a new hard link whose name comes before the file is one with it in every later set too', async (t) => {
  const { source, sets } = await backedUp(t, ['b']);
  linkSync(path.join(source, 'b'), path.join(source, 'a'));
  const { setId: next } = await sets.backUp(source, 'incremental');
  // As if it had begun when the link was some seconds old, so that it leaves no doubt.
  const created_at = Date.now() + 10_000;
  await sets.catalog.updateTable('sets').set({ created_at }).where('id', '=', next).execute();
  const { setId: later } = await sets.backUp(source, 'incremental');
  assert.equal(await storedBytes(sets, later), 0);
  await comesBack(t, sets, later, source);
});
