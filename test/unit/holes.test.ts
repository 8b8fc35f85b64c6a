import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { Packer } from '../../archive/pack/pack.js';
import { rebuildManifest } from '../../archive/manifest/rebuild-manifest.js';
import { readManifest } from '../../archive/manifest/read-manifest.js';
import { Unpacker } from '../../archive/unpack/unpack.js';
import type { Overwrite } from '../../archive/unpack/unpack-options.js';
import { dataExtents } from '../../disk/data-extents.js';
import { formatEndings, type ArchiveFormat, type CodecChoice } from '../../entry/archive-format.js';
import type { ManifestEnd } from '../../entry/manifest-content.js';
import { storedBytes, type PackedMember, type PlannedMember } from '../../entry/member.js';
import { loadAddon } from '../../native/addon.js';
import { plan } from '../support/plan.js';
import { noise, tempFolder, untar, writeTree } from '../support/trees.js';
import { noOwners } from '../../entry/owner-choice.js';

const [kib, mib, tib] = [2 ** 10, 2 ** 20, 2 ** 40];
const header = {
  ...{ set: '2026-11_000001', setUuid: 'u', group: 1, archive: 'a.tar.gz', created: '' },
  ...{ installation: 'i', sources: [], hostname: 'h', mode: 'full', platform: process.platform },
};

/** Why holes cannot be tried here; undefined where they can. */
const noHoles = (() => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tapeflow-holes-'));
  const file = path.join(folder, 'file');
  writeHoled(file, mib, {});
  const { blocks } = statSync(file);
  rmSync(folder, { recursive: true });
  return blocks === 0 ? undefined : 'the file system of temporary files makes no holes';
})();
const seeks = loadAddon()?.dataExtents !== undefined;
/** Ways to find holes: by the native part, and by reading. */
const codecs: CodecChoice[] = seeks ? ['auto', 'zlib'] : ['zlib'];
const hasBsdtar = (() => {
  try {
    return execFileSync('bsdtar', ['--version']).length > 0;
  } catch {
    return false;
  }
})();

/** A file with data at some places, and holes elsewhere. */
function writeHoled(file: string, size: number, data: Record<number, Buffer>): void {
  const fd = openSync(file, 'w');
  ftruncateSync(fd, size);
  for (const [at, bytes] of Object.entries(data)) writeSync(fd, bytes, 0, bytes.length, Number(at));
  closeSync(fd);
}

/** Holes at the beginning, between, at the end, and everywhere; data that ends in the middle of a block. */
function writeHoledTree(folder: string): void {
  const page = (seed: string, pages = 1) => noise(pages * 4 * kib, seed);
  mkdirSync(path.join(folder, 'deep'));
  const between = {
    0: page('a'),
    [5 * mib]: page('b', 3),
    [20 * mib]: page('c', 100),
    [63 * mib]: page('d'),
  };
  writeHoled(path.join(folder, 'between'), 64 * mib, between);
  writeHoled(path.join(folder, 'deep', 'begin'), 3 * mib, { [2 * mib]: noise(mib, 'e') });
  writeHoled(path.join(folder, 'end'), 5 * mib + 17, { 0: page('f') });
  writeHoled(path.join(folder, 'everywhere'), 7 * mib + 1, {});
  writeHoled(path.join(folder, 'odd end'), 2 * mib + 700, { 0: page('g'), [2 * mib]: noise(700, 'h') });
  writeHoled(path.join(folder, `${'long'.repeat(60)}é`), mib, { [512 * kib]: page('i') });
  writeTree(folder, { plain: 'no holes', zeros: Buffer.alloc(100 * kib) });
}

interface Made {
  archive: string;
  manifest: string;
  members: PackedMember[];
  skipped: string[];
  end: ManifestEnd;
  format: ArchiveFormat;
}

interface MakeOptions {
  codec?: CodecChoice;
  format?: ArchiveFormat;
  maxBytes?: number;
  /** Called before the entries are packed. */
  after?: () => void;
}

