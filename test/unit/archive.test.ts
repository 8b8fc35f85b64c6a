import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Header, list } from 'tar';
import { fromText, displayName } from '../../entry/byte-string.js';
import { type ManifestHeader, ManifestError } from '../../entry/manifest-content.js';
import { memberNameOf, sourcePathOf, unsafeNameReason } from '../../entry/member-name.js';
import type { PackedMember, PlannedMember, SkippedMember } from '../../entry/member.js';
import { packInThread } from '../../archive/pack/pack-in-thread.js';
import { isIncompressible } from '../../archive/blocks/incompressible.js';
import { readManifest, type ManifestLine } from '../../archive/manifest/read-manifest.js';
import { encodeHeaders } from '../../archive/tar/tar-header.js';
import { plan } from '../support/plan.js';
import { allocate, assertSameTree, noise, tempFolder, untar, writeTree } from '../support/trees.js';

const header: ManifestHeader = {
  ...{ set: '2026-11_000001', setUuid: 'u', group: 1, archive: 'a.tar.gz', created: '2026-11-24T00:00:00Z' },
  ...{ installation: 'i', sources: [], hostname: 'h', mode: 'full', platform: process.platform },
};

interface Packed {
  archive: string;
  manifest: string;
  packed: PackedMember[];
  skipped: SkippedMember[];
  sha256: string;
  size: number;
}

async function pack(
  t: TestContext,
  planned: PlannedMember[],
  options: { maxBytes?: number; during?: () => void } = {},
): Promise<Packed> {
  const folder = tempFolder(t);
  const archive = path.join(folder, 'a.tar.gz');
  const manifest = path.join(folder, 'a.manifest');
  const packed: PackedMember[] = [];
  const skipped: SkippedMember[] = [];
  async function* pages(): AsyncGenerator<PlannedMember[]> {
    options.during?.();
    yield planned;
  }
  const outcome = await packInThread({
    ...{ archivePath: archive, manifestPath: manifest, level: 6, inFlight: 4, manifestHeader: header },
    maxBytes: options.maxBytes ?? null,
    pages: pages(),
    alreadySkipped: [{ name: 'x/socket', reason: 'is a socket' }],
    signal: new AbortController().signal,
    onBatch: (more, less) => {
      packed.push(...more);
      skipped.push(...less);
    },
    onProgress: () => undefined,
  });
  assert.equal(createHash('sha256').update(readFileSync(archive)).digest('hex'), outcome.archive.sha256);
  assert.equal(readFileSync(archive).length, outcome.archive.size);
  assert.equal(createHash('sha256').update(readFileSync(manifest)).digest('hex'), outcome.manifest.sha256);
  return { archive, manifest, packed, skipped, sha256: outcome.archive.sha256, size: outcome.archive.size };
}

function member(fields: Partial<Parameters<typeof encodeHeaders>[0]>): Buffer {
  return encodeHeaders({
    ...{
      name: 'a',
      type: 'file',
      size: 0,
      mtimeS: 0,
      mtimeNs: 0,
      mode: 0o644,
      uid: 0,
      gid: 0,
      linkTarget: null,
    },
    ...fields,
  });
}

test('every kind of name comes back byte for byte, through GNU tar and node-tar', async (t) => {
  const source = tempFolder(t);
  const target = tempFolder(t);
  const odd = [
    Buffer.from('invalid-\xff\xfe-utf8', 'latin1'),
    Buffer.from(`${'long-invalid-'.repeat(15)}\xff`, 'latin1'),
    Buffer.from('new\nline and "quotes" and \\back'),
    Buffer.from('-leading-dash'),
    Buffer.from('é nfc'),
    Buffer.from('e\u0301 nfd'),
    Buffer.from('CASE'),
    Buffer.from('case'),
    Buffer.from('n'.repeat(255)),
    Buffer.from('ü'.repeat(127)),
    Buffer.from(' '),
    Buffer.from('a=b 12 path=evil'),
    Buffer.from('CON.txt:?*'),
  ];
  const root = Buffer.from(`${source}/`);
  for (const name of odd) writeFileSync(Buffer.concat([root, name]), name);
  symlinkSync(Buffer.from('to-\xff-nowhere', 'latin1'), path.join(source, 'link-to-invalid'));
  symlinkSync('x'.repeat(300), path.join(source, 'link-to-long'));
  mkdirSync(path.join(source, 'd'.repeat(150), 'e'.repeat(150)), { recursive: true });
  writeFileSync(path.join(source, 'd'.repeat(150), 'e'.repeat(150), 'deep'), 'deep');
  const { archive } = await pack(t, plan(source));
  untar([archive], target);
  const there = new Set(readNames(path.join(target, source)));
  for (const name of odd) {
    const shown = name.toString('latin1');
    assert.ok(there.has(shown), shown);
    const [from, to] = [root, Buffer.from(`${path.join(target, source)}/`)].map((folder) =>
      Buffer.concat([folder, name]),
    );
    assert.ok(from !== undefined && to !== undefined);
    assert.deepEqual(readFileSync(to), name, shown);
    const [was, is] = [from, to].map((file) => statSync(file, { bigint: true }).mtimeNs);
    assert.equal(is, was, shown);
  }
  const link = (name: string) => readlinkSync(path.join(target, source, name), 'latin1');
  assert.deepEqual([link('link-to-invalid'), link('link-to-long')], ['to-\xff-nowhere', 'x'.repeat(300)]);
  const deep = path.join('d'.repeat(150), 'e'.repeat(150), 'deep');
  assert.equal(readFileSync(path.join(target, source, deep), 'utf8'), 'deep');
  // node-tar takes names for UTF-8; of others it has the right number.
  const listed: string[] = [];
  await list({ file: archive, onReadEntry: (entry) => listed.push(entry.path) });
  const planned = plan(source).map(({ name }) => Buffer.from(name, 'latin1'));
  assert.equal(listed.length, planned.length);
  for (const name of planned.filter(isUtf8)) assert.ok(listed.includes(name.toString()), name.toString());
});

