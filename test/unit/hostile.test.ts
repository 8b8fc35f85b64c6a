import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { fromBytes, parseDisplayName, displayName, escapeForTerminal } from '../../entry/byte-string.js';
import { type ManifestHeader, ManifestError } from '../../entry/manifest-content.js';
import type { PackedMember, PlannedMember, SkippedMember } from '../../entry/member.js';
import { Packer } from '../../archive/pack/pack.js';
import { readManifest } from '../../archive/manifest/read-manifest.js';
import { TapeflowFailure } from '../../config/failures.js';
import { globFilter } from '../../entry/globs.js';
import { walk } from '../../source/walk.js';
import { removeParts } from '../../disk/part-files.js';
import type { WalkedEntry } from '../../source/walked-entry.js';
import { labelFileName, readLabel } from '../../tape/labels/label.js';
import { makeTapeFolder, openTapeFolder, writeFileToTape } from '../../tape/files/write-archive.js';
import { hostileNames } from '../support/hostile-tree.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';

const header: ManifestHeader = {
  ...{ set: '2026-11_000001', setUuid: 'u', group: 1, archive: 'a.tar.gz', created: '2026-11-24T00:00:00Z' },
  ...{ installation: 'i', sources: [], hostname: 'h', mode: 'full', platform: process.platform },
};

function walked(root: string, excludes: string[] = []): Generator<WalkedEntry> {
  return walk({ sources: [root], excludes, ownFolders: [], after: undefined, onLeftOut: () => undefined });
}

function planOf(root: string): PlannedMember[] {
  return [...walked(root)].flatMap(({ name, type, stats, linkTarget }) => {
    if (type === 'other' || stats === undefined) return [];
    const { size, mtimeS, mtimeNs, mode, uid, gid, nlink } = stats;
    const owner = { mode, uid, gid, nlink };
    const inode = { dev: String(stats.dev), ino: String(stats.ino) };
    const ctime = [stats.ctimeS, stats.ctimeNs] as const;
    return [{ name, type, size, mtimeS, mtimeNs, ...owner, ...inode, linkTarget, hardLinkOf: null, ctime }];
  });
}

/** Packs in this thread; `between` runs before every entry and every read of at most 1 MiB. */
async function packHere(t: TestContext, planned: PlannedMember[], between: (packer: Packer) => void) {
  const folder = tempFolder(t);
  const paths = { archivePath: path.join(folder, 'a'), manifestPath: path.join(folder, 'm') };
  const packer: Packer = await Packer.open(
    { ...paths, level: 1, inFlight: 2, maxBytes: null, manifestHeader: header },
    () => {
      between(packer);
      return false;
    },
  );
  try {
    const result = await packer.add(planned);
    await packer.finish([]);
    return { ...paths, ...result };
  } finally {
    await packer.abandon();
  }
}

const flagsOf = (packed: PackedMember[], name: string) =>
  packed.find((one) => path.basename(one.name) === name)?.flags;
const reasonOf = (skipped: SkippedMember[], name: string) =>
  skipped.find((one) => path.basename(one.name) === name)?.reason;

test('names are shown on one line, without effect on a terminal, all different, and can be told back', () => {
  const shown = hostileNames.map((name) => displayName(fromBytes(name)));
  assert.equal(new Set(shown).size, hostileNames.length);
  for (const [at, text] of shown.entries()) {
    assert.equal(escapeForTerminal(text), text);
    assert.equal(parseDisplayName(text), fromBytes(hostileNames[at] ?? Buffer.alloc(0)), text);
  }
  assert.equal(displayName('\xff\n\\n\x1b'), '\\xff\\n\\\\n\\x1b');
  assert.equal(escapeForTerminal('plain é 名前'), 'plain é 名前');
  assert.equal(escapeForTerminal('a\u009b1mb\u202e'), 'a\\xc2\\x9b1mb\\xe2\\x80\\xae');
});

test('globs: hostile names are matched as names, broken patterns match nothing, none throws', () => {
  const names = hostileNames.map((name) => `src/${fromBytes(name)}`);
  const matched = (...globs: string[]) => names.filter(globFilter(globs)).map((name) => name.slice(4));
  assert.equal(matched('*').length, names.length);
  assert.equal(matched('/src').length, names.length);
  assert.deepEqual(matched('/src/**').length, names.length);
  assert.deepEqual(matched('bad-?'), ['bad-\xc3']);
  assert.deepEqual(matched('new?line'), ['new\nline']);
  assert.deepEqual(matched('new*'), ['new\nline']);
  assert.deepEqual(matched('\\\\'), ['\\']);
  assert.deepEqual(matched('\\#hash', '\\!bang'), ['#hash', '!bang']);
  assert.deepEqual(matched('CASE'), ['CASE']);
  assert.deepEqual(matched('x\nCASE'), [], 'one glob is one pattern');
  assert.deepEqual(matched('\\*'), ['*']);
  for (const broken of ['[', '[z-a]', '\\', '[[:nope:]]', '(', 'a{1,', '', '/', '!*', '+', '$^'])
    assert.deepEqual(matched(broken), [], broken);
});