async function pack(t: TestContext, planned: PlannedMember[], options: MakeOptions = {}): Promise<Made> {
  const { codec = 'auto', format = 'gzip', maxBytes = null, after } = options;
  const archive = path.join(tempFolder(t), `a${formatEndings[format]}`);
  const manifest = `${archive}.manifest`;
  const packer = await Packer.open(
    {
      ...{ archivePath: archive, manifestPath: manifest, format, codec, level: 1, inFlight: 4, maxBytes },
      manifestHeader: header,
    },
    () => false,
  );
  after?.();
  const { packed, skipped } = await packer.add(planned);
  const { archive: end } = await packer.finish([]);
  return { archive, manifest, members: packed, skipped: skipped.map(({ reason }) => reason), end, format };
}

/** What becomes of each member that is restored, or only read, by its name: the outcome, or why not. */
async function restore(
  { archive, members, end, format }: Made,
  target: string | null,
  options: {
    overwrite?: Overwrite;
    codec?: CodecChoice;
    only?: (name: string) => boolean;
    salvage?: boolean;
    lastCopy?: boolean;
  } = {},
): Promise<Record<string, string>> {
  const { overwrite = 'never', codec = 'auto', only = () => true, ...last } = options;
  const unpacker = await Unpacker.open(
    {
      ...{ archivePath: archive, format, codec, index: end, target, overwrite, owners: noOwners, own: {} },
      ...{ job: { name: 'j', token: 't' }, inFlight: 4, ...last },
    },
    () => false,
  );
  const offsets = new Map(members.map(({ name, offset }) => [name, offset]));
  try {
    const wanted = members.filter(({ name }) => only(name));
    const taken = await unpacker.take(
      wanted.map((member) => ({
        ...member,
        type: member.type === 'link' ? 'file' : member.type,
        linkOffset: member.type === 'link' ? (offsets.get(member.linkTarget ?? '') ?? null) : null,
      })),
    );
    return Object.fromEntries(
      taken.map(({ name, outcome, reason }) => [path.basename(name), reason ?? outcome]),
    );
  } finally {
    unpacker.close();
  }
}

/** By path: how many bytes a file has, how much room it takes, and what is in it. */
function filesBelow(root: string): Record<string, { size: number; room: number; sha256: string }> {
  const found: Record<string, { size: number; room: number; sha256: string }> = {};
  for (const { name, type } of plan(root)) {
    if (type !== 'file') continue;
    const bytes = readFileSync(Buffer.from(`/${name}`, 'latin1'));
    const { size, blocks } = statSync(Buffer.from(`/${name}`, 'latin1'));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    found[name.slice(root.length)] = { size, room: blocks * 512, sha256 };
  }
  return found;
}

/** Asserts that a tree has the same files as another, none of which takes more room. */
function assertRestored(target: string, source: string): void {
  const [there, wanted] = [filesBelow(path.join(target, source)), filesBelow(source)];
  assert.deepEqual(Object.keys(there), Object.keys(wanted));
  for (const [name, { size, room, sha256 }] of Object.entries(wanted)) {
    assert.deepEqual([there[name]?.size, there[name]?.sha256], [size, sha256], name);
    assert.ok(
      (there[name]?.room ?? Infinity) <= room,
      `${name} takes ${there[name]?.room} instead of ${room}`,
    );
  }
}

