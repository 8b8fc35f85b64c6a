import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { fromText } from '../../entry/byte-string.js';
import type { PackedMember, PlannedMember, SkippedMember } from '../../entry/member.js';
import { packInThread } from '../../archive/pack/pack-in-thread.js';
import { plan } from '../support/plan.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';

/** Packs with the native part, or with none of it. */
async function pack(t: TestContext, planned: PlannedMember[], codec: 'auto' | 'zlib', during?: () => void) {
  const folder = tempFolder(t);
  const archive = path.join(folder, 'a.tar.gz');
  const packed: PackedMember[] = [];
  const skipped: SkippedMember[] = [];
  async function* pages(): AsyncGenerator<PlannedMember[]> {
    during?.();
    // Several pages.
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

test('the native part and Node make the same archive', async (t) => {
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
  const native = await pack(t, planned, 'auto');
  const plain = await pack(t, planned, 'zlib');
  assert.deepEqual(native.packed, plain.packed);
  assert.equal(native.packed.length, planned.length);
  assert.deepEqual([native.skipped, plain.skipped], [[], []]);
  assert.ok(native.tar.equals(plain.tar));
});

test('small files that changed since the plan are stored between those that did not, as without the native part', async (t) => {
  const source = tempFolder(t);
  const bytes = noise(3000, 'many');
  const name = (i: number) => path.join(source, `folder-${i % 2}`, `${i}`);
  writeTree(
    source,
    Object.fromEntries(Array.from({ length: 1200 }, (_, i) => [`folder-${i % 2}/${i}`, bytes.subarray(i)])),
  );
  const planned = plan(source);
  for (let i = 0; i < 1200; i += 1) {
    if (i % 11 === 0) writeFileSync(name(i), bytes.subarray(0, 2 * i));
    if (i % 13 === 0) chmodSync(name(i), 0o400);
    if (i % 17 === 0) utimesSync(name(i), 1, i);
    if (i % 19 === 0) rmSync(name(i));
    if (i % 23 === 0 && i % 19 !== 0) linkSync(name(i), `${name(i)}-again`);
  }
  const native = await pack(t, planned, 'auto');
  const plain = await pack(t, planned, 'zlib');
  assert.deepEqual(native.packed, plain.packed);
  assert.deepEqual(native.skipped, plain.skipped);
  assert.equal(native.skipped.length, Math.ceil(1200 / 19));
  assert.ok(native.tar.equals(plain.tar));
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
