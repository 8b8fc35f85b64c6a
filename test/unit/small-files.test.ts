import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { fromText } from '../../archive/byte-string.js';
import type { PackedMember, PlannedMember, SkippedMember } from '../../archive/member.js';
import { decodePlanned, encodePlanned } from '../../archive/member-message.js';
import { loadAddon } from '../../archive/native-addon.js';
import { packInThread } from '../../archive/pack-in-thread.js';
import { SmallFiles, type SmallFile } from '../../archive/small-files.js';
import { plan } from '../support/plan.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

const without = SmallFiles.open(1) === undefined ? 'the native addon reads no files here' : false;

/** Packs with the native addon, or with none of it. */
async function pack(t: TestContext, planned: PlannedMember[], codec: 'auto' | 'zlib', during?: () => void) {
  const folder = tempFolder(t);
  const archive = path.join(folder, 'a.tar.gz');
  const packed: PackedMember[] = [];
  const skipped: SkippedMember[] = [];
  async function* pages(): AsyncGenerator<PlannedMember[]> {
    during?.();
    // Several pages, so that what is read ahead crosses them.
    for (let at = 0; at < planned.length; at += 700) yield planned.slice(at, at + 700);
  }
  await packInThread({
    ...{ archivePath: archive, manifestPath: path.join(folder, 'm'), level: 1, inFlight: 8, codec },
    manifestHeader: {
      ...{
        set: '2026-11_000001',
        setUuid: 'u',
        group: 1,
        archive: 'a.tar.gz',
        created: '',
        installation: 'i',
      },
      ...{ sources: [], hostname: 'h', mode: 'full', platform: process.platform },
    },
    maxBytes: null,
    pages: pages(),
    alreadySkipped: [],
    signal: new AbortController().signal,
    onBatch: (more, less) => {
      packed.push(...more);
      skipped.push(...less);
    },
    onProgress: () => undefined,
  });
  return { tar: gunzipSync(readFileSync(archive)), packed, skipped };
}

/** What is read ahead of some entries, by the ends of their names. */
async function readAhead(planned: PlannedMember[]): Promise<Map<string, SmallFile | undefined>> {
  const files = SmallFiles.open(4);
  assert.ok(files);
  files.expect(planned);
  const read = new Map<string, SmallFile | undefined>();
  for (const entry of planned) {
    await files.pending(entry);
    const file = files.take(entry);
    const copy = file === undefined ? undefined : { ...file, output: Buffer.from(file.output) };
    read.set(path.basename(entry.name), copy);
  }
  await files.settle();
  return read;
}

const contentOf = ({ output, contentAt, facts }: SmallFile) =>
  output.subarray(contentAt, contentAt + facts.size);

test('files read ahead in many and files read one by one make the same archive', async (t) => {
  const source = tempFolder(t);
  const bytes = noise(1500, 'many');
  writeTree(source, {
    'sizes/0': '',
    'sizes/1': 'x',
    'sizes/511': noise(511, '511'),
    'sizes/512': noise(512, '512'),
    'sizes/513': noise(513, '513'),
    'sizes/128k': noise(128 * 1024, '128k'),
    'sizes/128k and one': noise(128 * 1024 + 1, '128k1'),
    'sizes/large': noise(3_000_000, 'large'),
    'names/bärte, 文件': 'not ASCII',
    [`names/${'long'.repeat(30)}`]: 'longer than a header holds',
    'names/quote " backslash \\ new\nline': 'to be escaped',
    'modes/setuid': 'x',
    'modes/owner': 'x',
    'times/whole second': 'x',
    'times/before 1970': 'x',
    'times/far': 'x',
    'links/first': 'linked',
    // More than one batch and more than one block.
    ...Object.fromEntries(Array.from({ length: 1500 }, (_, i) => [`many/${i}`, bytes.subarray(i)])),
  });
  chmodSync(path.join(source, 'modes/setuid'), 0o4751);
  if (process.getuid?.() === 0) chownSync(path.join(source, 'modes/owner'), 3_000_000, 2_097_151);
  utimesSync(path.join(source, 'times/whole second'), 1_700_000_000, 1_700_000_000);
  utimesSync(path.join(source, 'times/before 1970'), new Date(-5500), new Date(-5500));
  utimesSync(path.join(source, 'times/far'), 9_000_000_000, 9_000_000_000);
  linkSync(path.join(source, 'links/first'), path.join(source, 'links/second'));
  symlinkSync('first', path.join(source, 'links/soft'));

  const planned = plan(source);
  const ahead = await pack(t, planned, 'auto');
  const alone = await pack(t, planned, 'zlib');
  assert.deepEqual(ahead.packed, alone.packed);
  assert.equal(ahead.packed.length, planned.length);
  assert.deepEqual([ahead.skipped, alone.skipped], [[], []]);
  assert.ok(ahead.tar.equals(alone.tar));
});

test('only what is plain is read ahead', { skip: without }, async (t) => {
  const source = tempFolder(t);
  const elsewhere = tempFolder(t);
  const names = [
    'became-folder',
    'became-link',
    'became-pipe',
    'behind/link',
    'cut',
    'gone',
    'grown',
    'linked',
  ];
  writeTree(source, Object.fromEntries([...names, 'plain', 'then'].map((name) => [name, `in ${name}`])));
  writeTree(elsewhere, { link: 'not of this source' });
  const planned = plan(source).filter(({ type }) => type === 'file');
  for (const name of ['became-folder', 'became-link', 'became-pipe', 'gone'])
    unlinkSync(path.join(source, name));
  mkdirSync(path.join(source, 'became-folder'));
  symlinkSync('plain', path.join(source, 'became-link'));
  execFileSync('mkfifo', [path.join(source, 'became-pipe')]);
  renameSync(path.join(source, 'behind'), path.join(source, 'moved'));
  symlinkSync(elsewhere, path.join(source, 'behind'));
  linkSync(path.join(source, 'linked'), path.join(source, 'linked-again'));
  truncateSync(path.join(source, 'cut'), 2);
  // More than there is room for.
  truncateSync(path.join(source, 'grown'), 2_000_000);
  const read = await readAhead(planned);
  const found = [...read].filter(([, file]) => file !== undefined).map(([name]) => name);
  assert.deepEqual(found, ['cut', 'plain', 'then']);
  for (const name of found) {
    const file = read.get(name);
    assert.ok(file);
    const content = readFileSync(path.join(source, name));
    assert.deepEqual(contentOf(file), content);
    assert.equal(file.sha256, createHash('sha256').update(content).digest('hex'));
  }
});

