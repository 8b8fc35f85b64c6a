import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { collidingNames } from '../../operations/retrievals/colliding-names.js';
import { fatFolder } from '../support/fat-folder.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { mountPoint, noise, tempFolder, writeTree } from '../support/trees.js';

/*
 * Targets on real file systems that are not like those of Linux, as far as this machine has them.
 */

interface Kind {
  name: string;
  bytes: number;
  make: [program: string, ...args: string[]];
  mount: [program: string, ...args: string[]];
  /** Makes the folder that ignores case. */
  prepare?: [program: string, ...args: string[]];
}

const loop = ['mount', '-o', 'loop'] as const;
const casefold: Kind = {
  name: 'ext4 with casefold',
  bytes: 20e6,
  make: ['mkfs.ext4', '-q', '-F', '-O', 'casefold', '-E', 'encoding=utf8'],
  mount: [...loop],
  prepare: ['chattr', '+F'],
};
const caseBlind: [name: string, make: (t: TestContext) => string | undefined][] = [
  [casefold.name, (t) => diskOf(t, casefold)],
  [
    'FAT',
    (t) => {
      const made = fatFolder(t);
      if ('folder' in made) return made.folder;
      return void t.skip(made.skip);
    },
  ],
];

/** A folder on a new file system of a kind; undefined, and the test skipped, where that is not to be had. */
function diskOf(t: TestContext, { name, bytes, make, mount, prepare }: Kind): string | undefined {
  const image = path.join(tempFolder(t), 'disk');
  writeFileSync(image, '');
  truncateSync(image, bytes);
  const skip = (why: string) => void t.skip(`${name}: ${why}`);
  if (process.getuid?.() !== 0) return skip('mounting needs root');
  const run = ([program, ...args]: readonly string[], ...more: string[]) =>
    spawnSync(program ?? '', [...args, ...more], { stdio: 'ignore' }).status;
  if (run(make, image) !== 0) return skip(`${make[0]} is not here, or makes none`);
  const at = mountPoint(t);
  if (run(mount, image, at) !== 0)
    return skip('this kernel has none, or the program that mounts it is not here');
  const target = path.join(at, 'target');
  mkdirSync(target);
  if (prepare !== undefined && run(prepare, target) !== 0) return skip(`${prepare[0]} is not here`);
  return target;
}

for (const [name, make] of caseBlind)
  test(`${name}: of names that differ in case only the first comes back and the others are named, and every other content is there`, async (t) => {
    const target = make(t);
    if (target === undefined) return;
    const { backUp, catalog, restore } = await setsInProcess(t);
    const source = tempFolder(t);
    writeTree(source, { README: 'A', readme: 'a', 'D/x': '1', 'd/y': '2', first: 'linked', secret: 's' });
    linkSync(path.join(source, 'first'), path.join(source, 'second'));
    symlinkSync('first', path.join(source, 'sym'));
    const { setId } = await backUp(source, 'full');
    const selection = { names: [], globs: [] };
    const refused = await collidingNames(catalog, { setId, target, selection, members: 20 });
    assert.deepEqual(
      refused.map((pair) => pair.map((name) => path.relative(source, `/${name}`))),
      [
        ['d', 'D'],
        ['readme', 'README'],
      ],
    );
    const more = { refused: JSON.stringify(refused) };
    const { status, problems } = await restore(setId, target, selection, 'always', more);
    assert.equal(status, 'incomplete');
    const named = problems.map(({ path: of }) =>
      path.relative(source, `/${Buffer.from(of ?? []).toString()}`),
    );
    // Where there are no symbolic links, the one that is wanted is named too.
    assert.deepEqual(named.filter((name) => name !== 'sym').sort(), ['d', 'd/y', 'readme']);
    const there = path.join(target, source);
    for (const [name, content] of [
      ['README', 'A'],
      ['D/x', '1'],
      ['first', 'linked'],
      ['second', 'linked'],
      ['secret', 's'],
    ] as const)
      assert.equal(readFileSync(path.join(there, name), 'utf8'), content, name);
  });

test('a target whose quota is used up is waited for, no tape is blamed, and the same restore goes on when there is more', async (t) => {
  const btrfs: Kind = { name: 'btrfs', bytes: 150e6, make: ['mkfs.btrfs', '-q'], mount: [...loop] };
  const disk = diskOf(t, btrfs);
  if (disk === undefined) return;
  const target = path.join(disk, 'volume');
  const limit = (bytes: string) => execFileSync('btrfs', ['qgroup', 'limit', bytes, target]);
  execFileSync('btrfs', ['quota', 'enable', disk]);
  execFileSync('btrfs', ['subvolume', 'create', target]);
  limit('2M');
  const { backUp, catalog, restore } = await setsInProcess(t);
  const source = tempFolder(t);
  writeTree(source, { large: noise(4_000_000, 'large'), small: 'small' });
  const { setId } = await backUp(source, 'full');
  await assert.rejects(restore(setId, target), {
    type: 'TargetNotReady',
    message: /^The target .+\/volume takes no more: disk quota exceeded \(EDQUOT\)/,
  });
  const copies = await catalog.selectFrom('copies').select(['state', 'damage']).execute();
  assert.deepEqual(copies, [{ state: 'committed', damage: null }]);
  limit('none');
  assert.equal((await restore(setId, target)).status, 'completed');
  assert.ok(readFileSync(path.join(target, source, 'large')).equals(noise(4_000_000, 'large')));
});