test('an exclude that matches everything leaves an empty walk', (t) => {
  const root = tempFolder(t);
  writeTree(root, { 'a/b': '', c: '' });
  assert.deepEqual([...walked(root, ['*'])], []);
  assert.deepEqual([...walked(root, ['**/*'])], []);
});

test('a folder that becomes a link before it is listed is skipped, and what the link leads to is not walked', (t) => {
  const root = tempFolder(t);
  const elsewhere = tempFolder(t);
  writeTree(elsewhere, { secret: '' });
  writeTree(root, { 'a/mine': '', 'a b': '', z: '' });
  const entries: WalkedEntry[] = [];
  // `a b` is given after `a` was looked at, and before it is listed.
  for (const entry of walked(root)) {
    entries.push(entry);
    if (!entry.name.endsWith('a b')) continue;
    rmSync(path.join(root, 'a'), { recursive: true });
    symlinkSync(elsewhere, path.join(root, 'a'));
  }
  const names = entries.map((entry) => entry.name.slice(root.length));
  assert.deepEqual(names, ['', 'a b', 'a/', 'z']);
  assert.match(entries[2]?.skipped ?? '', /became a symbolic link while it was listed/);
});

test('a symlink loop is a link, not a way', (t) => {
  const root = tempFolder(t);
  writeTree(root, { 'a/b/c': '' });
  symlinkSync('../..', path.join(root, 'a/b/up'));
  symlinkSync('self', path.join(root, 'self'));
  assert.equal([...walked(root)].length, 6);
});

test('files that grow, shrink, vanish or are replaced while they are read', async (t) => {
  const root = tempFolder(t);
  const names = [
    '1-grows',
    '2-shrinks',
    '3-shrinks-late',
    '4-vanishes',
    '5-replaced',
    '6-touched',
    '7-quiet',
  ];
  writeTree(
    root,
    Object.fromEntries(names.map((name) => [name, noise(name === '2-shrinks' ? 100_000 : 3_000_000, name)])),
  );
  const done = new Set<string>();
  const planned = planOf(root);
  const at = (name: string) => path.join(root, name);
  const once = (name: string, change: () => void) => {
    if (done.has(name)) return;
    done.add(name);
    change();
  };
  // Bytes read so far say which file is being read: the changes come after its first block, or its opening.
  const { packed, skipped, archivePath } = await packHere(t, planned, ({ progress: { bytesIn } }) => {
    if (bytesIn > 0 && bytesIn < 3_000_000) once('1', () => appendFileSync(at('1-grows'), 'more'));
    if (done.has('1') && reading(at('2-shrinks'))) once('2', () => truncateSync(at('2-shrinks'), 100));
    if (bytesIn > 3_100_000 && bytesIn < 6_100_000) once('3', () => truncateSync(at('3-shrinks-late'), 10));
    if (done.has('3') && reading(at('4-vanishes'))) once('4', () => rmSync(at('4-vanishes')));
    if (done.has('4') && reading(at('5-replaced')))
      once('5', () => {
        writeFileSync(at('new'), 'new');
        renameSync(at('new'), at('5-replaced'));
      });
    if (done.has('5') && reading(at('6-touched')))
      once('6', () => writeFileSync(at('6-touched'), noise(3_000_000, 'other')));
  });
  assert.deepEqual([...done], ['1', '2', '3', '4', '5', '6']);
  assert.deepEqual(flagsOf(packed, '1-grows'), ['grew']);
  assert.equal(packed.find((one) => one.name.endsWith('1-grows'))?.size, 3_000_000);
  // Nothing of it was on its way: it was read again.
  assert.deepEqual(flagsOf(packed, '2-shrinks'), ['newer']);
  assert.equal(packed.find((one) => one.name.endsWith('2-shrinks'))?.size, 100);
  assert.deepEqual(flagsOf(packed, '3-shrinks-late'), ['padded']);
  assert.match(reasonOf(skipped, '3-shrinks-late') ?? '', /zeros stand for the rest/);
  // Its name went, its content did not: it was open.
  assert.deepEqual(flagsOf(packed, '4-vanishes'), []);
  assert.deepEqual(flagsOf(packed, '5-replaced'), []);
  // Before its first byte was read: what is stored is what it holds.
  assert.deepEqual(flagsOf(packed, '6-touched'), ['changed']);
  assert.deepEqual(flagsOf(packed, '7-quiet'), []);
  assert.equal(skipped.length, 1);
  execFileSync('tar', ['xzf', archivePath, '-C', tempFolder(t)]);
});