for (const codec of codecs) {
  test(`files with holes come back with them, through ours, GNU tar and bsdtar (${codec})`, async (t) => {
    if (noHoles !== undefined) return t.skip(noHoles);
    const source = tempFolder(t);
    writeHoledTree(source);
    const made = await pack(t, plan(source), { codec });
    const stored = made.members.filter(({ storedSize }) => storedSize !== undefined);
    assert.deepEqual(stored.length, 6);
    const data = made.members.reduce((sum, one) => sum + (one.type === 'file' ? storedBytes(one) : 0), 0);
    assert.equal(made.end.bytesIn, data);
    assert.ok(data < 3 * mib, `${data} bytes were stored`);

    const ours = tempFolder(t);
    const became = await restore(made, ours, { codec });
    assert.deepEqual([...new Set(Object.values(became))], ['restored']);
    assertRestored(ours, source);
    const unread = await restore(made, null, { codec });
    assert.deepEqual([...new Set(Object.values(unread))], ['restored']);

    const byTar = tempFolder(t);
    untar([made.archive], byTar);
    assertRestored(byTar, source);
    if (!hasBsdtar) return t.diagnostic('there is no bsdtar');
    const byBsdtar = tempFolder(t);
    execFileSync('bsdtar', ['-xpf', made.archive, '-C', byBsdtar]);
    assertRestored(byBsdtar, source);
  });
}

test('a file of 2 TiB with 4 KiB of data takes some kilobytes, and comes back so', async (t) => {
  if (noHoles !== undefined) return t.skip(noHoles);
  if (!seeks) return t.skip('needs the native part');
  const source = tempFolder(t);
  const file = path.join(source, 'image');
  writeHoled(file, 2 * tib, { [tib]: noise(4 * kib, 'image') });
  const made = await pack(t, plan(source));
  assert.ok(made.end.tarBytes <= 20 * kib, `the tar has ${made.end.tarBytes} bytes`);
  const image = made.members.find(({ name }) => name.endsWith('image'));
  assert.deepEqual([image?.size, image?.storedSize], [2 * tib, 4 * kib + 512]);
  for (const program of ['ours', 'tar']) {
    const target = tempFolder(t);
    if (program === 'ours') await restore(made, target);
    else untar([made.archive], target);
    const back = path.join(target, file);
    const { size, blocks } = statSync(back);
    assert.deepEqual([size, blocks], [2 * tib, statSync(file).blocks]);
    const fd = openSync(back, 'r');
    const [[from, to] = [0, 0]] =
      dataExtents(fd, fstatSync(fd, { bigint: true }), 'auto', () => undefined) ?? [];
    assert.deepEqual([from, to], [tib, tib + 4 * kib]);
    closeSync(fd);
  }
  // Once more into the same folder: what is there is compared, and that takes no time either.
  const target = tempFolder(t);
  await restore(made, target);
  assert.equal((await restore(made, target))['image'], 'same');
});

test('a file that was restored with its holes is the same, and one with other bytes in a hole is not', async (t) => {
  if (noHoles !== undefined) return t.skip(noHoles);
  const source = tempFolder(t);
  writeHoledTree(source);
  const made = await pack(t, plan(source));
  for (const codec of codecs) {
    const target = tempFolder(t);
    await restore(made, target, { codec });
    const again = await restore(made, target, { codec });
    assert.deepEqual([...new Set(Object.values(again))].sort(), ['same']);
    const between = path.join(target, source, 'between');
    execFileSync('touch', ['-r', between, `${target}/time`]);
    const put = (at: number, bytes: Buffer) => {
      const fd = openSync(between, 'r+');
      writeSync(fd, bytes, 0, bytes.length, at);
      closeSync(fd);
      execFileSync('touch', ['-r', `${target}/time`, between]);
    };
    // Zeros that were written are the same bytes.
    put(30 * mib, Buffer.alloc(10 * kib));
    assert.equal((await restore(made, target, { codec }))['between'], 'same');
    put(40 * mib, Buffer.from('x'));
    assert.match((await restore(made, target, { codec }))['between'] ?? '', /something else is in its place/);
    assert.equal((await restore(made, target, { codec, overwrite: 'always' }))['between'], 'restored');
    assertRestored(target, source);
  }
});