function readNames(folder: string): string[] {
  return execFileSync('find', ['.', '-mindepth', '1', '-maxdepth', '1', '-print0'], {
    cwd: folder,
    encoding: 'latin1',
  })
    .split('\0')
    .filter((name) => name !== '')
    .map((name) => name.slice(2));
}

test('modes, nanoseconds, links, empty folders and blocks that do not compress', async (t) => {
  const source = tempFolder(t);
  const target = tempFolder(t);
  writeTree(source, { 'a/one': noise(3_000_000, 'one'), 'a/two': 'x'.repeat(5_000_000), 'b/empty': '' });
  mkdirSync(path.join(source, 'c'));
  linkSync(path.join(source, 'a/one'), path.join(source, 'b/one-again'));
  symlinkSync('../a/one', path.join(source, 'b/link'));
  utimesSync(path.join(source, 'a/two'), 1, 1_700_000_000.9996);
  const { archive, packed } = await pack(t, plan(source));
  untar([archive], target);
  assertSameTree(path.join(target, source), source);
  const link = packed.find((one) => one.type === 'link');
  assert.equal(displayName(link?.linkTarget ?? ''), `${source}/a/one`.slice(1));
  const tar = gunzipSync(readFileSync(archive));
  for (const one of packed.filter((entry) => entry.type === 'file')) {
    const content = tar.subarray(one.contentOffset ?? 0, (one.contentOffset ?? 0) + one.size);
    assert.equal(createHash('sha256').update(content).digest('hex'), one.sha256);
  }
});

test('what vanished, changed its type, or cannot be opened is skipped with its reason; the rest is packed', async (t) => {
  const source = tempFolder(t);
  const target = tempFolder(t);
  writeTree(source, {
    gone: 'x',
    'became-link': 'x',
    'became-folder': 'x',
    stays: 'stays',
    'folder/inner': 'x',
  });
  const planned = plan(source);
  const { archive, skipped } = await pack(t, planned, {
    during() {
      unlinkSync(path.join(source, 'gone'));
      unlinkSync(path.join(source, 'became-link'));
      symlinkSync('/etc/passwd', path.join(source, 'became-link'));
      unlinkSync(path.join(source, 'became-folder'));
      mkdirSync(path.join(source, 'became-folder'));
      rmSync(path.join(source, 'folder'), { recursive: true });
      writeFileSync(path.join(source, 'folder'), 'now a file');
    },
  });
  untar([archive], target);
  const reasons = Object.fromEntries(skipped.map(({ name, reason }) => [path.basename(name), reason]));
  assert.match(reasons['gone'] ?? '', /vanished/);
  assert.match(reasons['became-link'] ?? '', /became a symbolic link/);
  assert.match(reasons['became-folder'] ?? '', /became a folder/);
  assert.match(reasons['inner'] ?? '', /a folder above it is none any more/);
  assert.equal(readFileSync(path.join(target, source, 'stays'), 'utf8'), 'stays');
  assert.ok(!existsSync(path.join(target, source, 'became-link')));
});

test('a file that grew is stored as it is now, and beyond the limit it is skipped', async (t) => {
  const source = tempFolder(t);
  writeTree(source, { small: 'x', other: 'y' });
  const planned = plan(source);
  const first = await pack(t, planned, {
    during: () => appendFileSync(path.join(source, 'small'), 'z'.repeat(999)),
  });
  assert.equal(first.packed.find((one) => one.name.endsWith('small'))?.size, 1000);
  const second = await pack(t, planned, { maxBytes: 500 });
  assert.match(second.skipped[0]?.reason ?? '', /grew from 1 to 1000 bytes since the scan, beyond/);
  assert.equal(second.packed.length, planned.length - 1);
});

