import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { rebuildManifest } from '../../archive/manifest/rebuild-manifest.js';
import { readManifest } from '../../archive/manifest/read-manifest.js';
import { deviceNumbers, deviceOfText, deviceText } from '../../entry/device.js';
import type { PackedMember } from '../../entry/member.js';
import { newTally } from '../../entry/tally.js';
import { leftOutTexts } from '../../source/taken/left-out-texts.js';
import { walk } from '../../source/walk.js';
import { header, packHere, unpackHere } from '../support/archive-here.js';
import { plan } from '../support/plan.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { asNobody, tempFolder } from '../support/trees.js';
import { noOwners } from '../../entry/owner-choice.js';

const isRoot = process.getuid?.() === 0;
const noPipes = process.platform === 'win32' && 'Windows has no named pipes in folders';

/** Pipes, and as root devices too: an overlay's mark of what was deleted, and one with numbers of many bits. */
function specialTree(t: TestContext): string {
  const root = path.join(tempFolder(t), 'tree');
  mkdirSync(root);
  execFileSync('mkfifo', [path.join(root, 'pipe'), path.join(root, `${'long'.repeat(40)} pipe`)]);
  chmodSync(path.join(root, 'pipe'), 0o640);
  if (isRoot) {
    execFileSync('mknod', [path.join(root, 'whiteout'), 'c', '0', '0']);
    execFileSync('mknod', [path.join(root, 'disk'), 'b', '259', '70000']);
    chmodSync(path.join(root, 'disk'), 0o4660);
    chownSync(path.join(root, 'disk'), 1234, 4321);
  }
  writeFileSync(path.join(root, 'zz'), 'a file');
  toWholeSeconds(root);
  return root;
}

/** Gives everything in a tree a time in whole seconds: without the native part times come back to the microsecond. */
function toWholeSeconds(root: string): void {
  execFileSync('find', [root, '-exec', 'touch', '-h', '-d', '2001-02-03T04:05:06Z', '{}', '+']);
}

/** Kind, mode, owner, numbers and time of everything in a tree, by another program than ours. */
function told(root: string): string {
  const args = ['-mindepth', '1', '-printf', '%P %y %m %U %G %T@ '];
  const listed = execFileSync('find', [root, ...args, '-exec', 'stat', '-c', '%t:%T', '{}', ';'], {
    encoding: 'utf8',
  });
  return listed.split('\n').sort().join('\n');
}

test(
  'named pipes and devices come back from an archive by GNU tar, bsdtar and a restore',
  { skip: noPipes },
  async (t) => {
    const root = specialTree(t);
    const made = await packHere(t, plan(root));
    assert.deepEqual(made.skipped, []);
    const expected = told(root);
    assert.equal(expected.split('\n').length, isRoot ? 6 : 4);
    const readers: [string, (target: string) => unknown][] = [
      ['GNU tar', (target) => execFileSync('tar', ['xpf', made.archive, '-C', target])],
      ['restore', (target) => unpackHere(made, target)],
      ['restore without the native part', (target) => unpackHere(made, target, { codec: 'zlib' })],
    ];
    try {
      execFileSync('bsdtar', ['--version']);
      readers.push(['bsdtar', (target) => execFileSync('bsdtar', ['-xpf', made.archive, '-C', target])]);
    } catch {
      t.diagnostic('bsdtar is not here');
    }
    for (const [reader, restore] of readers) {
      const target = tempFolder(t);
      await restore(target);
      assert.equal(told(path.join(target, root)), expected, reader);
    }
  },
);

test(
  'a pipe or device that is there already stays, and another entry gives way only when it may',
  { skip: noPipes },
  async (t) => {
    const root = specialTree(t);
    const made = await packHere(t, plan(root));
    const target = tempFolder(t);
    await unpackHere(made, target);
    const again = await unpackHere(made, target);
    assert.deepEqual(new Set(again.map(({ outcome }) => outcome)), new Set(['same']));
    const pipe = path.join(target, root, 'pipe');
    execFileSync('rm', [pipe]);
    writeFileSync(pipe, 'in its place');
    const outcomeOf = async (overwrite: 'never' | 'always') =>
      (await unpackHere(made, target, { overwrite })).find(({ name }) => name.endsWith('/pipe'));
    assert.equal((await outcomeOf('never'))?.outcome, 'failed');
    assert.equal((await outcomeOf('always'))?.outcome, 'restored');
    assert.ok(lstatSync(pipe).isFIFO());
  },
);