test('further links to a file with holes are links to it, and one alone has its holes too', async (t) => {
  if (noHoles !== undefined) return t.skip(noHoles);
  const source = tempFolder(t);
  writeHoled(path.join(source, 'a'), 8 * mib, { [mib]: noise(5000, 'a') });
  linkSync(path.join(source, 'a'), path.join(source, 'b'));
  const made = await pack(t, plan(source));
  const [a, b] = ['a', 'b'].map((name) => made.members.find((one) => one.name.endsWith(`/${name}`)));
  assert.equal(b?.type, 'link');
  assert.deepEqual([b?.size, b?.storedSize, b?.sha256], [a?.size, a?.storedSize, a?.sha256]);
  const both = tempFolder(t);
  await restore(made, both);
  assertRestored(both, source);
  assert.equal(statSync(path.join(both, source, 'a')).nlink, 2);
  // An attempt that goes on behind the first link finds it in its place.
  rmSync(path.join(both, source, 'b'));
  assert.deepEqual(await restore(made, both, { only: (name) => name.endsWith('/b') }), { b: 'restored' });
  assert.equal(statSync(path.join(both, source, 'a')).nlink, 2);
  const alone = tempFolder(t);
  assert.deepEqual(await restore(made, alone, { only: (name) => name.endsWith('/b') }), { b: 'restored' });
  const back = statSync(path.join(alone, source, 'b'));
  assert.deepEqual([back.size, back.blocks], [8 * mib, statSync(path.join(source, 'a')).blocks]);
});

test('holes that changed after the scan are stored as they are now, within the archive’s limit', async (t) => {
  if (noHoles !== undefined) return t.skip(noHoles);
  if (!seeks) return t.skip('needs the native part');
  const source = tempFolder(t);
  const file = path.join(source, 'file');
  const fill = () => writeFileSync(file, noise(4 * mib, 'full'), { flag: 'r+' });
  writeHoled(file, 4 * mib, { 0: noise(4 * kib, 'a') });
  const planned = plan(source);
  const filled = await pack(t, planned, { after: fill });
  const target = tempFolder(t);
  await restore(filled, target);
  assertRestored(target, source);
  assert.equal(filled.members.at(-1)?.storedSize, undefined);
  // The scan counted one page: four megabytes are what nobody has room for.
  const limited = await pack(t, planned, { maxBytes: mib });
  assert.deepEqual(limited.skipped, [
    `grew from ${planned.at(-1)?.storedSize} to ${4 * mib} bytes since the scan, beyond the archive's limit`,
  ]);
  // The other way round: a file that was full when it was scanned.
  const full = plan(source);
  const emptied = await pack(t, full, { after: () => writeHoled(file, 4 * mib, { [mib]: noise(100, 'b') }) });
  const later = tempFolder(t);
  await restore(emptied, later);
  assertRestored(later, source);
});

test('a damaged map, and damaged data between holes, are damage of that file alone', async (t) => {
  if (noHoles !== undefined) return t.skip(noHoles);
  const source = tempFolder(t);
  writeHoledTree(source);
  const made = await pack(t, plan(source), { format: 'none' });
  const whole = readFileSync(made.archive);
  const content = made.members.find(({ name }) => name.endsWith('between'))?.contentOffset ?? 0;
  const cases: [string, number, RegExp][] = [
    ['6', 0, /map of its holes is damaged/],
    ['x', 0, /map of its holes is damaged/],
    ['9', 2, /SHA-256 differs/],
    ['1', 4, /map of its holes is damaged/],
    ['\n', 2, /map of its holes is damaged/],
    ['x', 100, /SHA-256 differs/],
    ['x', 600, /SHA-256 differs/],
  ];
  for (const [char, at, reason] of cases) {
    const bad = Buffer.from(whole);
    bad.write(char, content + at, 'latin1');
    writeFileSync(made.archive, bad);
    const became = await restore(made, tempFolder(t));
    assert.match(became['between'] ?? '', reason, `${JSON.stringify(char)} at ${at}`);
    delete became['between'];
    assert.deepEqual([...new Set(Object.values(became))], ['restored']);
  }
});