test('a large file that shrinks while it is read is padded and listed; the archive stays whole', async (t) => {
  const source = tempFolder(t);
  const target = tempFolder(t);
  const big = path.join(source, 'big');
  // Reading takes long enough to be caught in its middle, and making it does not.
  allocate(big, 300_000_000);
  writeTree(source, { z: 'after it' });
  const folder = tempFolder(t);
  const skipped: SkippedMember[] = [];
  const packed: PackedMember[] = [];
  async function* pages() {
    yield plan(source);
  }
  let cut = false;
  await packInThread({
    ...{
      archivePath: path.join(folder, 'a'),
      manifestPath: path.join(folder, 'm'),
      level: 1,
      inFlight: 4,
      manifestHeader: header,
    },
    ...{ maxBytes: null, pages: pages(), alreadySkipped: [], signal: new AbortController().signal },
    onBatch(more, less) {
      packed.push(...more);
      skipped.push(...less);
    },
    onProgress({ bytesIn }) {
      if (bytesIn > 0 && !cut) truncateSync(big, 1000);
      cut ||= bytesIn > 0;
    },
  });
  assert.ok(cut);
  assert.match(skipped[0]?.reason ?? '', /zeros stand for the rest/);
  assert.deepEqual(packed.find((one) => one.name.endsWith('big'))?.flags, ['padded']);
  execFileSync('tar', ['xzf', path.join(folder, 'a'), '-C', target, '--exclude', '*big']);
  assert.equal(readFileSync(path.join(target, source, 'z'), 'utf8'), 'after it');
});

test('an abort ends the pack, and its thread serves the next one', async (t) => {
  const source = tempFolder(t);
  const big = path.join(source, 'big');
  allocate(big, 1_500_000_000);
  const folder = tempFolder(t);
  const stop = new AbortController();
  async function* pages() {
    yield plan(source);
  }
  const packing = packInThread({
    ...{
      archivePath: path.join(folder, 'a'),
      manifestPath: path.join(folder, 'm'),
      level: 1,
      inFlight: 4,
      manifestHeader: header,
    },
    ...{ maxBytes: null, pages: pages(), alreadySkipped: [], signal: stop.signal, onBatch: () => undefined },
    onProgress: ({ bytesIn }) => {
      if (bytesIn > 0) stop.abort(new Error('enough'));
    },
  });
  await assert.rejects(packing, /enough/);
  truncateSync(big, 10);
  const { packed } = await pack(t, plan(source));
  assert.equal(packed.length, 2);
});

test('an error of the output keeps its code', async (t) => {
  const source = tempFolder(t);
  writeTree(source, { a: 'x' });
  const folder = tempFolder(t);
  writeFileSync(path.join(folder, 'taken'), 'not to be overwritten');
  async function* pages() {
    yield plan(source);
  }
  const paths = { archivePath: path.join(folder, 'taken'), manifestPath: path.join(folder, 'm') };
  const job = {
    ...paths,
    level: 6,
    inFlight: 4,
    manifestHeader: header,
    maxBytes: null,
    pages: pages(),
    alreadySkipped: [],
  };
  const pending = packInThread({
    ...job,
    signal: new AbortController().signal,
    onBatch: () => undefined,
    onProgress: () => undefined,
  });
  await assert.rejects(pending, { code: 'EEXIST' });
  assert.equal(readFileSync(path.join(folder, 'taken'), 'utf8'), 'not to be overwritten');
});

test('headers: pax only where ustar cannot say it', () => {
  assert.equal(member({}).length, 512);
  assert.equal(member({ name: `${'p'.repeat(120)}/${'n'.repeat(90)}` }).length, 512);
  assert.equal(member({ mtimeNs: 5 }).length, 1536);
  assert.match(member({ mtimeS: -2, mtimeNs: 500_000_000 }).toString('latin1'), /mtime=-1\.500000000\n/);
  assert.match(member({ size: 2 ** 33 }).toString('latin1'), /size=8589934592\n/);
  assert.match(member({ name: fromText('é') }).toString('utf8'), /11 path=é\n/);
  assert.match(member({ name: '\xff'.repeat(101) }).toString('latin1'), /^\.\/\.\/@LongLink/);
  assert.doesNotMatch(member({ name: '\xff' }).toString('latin1'), /path=/);
});