test('a hard link is one only to what was stored: content that changed between two of its names is stored again', async (t) => {
  const root = tempFolder(t);
  writeTree(root, { first: 'old content', other: 'x' });
  linkSync(path.join(root, 'first'), path.join(root, 'second'));
  linkSync(path.join(root, 'first'), path.join(root, 'third'));
  let looks = 0;
  const { packed, archivePath } = await packHere(t, planOf(root), ({ progress: { bytesIn } }) => {
    // `first` is stored; `other`, of one byte, comes next.
    if (bytesIn === 11 && looks++ === 0) writeFileSync(path.join(root, 'second'), 'new and longer content');
  });
  const types = packed.map((one) => [path.basename(one.name), one.type]);
  assert.deepEqual(types.slice(1), [
    ['first', 'file'],
    ['other', 'file'],
    ['second', 'file'],
    ['third', 'link'],
  ]);
  const target = tempFolder(t);
  execFileSync('tar', ['xzf', archivePath, '-C', target]);
  assert.equal(readFileSync(path.join(target, root, 'first'), 'utf8'), 'old content');
  for (const name of ['second', 'third'])
    assert.equal(readFileSync(path.join(target, root, name), 'utf8'), 'new and longer content');
});

/** True while this process has a file open. */
function reading(file: string): boolean {
  return readdirSync('/proc/self/fd').some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === file;
    } catch {
      return false;
    }
  });
}

test('a forged manifest of one endless line is refused with bounded memory', async (t) => {
  const file = path.join(tempFolder(t), 'm.gz');
  // 2 GB of one line in 2 MB of gzip: members of 64 MiB of zeros, one after the other.
  const bomb = gzipSync(Buffer.alloc(64 << 20, 0x61), { level: 9 });
  for (let i = 0; i < 32; i += 1) appendFileSync(file, bomb);
  const before = process.memoryUsage().rss;
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 20);
  t.after(() => clearInterval(timer));
  await assert.rejects(
    readAll(file),
    (error) => error instanceof ManifestError && error.message === 'line 1 is too long',
  );
  assert.ok(most - before < 400e6, `${Math.round((most - before) / 1e6)} MB more`);
});