test('with salvage a damaged file with holes comes back with them, and with zeros for the data that cannot be read', async (t) => {
  if (noHoles !== undefined) return t.skip(noHoles);
  const source = tempFolder(t);
  const [image, size] = [path.join(source, 'image'), 16 * mib];
  writeHoled(image, size, { [mib]: noise(1500 * kib, '1'), [9 * mib]: noise(1500 * kib, '2') });
  const made = await pack(t, plan(source));
  const whole = readFileSync(made.archive);
  const damaged = (block: number) => {
    const before = made.end.blocks.slice(0, block).reduce((sum, bytes) => sum + bytes, 0);
    const bad = Buffer.from(whole);
    bad.fill('x', before + 1000, before + 2000);
    writeFileSync(made.archive, bad);
  };
  const last = { salvage: true, lastCopy: true };
  damaged(1);
  const target = tempFolder(t);
  const became = await restore(made, target, last);
  assert.match(became['image'] ?? '', /^it was salvaged: 1,048,576 bytes of 16,777,216 bytes cannot be read/);
  const there = path.join(target, image);
  assert.deepEqual([statSync(there).size, statSync(there).blocks], [size, statSync(image).blocks]);
  const [was, is] = [readFileSync(image), readFileSync(there)];
  let zeros = 0;
  for (let at = 0; at < size; at += 1) {
    if (is[at] === was[at]) continue;
    assert.equal(is[at], 0, 'a byte is what it was, or a zero');
    zeros += 1;
  }
  assert.ok(zeros > 0.99 * mib && zeros <= mib, `${zeros} zeros`);
  // Done again, and by a restore that may replace nothing, it is what lies there.
  assert.equal((await restore(made, target, last))['image'], became['image']);

  damaged(0);
  const without = tempFolder(t);
  assert.doesNotMatch((await restore(made, without, last))['image'] ?? '', /salvaged/);
  assert.equal(
    existsSync(path.join(without, image)),
    false,
    'without its map nobody knows where the data belong',
  );
});

test('an archive tells of holes by itself, and its manifest too', async (t) => {
  if (noHoles !== undefined) return t.skip(noHoles);
  const source = tempFolder(t);
  writeHoledTree(source);
  const made = await pack(t, plan(source));
  const what = ({ name, size, storedSize, sha256, offset }: PackedMember) => {
    return { name, size, storedSize, sha256, offset };
  };
  const listed = async (file: string) => {
    const members: PackedMember[] = [];
    for await (const line of readManifest(file)) if (line.kind === 'member') members.push(line.member);
    return members.map(what);
  };
  const rebuilt = `${made.archive}.rebuilt`;
  assert.deepEqual(await rebuildManifest(made.archive, 'gzip', rebuilt, header), { damage: undefined });
  assert.deepEqual(await listed(made.manifest), made.members.map(what));
  assert.deepEqual(await listed(rebuilt), made.members.map(what));
});

test('of more parts than a map may have, the smallest holes are stored as zeros', (t) => {
  if (noHoles !== undefined) return t.skip(noHoles);
  const file = path.join(tempFolder(t), 'file');
  const page = noise(4 * kib, 'page');
  // A small hole after each page, and a large one after every tenth.
  const at = (index: number) => index * 8 * kib + Math.floor(index / 10) * mib;
  writeHoled(
    file,
    16 * mib,
    Object.fromEntries(Array.from({ length: 100 }, (_, index) => [at(index), page])),
  );
  const fd = openSync(file, 'r');
  const stats = fstatSync(fd, { bigint: true });
  const parts = (codec: CodecChoice, most: number) =>
    dataExtents(fd, stats, codec, () => undefined, most) ?? [];
  for (const codec of codecs) {
    assert.equal(parts(codec, 1000).length, 100);
    assert.deepEqual(
      parts(codec, 50),
      Array.from({ length: 10 }, (_, index) => [at(10 * index), at(10 * index + 9) + 4 * kib]),
    );
  }
  closeSync(fd);
});