test('the header of a plain member is byte for byte the one that node-tar makes', () => {
  const types = { file: 'File', directory: 'Directory' } as const;
  let seed = 7;
  const upTo = (most: number) => Math.floor(((seed = (seed * 48271) % 2147483647) / 2147483647) * (most + 1));
  for (let round = 0; round < 2000; round += 1) {
    const type = round % 5 === 0 ? 'directory' : 'file';
    const name = `${'d/'.repeat(upTo(20))}${'n'.repeat(1 + upTo(50))}${type === 'directory' ? '/' : ''}`;
    const fields = {
      size: type === 'file' ? upTo(8 ** upTo(10)) : 0,
      mode: upTo(0o7777),
      uid: upTo(8 ** upTo(7) - 1),
      gid: upTo(8 ** upTo(7) - 1),
    };
    const mtimeS = upTo(8 ** upTo(10));
    const block = Buffer.alloc(512);
    new Header({ ...fields, path: name, type: types[type], mtime: new Date(mtimeS * 1000) }).encode(block);
    assert.ok(
      member({ ...fields, name, type, mtimeS }).equals(block),
      JSON.stringify({ name, ...fields, mtimeS }),
    );
  }
});

test('incompressible blocks are told from compressible ones', () => {
  assert.equal(isIncompressible(noise(1 << 20, 'n')), true);
  assert.equal(isIncompressible(Buffer.from('text '.repeat((1 << 20) / 5))), false);
  assert.equal(
    isIncompressible(Buffer.from(noise(1 << 20, 'n').toString('base64')).subarray(0, 1 << 20)),
    false,
  );
});

test('member names on POSIX and Windows, both ways', () => {
  assert.equal(memberNameOf('/a/b', 'linux'), 'a/b');
  assert.equal(memberNameOf('c:\\Users\\x', 'win32'), 'C/Users/x');
  assert.equal(memberNameOf('C:\\', 'win32'), 'C');
  assert.equal(memberNameOf('\\\\server\\share\\x', 'win32'), 'UNC/server/share/x');
  assert.equal(sourcePathOf('a/b/', 'linux').toString(), '/a/b');
  assert.equal(sourcePathOf('C/Users/x', 'win32').toString(), 'C:\\Users\\x');
  assert.equal(sourcePathOf('UNC/server/share/x', 'win32').toString(), '\\\\server\\share\\x');
});

test('a manifest reads back, and a damaged or forged one is refused', async (t) => {
  const source = tempFolder(t);
  writeTree(source, { a: 'x' });
  writeFileSync(Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0xff])]), 'raw');
  const planned = plan(source);
  const { manifest, packed } = await pack(t, planned);
  const lines: ManifestLine[] = [];
  for await (const line of readManifest(manifest)) lines.push(line);
  assert.deepEqual(
    lines.flatMap((line) => (line.kind === 'member' ? [line.member] : [])),
    // The inode's time of change is in the manifest alone: the catalog has it from the scan.
    packed.map((member) => ({ ...member, ctime: planned.find(({ name }) => name === member.name)?.ctime })),
  );
  assert.deepEqual(
    lines.flatMap((line) => (line.kind === 'skipped' ? [line.skipped] : [])),
    [{ name: 'x/socket', reason: 'is a socket' }],
  );
  const text = gunzipSync(readFileSync(manifest)).toString('utf8');
  const forged: [string, RegExp][] = [
    [text.replace(/"name":"[^"]*"/, '"name":"/etc/passwd"'), /is absolute/],
    [text.replace(/"name":"[^"]*"/, '"name":"a/../../etc/passwd"'), /has the part \.\./],
    [text.replace('"version":2', '"version":4'), /has version 4, and this program reads 1, 2 and 3/],
    [text.replace('"version":2', '"version":3'), /does not say what it builds on/],
    [text.split('\n').slice(0, -2).join('\n'), /cut short/],
    [text.replace(/"sha256":"[^"]*"/, '"sha256":"zz"'), /sha256/],
    [`{"a":1}\n${text}`, /out of place/],
    [text.replace('{"end"', '{end'), /is not JSON/],
  ];
  for (const [content, message] of forged) {
    writeFileSync(manifest, gzipSync(content));
    await assert.rejects(
      readAll(manifest),
      (error) => error instanceof ManifestError && message.test(error.message),
      String(message),
    );
  }
  writeFileSync(manifest, gzipSync(text).subarray(0, 40));
  await assert.rejects(readAll(manifest), ManifestError);
  assert.equal(unsafeNameReason('a//b'), 'is absolute or has an empty part');
  assert.equal(unsafeNameReason('a/b/'), undefined);
});

async function readAll(file: string): Promise<void> {
  for await (const line of readManifest(file)) void line;
}

test('an archive is made readable for its owner alone', async (t) => {
  const source = tempFolder(t);
  writeTree(source, { secret: 'x' });
  const { archive } = await pack(t, plan(source));
  assert.equal(lstatSync(archive).mode & 0o777, 0o600);
});
