import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { loadAddon } from '../../native/addon.js';
import { packTree, restoreTree, type PackedTree, type RestoreChoice } from '../support/restore-alone.js';
import { SmallDisk } from '../support/small-disk.js';
import { describeTree, longTest, noise, tempFolder, writeTree } from '../support/trees.js';

const skip = loadAddon()?.writeFiles === undefined ? 'needs the native part on Linux' : false;

/** More folders than a restore keeps open, and more files than a batch has, with others between them. */
function makeTree(root: string): void {
  for (let folder = 0; folder < 100; folder += 1) {
    const at = path.join(root, `folder-${folder}`);
    mkdirSync(at);
    for (let file = 0; file < 3; file += 1) {
      const name = path.join(at, `file-${file}`);
      writeFileSync(name, file === 0 ? '' : noise(file * 300 + folder, name));
      chmodSync(name, [0o600, 0o444, 0o755][folder % 3] ?? 0);
      utimesSync(name, 1, file - 1 + folder / 1000);
    }
  }
  const inFirst = (name: string) => path.join(root, 'folder-0', name);
  writeFileSync(Buffer.from(`${root}/bad-\xff`, 'latin1'), 'a name that is no UTF-8');
  writeFileSync(inFirst('large'), noise(3_000_000, 'large'));
  writeFileSync(inFirst('runs-as-root'), 'x');
  chmodSync(inFirst('runs-as-root'), 0o4755);
  linkSync(inFirst('file-1'), inFirst('other-name'));
  symlinkSync('file-1', inFirst('symlink'));
}

/** A tree with times to the millisecond: without the native part they are no more exact. Folders are there before. */
function describedTo(target: string): object {
  return Object.entries(describeTree(target)).map(([name, { mtimeNs, ...entry }]) => {
    const time = entry.type === 'directory' ? 0n : (BigInt(mtimeNs) + 500_000n) / 1_000_000n;
    return { name, ...entry, time: String(time) };
  });
}

/** What became of each member and of the target, or why it was given up, with the native part and without it. */
async function bothWays(
  t: TestContext,
  packed: PackedTree,
  prepare: (target: string) => void,
  choice: RestoreChoice = {},
): Promise<[object, object]> {
  const restore = async (codec: 'auto' | 'zlib') => {
    const target = tempFolder(t);
    prepare(target);
    const became = await restoreTree(packed, target, { ...choice, codec });
    return { became, there: describedTo(target) };
  };
  return [await restore('auto'), await restore('zlib')];
}

for (const overwrite of ['never', 'if-newer', 'always'] as const)
  test(
    `small files come back alike with the native part and without it, also where something is (${overwrite})`,
    { skip: skip || (overwrite === 'never' && longTest) },
    async (t) => {
      const source = tempFolder(t);
      makeTree(source);
      if (process.getuid?.() === 0) chownSync(path.join(source, 'folder-1', 'file-1'), 12, 34);
      const packed = await packTree(t, source);
      const prepare = (target: string) => {
        const below = path.join(target, source);
        const files = { 'folder-2/file-0': '', 'folder-2/file-1': 'older', 'folder-3/file-2': 'newer' };
        // Its own folder cannot be made.
        writeTree(below, { ...files, 'folder-4': 'in the way' });
        for (const name of Object.keys(files))
          utimesSync(path.join(below, name), 9, name.endsWith('2') ? 9 : 0);
        utimesSync(path.join(below, 'folder-4'), 9, 9);
        mkdirSync(path.join(below, 'folder-2', 'file-2'));
        // What is made here inherits an ACL, where there are programs and a file system for it.
        mkdirSync(path.join(below, 'folder-5'));
        spawnSync('setfacl', ['-d', '-m', 'u:12:rwx', path.join(below, 'folder-5')]);
      };
      const [native, plain] = await bothWays(t, packed, prepare, { overwrite });
      assert.deepEqual(native, plain);
      assert.ok(!JSON.stringify(native).includes('.part'));
    },
  );

test(
  'a name that two members have is given to the first, as without the native part',
  { skip },
  async (t) => {
    const source = tempFolder(t);
    writeTree(source, { '1': 'one', '2/3': 'three' });
    const packed = await packTree(t, source);
    // Only a forged archive has such names.
    const twice = { ...packed, members: packed.members.flatMap((member) => [member, member]) };
    const [native, plain] = await bothWays(t, twice, () => undefined);
    assert.deepEqual(native, plain);
  },
);

test('also where the two come in batches that could be written at once', { skip }, async (t) => {
  const source = tempFolder(t);
  // As many as a batch has.
  writeTree(source, Object.fromEntries(Array.from({ length: 256 }, (_, no) => [`${no}`, `file ${no}`])));
  const packed = await packTree(t, source);
  const twice = { ...packed, members: [...packed.members, ...packed.members.slice(-1)] };
  assert.equal(packed.members.filter(({ type }) => type === 'file').length, 256);
  const [native, plain] = await bothWays(t, twice, () => undefined);
  assert.deepEqual(native, plain);
});

test(
  'where a disk is full the restore ends with the same error as without the native part, and leaves no part of a file',
  { skip },
  async (t) => {
    const source = tempFolder(t);
    makeTree(source);
    const packed = await packTree(t, source);
    const ends = [];
    for (const codec of ['auto', 'zlib'] as const) {
      const disk = SmallDisk.make(t, 64 * 1024 * 1024, ',nr_inodes=150');
      if (disk === undefined) return;
      const error: unknown = await restoreTree(packed, disk.folder, { codec }).catch(
        (caught: unknown) => caught,
      );
      assert.ok(error instanceof Error && 'code' in error && 'side' in error);
      const names = readdirSync(disk.folder, { recursive: true }).map(String);
      assert.deepEqual(
        names.filter((name) => name.endsWith('.part')),
        [],
      );
      ends.push({ code: error.code, side: error.side });
    }
    assert.equal(ends[0]?.code, 'ENOSPC');
    assert.deepEqual(ends[0], ends[1]);
  },
);