test(
  'the manifest and an archive without one tell the same of pipes and devices',
  { skip: noPipes },
  async (t) => {
    const root = specialTree(t);
    const made = await packHere(t, plan(root));
    const rebuilt = path.join(tempFolder(t), 'rebuilt.gz');
    assert.deepEqual(await rebuildManifest(made.archive, 'gzip', rebuilt, header), { damage: undefined });
    const facts = async (manifest: string) => {
      const members: unknown[] = [];
      for await (const line of readManifest(manifest))
        if (line.kind === 'member') members.push(factsOf(line.member));
      return members;
    };
    const known = made.packed.map(factsOf);
    assert.deepEqual(await facts(made.manifest), known);
    assert.deepEqual(await facts(rebuilt), known);
    if (isRoot)
      assert.deepEqual(made.packed.find(({ name }) => name.endsWith('disk'))?.device, [259, 70_000]);
  },
);

const factsOf = ({ name, type, device, mode, mtimeS, uid, gid, offset }: PackedMember) => ({
  ...{ name, type, mode, mtimeS, uid, gid, offset },
  device: device === undefined ? '' : deviceText(device),
});

test(
  'a user who may not make a device is told so, and has everything else',
  { skip: !isRoot && 'needs root' },
  async (t) => {
    const root = specialTree(t);
    const made = await packHere(t, plan(root));
    chmodSync(path.dirname(made.archive), 0o755);
    chmodSync(made.archive, 0o644);
    // With `zlib`, pipes and devices are made by programs, as without the native part.
    for (const codec of ['auto', 'zlib'] as const) {
      const target = tempFolder(t);
      chownSync(target, 65_534, 65_534);
      const results = await asNobody(() => unpackHere(made, target, { owners: noOwners, codec }));
      assert.deepEqual(
        results
          .filter(({ outcome }) => outcome !== 'restored')
          .map(({ name, reason }) => [path.basename(name), reason]),
        [['disk', 'only root can make a device']],
        codec,
      );
      assert.ok(lstatSync(path.join(target, root, 'whiteout')).isCharacterDevice());
    }
  },
);

test(
  'several names of one pipe, device or symbolic link come back as one, also by a catalog that was rebuilt from tape',
  { skip: noPipes },
  async (t) => {
    const root = specialTree(t);
    symlinkSync('zz', path.join(root, 'sym'));
    mkdirSync(path.join(root, 'more'));
    const linked = ['pipe', 'sym', ...(isRoot ? ['disk', 'whiteout'] : [])];
    for (const name of linked)
      for (const other of [`${name} too`, `more/${name}`])
        execFileSync('ln', ['-P', path.join(root, name), path.join(root, other)]);
    toWholeSeconds(root);
    const sets = await setsInProcess(t, { MAX_GROUP_FILES: '5' });
    const { setId } = await sets.backUp(root, 'full');
    for (const steps of [sets, await sets.rebuilt()]) {
      const target = tempFolder(t);
      const { status, problems } = await steps.restore(setId, target);
      assert.deepEqual([status, problems], ['completed', []]);
      const there = path.join(target, root);
      assert.equal(told(there), told(root));
      for (const name of linked) {
        const [first, ...others] = [name, `${name} too`, `more/${name}`].map(
          (of) => lstatSync(path.join(there, of)).ino,
        );
        assert.deepEqual(others, [first, first], name);
      }
    }
  },
);

test('sockets are told of, and are no entries', { skip: noPipes }, async (t) => {
  const root = tempFolder(t);
  writeFileSync(path.join(root, 'file'), '');
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(path.join(root, 'socket'), resolve));
  t.after(() => server.close());
  const tally = newTally(0);
  const entries = [
    ...walk({
      ...{ sources: [root], excludes: [], ownFolders: [], after: undefined, tally },
      onLeftOut: () => undefined,
    }),
  ];
  assert.deepEqual(
    entries.map(({ name }) => path.basename(name)),
    [path.basename(root), 'file'],
  );
  const first = path.join(root, 'socket');
  assert.deepEqual(tally.sockets, { count: 1, first: first.slice(1) });
  assert.deepEqual(leftOutTexts(tally), [`${first} (a socket: its program makes it anew)`]);
});

test('the numbers of a device are taken apart as the system puts them together', () => {
  // glibc's makedev, and macOS's.
  assert.deepEqual(deviceNumbers(259n, 'linux'), [1, 3]);
  assert.deepEqual(deviceNumbers(0x1111_0370n, 'linux'), [259, 70_000]);
  assert.deepEqual(deviceNumbers(0x0e00_0003n, 'darwin'), [14, 3]);
  assert.deepEqual(deviceOfText(deviceText([259, 70_000])), [259, 70_000]);
  assert.equal(deviceOfText('1'), undefined);
});