test('a forged manifest names no path outside, no other file, and no pipe or link is read as one', async (t) => {
  const folder = tempFolder(t);
  const file = path.join(folder, 'm.gz');
  const member = {
    type: 'file',
    size: 1,
    mtime: [0, 0],
    mode: 0,
    uid: 0,
    gid: 0,
    dev: '0',
    ino: '0',
    nlink: 1,
    offset: 0,
  };
  const head = { tapeflow: 'manifest', version: 1, ...header };
  const cases: [object[], RegExp][] = [
    [[head, { ...member, name: '../x' }], /has the part \.\./],
    [[head, { ...member, nameBase64: Buffer.from('/\xff', 'latin1').toString('base64') }], /is absolute/],
    [[head, { ...member, name: 'a\0b' }], /holds a NUL/],
    [[head, { ...member, name: 'a', type: 'link', target: '../../etc/passwd' }], /has the part \.\./],
    [[head, { ...member, name: 'a', type: 'link' }], /is empty/],
    [[head, { ...member, name: 'a', hardLinkOf: '/etc/passwd' }], /is absolute/],
    [[head, { ...member, name: `../${'x'.repeat(1_000_000)}` }], /^.{0,300}$/],
    [[head, { ...member, name: '\x1b[31m/../x' }], /"\\x1b\[31m/],
    [[{ ...head, archive: '../../a.tar.gz' }], /archive/],
    [[{ ...head, set: '../2026-11_000001' }], /set/],
    [[head, { ...member, name: 'a', size: -1 }], /size/],
    [[head, { ...member, name: 'a', size: 1e300 }], /size/],
    [[head, { ...member, name: 'a', mtime: [0] }], /mtime/],
    [[head, [], null as unknown as object], /not an object/],
  ];
  for (const [lines, message] of cases) {
    writeFileSync(file, gzipSync(lines.map((line) => JSON.stringify(line)).join('\n')));
    await assert.rejects(
      readAll(file),
      (error) =>
        error instanceof ManifestError &&
        message.test(error.message) &&
        escapeForTerminal(error.message) === error.message,
      String(message),
    );
  }
  const deep = `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`;
  for (const junk of [
    Buffer.alloc(100),
    gzipSync(''),
    gzipSync('\n\n'),
    gzipSync(deep),
    gzipSync(`{"tapeflow":${deep}}`),
  ]) {
    writeFileSync(file, junk);
    await assert.rejects(readAll(file), ManifestError);
  }
  execFileSync('mkfifo', [path.join(folder, 'pipe')]);
  symlinkSync(file, path.join(folder, 'link'));
  await assert.rejects(readAll(path.join(folder, 'pipe')), /not a regular file/);
  for (const name of ['link', '.', 'nothing'])
    await assert.rejects(readAll(path.join(folder, name)), ManifestError);
  writeFileSync(
    file,
    gzipSync(
      [head, { ...member, name: 'a', flags: ['grew', 'of-a-later-version'] }]
        .map((line) => JSON.stringify(line))
        .join('\n'),
    ),
  );
  await assert.rejects(readAll(file), /cut short/, 'an unknown flag is no error');
});

async function readAll(file: string): Promise<void> {
  for await (const line of readManifest(file)) void line;
}

test('a forged label is refused, whatever it is: a pipe, a device, a link, endless, with a path for a name', async (t) => {
  const label = {
    ...{ tapeflowLabel: 1, name: 'T1', pool: 'default', volume: null, labelled: 'x' },
    ...{ uuid: '5f0f1d0c-2f9e-4f57-8ce1-6a3a6c2f4b11', installation: '5f0f1d0c-2f9e-4f57-8ce1-6a3a6c2f4b12' },
  };
  const mount = tempFolder(t);
  const file = path.join(mount, labelFileName);
  const refused = async (why: RegExp, make: () => void) => {
    rmSync(file, { force: true, recursive: true });
    make();
    await assert.rejects(
      readLabel(mount),
      (error) =>
        error instanceof TapeflowFailure &&
        error.details['reason'] === 'label_damaged' &&
        why.test(error.message),
      String(why),
    );
  };
  const write = (fields: object) => () => writeFileSync(file, JSON.stringify({ ...label, ...fields }));
  await refused(/not a regular file/, () => execFileSync('mkfifo', [file]));
  await refused(/not a regular file/, () => symlinkSync('/etc/hostname', file));
  await refused(/not a regular file/, () => symlinkSync('/dev/zero', file));
  await refused(/not a regular file/, () => mkdirSync(file));
  await refused(/too long/, () => {
    writeFileSync(file, '');
    truncateSync(file, 1e12);
  });
  if (process.getuid?.() === 0)
    await refused(/not a regular file/, () => execFileSync('mknod', [file, 'c', '1', '5']));
  for (const name of ['../../etc', '/abs', 'a/b', '', '.', '..', '-x', 'a\nb', 'x'.repeat(64), 7, null])
    await refused(/its name is wrong/, write({ name }));
  await refused(/its pool is wrong/, write({ pool: '../x' }));
  await refused(/its uuid is wrong/, write({ uuid: 'x' }));
  await refused(/not JSON/, () => writeFileSync(file, '['.repeat(60_000)));
  await refused(/its content is wrong|is wrong/, () => writeFileSync(file, '[]'));
  rmSync(file);
  writeFileSync(file, JSON.stringify(label));
  assert.equal((await readLabel(mount))?.name, 'T1');
});

test('a set folder on a tape that is a link or a file is not followed and not replaced; a folder is nobody’s part', async (t) => {
  const mount = tempFolder(t);
  const elsewhere = tempFolder(t);
  const staged = path.join(tempFolder(t), 'a.tar.gz');
  writeFileSync(staged, 'bytes');
  const sha256 = execFileSync('sha256sum', [staged], { encoding: 'utf8' }).slice(0, 64);
  const file = { name: 'a.tar.gz', path: staged, size: 5, sha256 };
  const setId = '2026-11_000001';
  const folder = path.join(mount, setId);
  const confirm = async () => undefined;
  const options = { mountPoint: mount, setId, token: 't', confirm, guard: () => undefined };
  const write = async () => writeFileToTape(file, await openTapeFolder(options, [file.name]), options);
  const isTaken = (error: unknown) =>
    error instanceof TapeflowFailure && error.details['reason'] === 'name_taken';
  for (const target of [elsewhere, path.join(elsewhere, 'not-yet'), 'nowhere']) {
    symlinkSync(target, folder);
    await assert.rejects(write(), isTaken, target);
    await assert.rejects(makeTapeFolder(mount, setId, confirm), isTaken);
    rmSync(folder);
  }
  writeFileSync(folder, 'a file');
  await assert.rejects(write(), isTaken);
  rmSync(folder);
  assert.deepEqual(readdirSync(elsewhere), []);

  const name = path.join(folder, 'a.tar.gz');
  mkdirSync(folder);
  mkdirSync(path.join(folder, 'a.tar.gz.x.part'));
  symlinkSync(elsewhere, path.join(folder, 'a.tar.gz.y.part'));
  await write();
  assert.equal(lstatSync(name).size, 5);
  assert.ok(existsSync(path.join(folder, 'a.tar.gz.x.part')), 'a folder is nobody’s part');
  assert.ok(!existsSync(path.join(folder, 'a.tar.gz.y.part')));
  await removeParts(folder, 'a.tar.gz');
  assert.ok(existsSync(elsewhere));
});