for (const codec of ['auto', 'zlib'] as const) {
  test(`what changed since the plan is skipped with its reason or flagged (${codec})`, async (t) => {
    const source = tempFolder(t);
    const elsewhere = tempFolder(t);
    writeTree(source, { 'a/swapped': 'mine', gone: 'x', grown: 'x', replaced: 'x', soft: 'x', stays: 'x' });
    writeTree(elsewhere, { swapped: 'not of this source' });
    const { tar, packed, skipped } = await pack(t, plan(source), codec, () => {
      rmSync(path.join(source, 'a'), { recursive: true });
      symlinkSync(elsewhere, path.join(source, 'a'));
      unlinkSync(path.join(source, 'gone'));
      writeFileSync(path.join(source, 'grown'), 'xyz');
      writeFileSync(path.join(source, 'new'), 'y');
      renameSync(path.join(source, 'new'), path.join(source, 'replaced'));
      unlinkSync(path.join(source, 'soft'));
      symlinkSync('stays', path.join(source, 'soft'));
    });
    const short = (name: string) => name.slice(fromText(source).length);
    assert.deepEqual(Object.fromEntries(skipped.map(({ name, reason }) => [short(name), reason])), {
      'a/': 'became a symbolic link after the scan',
      'a/swapped':
        'lies behind a symbolic link that took the place of a folder after the scan: what is there now is not backed up under this name',
      gone: 'vanished after the scan',
      soft: 'became a symbolic link after the scan',
    });
    const flags = packed.filter(({ type }) => type === 'file').map(({ name, flags }) => [short(name), flags]);
    assert.deepEqual(flags, [
      ['grown', ['newer']],
      ['replaced', ['newer']],
      ['stays', []],
    ]);
    assert.ok(!tar.includes('not of this source'));
    assert.ok(tar.includes('xyz'));
  });
}

test(
  'a file that changes while it is read ahead is flagged, and its hash is that of what was read',
  { skip: without },
  async (t) => {
    const source = tempFolder(t);
    const file = path.join(source, 'busy');
    writeFileSync(file, noise(60_000, 'busy'));
    const changes = `const fs = require('node:fs'), file = fs.openSync(process.argv[1], 'r+');
    for (;;) { fs.ftruncateSync(file, 60_000); fs.ftruncateSync(file, 60_001); fs.futimesSync(file, 1, Math.random() * 1e9); }`;
    const [planned] = plan(file);
    assert.ok(planned);
    const busy = spawn(process.execPath, ['-e', changes, file], { stdio: 'ignore' });
    t.after(() => busy.kill('SIGKILL'));
    const seen = new Set<string>();
    await waitFor(async () => {
      for (let i = 0; i < 200; i += 1) {
        const read = (await readAhead([planned])).get('busy');
        if (read === undefined) continue;
        const hash: string = createHash('sha256').update(contentOf(read)).digest('hex');
        assert.equal(read.sha256, hash);
        for (const flag of read.flags) seen.add(flag);
      }
      return seen.has('grew') && seen.has('changed');
    }, 'a read in whose middle the file grew, and one in whose middle it changed');
  },
);

test(
  'readFiles refuses fewer paths than said, relative ones, and too small an output',
  { skip: without },
  () => {
    const { readFiles } = loadAddon() as { readFiles: (...args: unknown[]) => unknown };
    const output = new Uint8Array(4096);
    const paths = (text: string) => Buffer.from(text);
    assert.throws(() => readFiles(paths('/a\0/b'), 2, output), RangeError);
    assert.throws(() => readFiles(paths('a\0'), 1, output), RangeError);
    assert.throws(() => readFiles(paths('/a\0'), 1, output.subarray(0, 100)), RangeError);
    assert.throws(() => readFiles(paths('/a\0'), 1, output.subarray(1)), RangeError);
    assert.throws(() => readFiles(paths('/a\0'), 2 ** 31, output), RangeError);
    assert.throws(() => readFiles('/a\0', 1, output), RangeError);
  },
);

test('entries cross between threads as they are, those of earlier archives among them', () => {
  const one: PlannedMember = {
    ...{ name: 'a "\\\n\xff', type: 'file', size: 2 ** 45, mtimeS: -1, mtimeNs: 999_999_999, mode: 0o100644 },
    ...{ uid: 1, gid: 2 ** 32 - 1, dev: '9', ino: '18446744073709551615', nlink: 3, linkTarget: null },
    hardLinkOf: 'b',
    ctime: [-3, 999_999_998],
  };
  const link: PlannedMember = { ...one, name: 'c', type: 'symlink', linkTarget: '../x', hardLinkOf: null };
  link.ctime = undefined;
  const { type: _, ...rest } = one;
  const kept = { ...rest, set: 's', group: 1, offset: 5, sha256: null };
  for (const page of [[], [kept], [one, kept, link], [kept, kept, one], [one, link, kept]])
    assert.deepEqual(decodePlanned(structuredClone(encodePlanned(page))), page);
});
