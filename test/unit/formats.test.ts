import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { IndexedReader } from '../../archive/readers/indexed-reader.js';
import type { BlockIndex } from '../../entry/block-index.js';
import { openDecompressor } from '../../archive/blocks/decompressor.js';
import { examineManifest } from '../../archive/manifest/examine-manifest.js';
import { formatBlockBytes, formatEndings, type ArchiveFormat } from '../../entry/archive-format.js';
import type { ManifestHeader } from '../../entry/manifest-content.js';
import type { PackedMember } from '../../entry/member.js';
import { Packer } from '../../archive/pack/pack.js';
import { rebuildManifest } from '../../archive/manifest/rebuild-manifest.js';
import { Unpacker } from '../../archive/unpack/unpack.js';
import type { WantedMember } from '../../archive/unpack/unpack-options.js';
import { plan } from '../support/plan.js';
import { addonZstd, onPath, withoutZstd, words } from '../support/zstd-here.js';
import { assertSameTree, flipBit, noise, tempFolder, untar, writeTree } from '../support/trees.js';
import { noOwners } from '../../entry/owner-choice.js';

const formats: ArchiveFormat[] = addonZstd === undefined ? ['none'] : ['zstd', 'none'];

/** Two blocks and a half of zstd's, with a large file across them and small ones at both ends. */
function makeSource(folder: string): void {
  writeTree(path.join(folder, 'tree'), {
    'a/small': 'small\n',
    'b/large': words(9_500_000, 'large'),
    'c/noise': noise(500_000, 'noise'),
    'd/empty': '',
    'e/last': 'last\n',
  });
}

interface Made {
  archive: string;
  header: ManifestHeader;
  members: PackedMember[];
  index: BlockIndex;
  sha256: string;
}

const source = mkdtempSync(path.join(os.tmpdir(), 'tapeflow-formats-'));
/** An archive of each format, made once; each test damages a copy of its own. */
const originals = new Map<ArchiveFormat, Promise<Made>>();
before(() => makeSource(source));
after(() => rmSync(source, { recursive: true }));

async function make(t: TestContext, format: ArchiveFormat): Promise<Made> {
  let original = originals.get(format);
  if (original === undefined) originals.set(format, (original = pack(format)));
  const { archive, ...made } = await original;
  const copy = path.join(tempFolder(t), path.basename(archive));
  copyFileSync(archive, copy);
  return { archive: copy, ...made };
}

/** @param folder with the `tree`; the archive is put beside that. */
async function pack(format: ArchiveFormat, folder = source): Promise<Made> {
  const archive = path.join(folder, `a${formatEndings[format]}`);
  const header = {
    ...{ set: '2026-11_000001', setUuid: 'u', group: 1, archive: path.basename(archive), created: '' },
    ...{ installation: 'i', sources: [], hostname: 'h', mode: 'full', platform: process.platform },
  };
  const paths = { archivePath: archive, manifestPath: `${archive}.manifest` };
  const packer = await Packer.open(
    { ...paths, format, level: 3, inFlight: 4, maxBytes: null, manifestHeader: header },
    () => false,
  );
  const { packed } = await packer.add(plan(path.join(folder, 'tree')));
  const { archive: end } = await packer.finish([]);
  return { archive, header, members: packed, index: end, sha256: end.sha256 };
}

const wanted = (member: PackedMember): WantedMember => ({
  ...member,
  type: member.type === 'link' ? 'file' : member.type,
  mode: member.mode & 0o7777,
  linkOffset: null,
});

/** What becomes of every member that is taken out, or only read: `ok`, or why not, by the last part of its name. */
async function take(
  { archive, members, index }: Made,
  format: ArchiveFormat,
  { target = null, indexed = true }: { target?: string | null; indexed?: boolean } = {},
): Promise<{ became: Record<string, string>; sha256: string | undefined }> {
  const unpacker = await Unpacker.open(
    {
      ...{
        archivePath: archive,
        format,
        target,
        overwrite: 'never',
        owners: noOwners,
        inFlight: 4,
        own: {},
      },
      ...{ index: indexed ? index : undefined, job: { name: 'j', token: 't' } },
    },
    () => false,
  );
  try {
    const results = await unpacker.take(members.map(wanted));
    const became = results.map(({ name, reason }) => [path.basename(name), reason ?? 'ok'] as const);
    return { became: Object.fromEntries(became), sha256: (await unpacker.archiveInfo()).sha256 };
  } finally {
    unpacker.close();
  }
}

/** What a manifest that is made from the archive alone says, and what it says is lost. */
async function rebuild({ archive, header }: Made, format: ArchiveFormat) {
  const manifest = `${archive}.rebuilt-${Math.random().toString(36).slice(2)}`;
  const { damage } = await rebuildManifest(archive, format, manifest, header);
  const { set, group, archive: name } = header;
  const facts = await examineManifest(manifest, { set, group, archives: [name] });
  assert.ok('end' in facts, JSON.stringify(facts));
  return { damage, facts };
}

for (const format of formats) {
  test(`${format}: an archive is read by every program that is here, by its blocks, and as a stream`, async (t) => {
    const made = await make(t, format);
    const { archive, index, sha256 } = made;
    assert.equal(index.blockBytes, formatBlockBytes[format]);
    assert.ok(index.blocks.length > 2);
    const target = tempFolder(t);
    untar([archive], target);
    const tree = path.join(source, 'tree');
    assertSameTree(path.join(target, tree), tree, { folderTimes: true, nearTimes: false });
    if (format === 'zstd' && onPath('zstd'))
      assert.match(
        execFileSync('zstd', ['-lv', archive], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
        /Check: XXH64/,
      );
    for (const [command, args] of [
      ['bsdtar', ['-xOf', archive]],
      ['7z', ['l', archive]],
      ...(format === 'none'
        ? [
            [
              'python3',
              ['-c', 'import tarfile,sys; tarfile.open(sys.argv[1]).getmembers()', archive],
            ] as const,
          ]
        : []),
    ] as const)
      if (onPath(command) && !(command === '7z' && format === 'zstd'))
        execFileSync(command, args, { stdio: 'ignore', maxBuffer: 1 << 26 });

    const read = await take(made, format);
    assert.deepEqual(new Set(Object.values(read.became)), new Set(['ok']));
    assert.equal(read.sha256, sha256);
    for (const indexed of [true, false]) {
      const restored = tempFolder(t);
      await take(made, format, { target: restored, indexed });
      for (const name of ['a/small', 'b/large', 'c/noise', 'd/empty', 'e/last']) {
        const file = path.join(tree, name);
        assert.ok(readFileSync(path.join(restored, file)).equals(readFileSync(file)), name);
      }
    }
  });

  test(`${format}: one file is had by the blocks that hold it alone`, async (t) => {
    const made = await make(t, format);
    // Nothing but the first block is left of it.
    truncateSync(made.archive, made.index.blocks[0] ?? 0);
    const { became } = await take(made, format);
    assert.equal(became['small'], 'ok');
    assert.match(became['large'] ?? '', /cut short/);
    assert.match(became['last'] ?? '', /cut short/);
  });

  test(`${format}: a flipped bit spoils what it is in, and a verify finds it`, async (t) => {
    const made = await make(t, format);
    const [first = 0, second = 0] = made.index.blocks;
    flipBit(made.archive, first + Math.floor(second / 2));
    const { became, sha256 } = await take(made, format);
    assert.match(
      became['large'] ?? '',
      format === 'none' ? /its SHA-256 differs/ : /block 2 of \d+ is damaged/,
    );
    assert.equal(became['small'], 'ok');
    assert.equal(became['last'], 'ok');
    assert.notEqual(sha256, made.sha256);
    const streamed = await take(made, format, { indexed: false });
    assert.notEqual(streamed.became['large'], 'ok');
  });

  test(`${format}: without its manifest an archive is read from its own bytes, with the same index`, async (t) => {
    const made = await make(t, format);
    const { damage, facts } = await rebuild(made, format);
    assert.equal(damage, undefined);
    assert.equal(facts.end.sha256, made.sha256);
    assert.deepEqual([facts.end.blockBytes, facts.end.blocks], [made.index.blockBytes, made.index.blocks]);
    assert.equal(facts.end.members, made.members.length);

    const large = made.members.find(({ name }) => name.endsWith('large'));
    const [first = 0, second = 0] = made.index.blocks;
    // In a file of a compressed archive; in a header of one that is not: its content nothing vouches for.
    flipBit(made.archive, format === 'none' ? (large?.offset ?? 0) + 3 : first + Math.floor(second / 2));
    const flipped = await rebuild(made, format);
    assert.match(
      flipped.damage ?? '',
      format === 'none'
        ? /there is no header at byte \d+\): what lies between .*\/b\/ and .*\/c\/ is lost$/
        : /block 2 is damaged .*what lies between .*\/b\/ and .*\/c\/ is lost$/,
    );
    truncateSync(made.archive, first + Math.floor(second / 3));
    assert.ok((await rebuild(made, format)).damage !== undefined, 'cut short');
  });

  test(`${format}: bytes that are none of it are damage`, async (t) => {
    const file = path.join(tempFolder(t), `a${formatEndings[format]}`);
    for (const bytes of [noise(5000, 'none'), Buffer.alloc(0), Buffer.from('no archive at all')]) {
      writeFileSync(file, bytes);
      const made = { archive: file, header: { archive: path.basename(file) } } as Made;
      Object.assign(made.header, {
        ...{ set: '2026-11_000001', setUuid: 'u', group: 1, created: '', installation: 'i', sources: [] },
        ...{ hostname: 'h', mode: 'full', platform: 'linux' },
      });
      assert.match((await rebuild(made, format)).damage ?? '', /^is damaged \(.*\): nothing of it is there/);
    }
  });
}

test('without compression the archive is the tar itself, and blocks are where they must be', async (t) => {
  const { archive, index } = await make(t, 'none');
  const { length } = readFileSync(archive);
  assert.equal(length % 10_240, 0);
  const blocks = Array.from({ length: Math.ceil(length / (1 << 20)) }, (_, at) =>
    Math.min(1 << 20, length - at * (1 << 20)),
  );
  assert.deepEqual(index.blocks, blocks);
});

test('content that is whole in the archive, but not what was backed up, gets no name', async (t) => {
  const made = await make(t, 'gzip');
  const files = made.members.filter(({ type, size }) => type === 'file' && size > 0);
  const sizes = files.map(({ size }) => size);
  assert.ok(Math.min(...sizes) <= 128 * 1024 && Math.max(...sizes) > 128 * 1024, 'in a batch, and by itself');
  const other = createHash('sha256').update('something else').digest('hex');
  const members = made.members.map((member) =>
    files.includes(member) ? { ...member, sha256: other } : member,
  );
  for (const target of [tempFolder(t), null]) {
    const { became } = await take({ ...made, members }, 'gzip', { target });
    for (const { name } of files) {
      assert.match(became[path.basename(name)] ?? '', /not what was backed up: its SHA-256 differs/, name);
      if (target !== null) assert.ok(!existsSync(path.join(target, name)), name);
    }
    if (target !== null)
      assert.deepEqual(
        readdirSync(target, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.part')),
        [],
      );
  }
});

test('each of many small files gets into its own folder', async (t) => {
  const many = tempFolder(t);
  const files = Array.from({ length: 400 }, (_, i) => [`${i % 7}/${i}/file`, `content ${i}`] as const);
  writeTree(path.join(many, 'tree'), Object.fromEntries(files));
  const made = await pack('none', many);
  const target = tempFolder(t);
  const { became } = await take(made, 'none', { target });
  assert.deepEqual([...new Set(Object.values(became))], ['ok']);
  for (const [name, content] of files)
    assert.equal(readFileSync(path.join(target, many, 'tree', name), 'utf8'), content, name);
});

test('an indexed reader of zstd refuses a forged index', { skip: withoutZstd }, async (t) => {
  const { archive, index } = await make(t, 'zstd');
  const blocks = [...index.blocks];
  blocks[0] = (blocks[0] ?? 0) - 1;
  const reader = new IndexedReader(archive, await openDecompressor('zstd', 'auto'), { ...index, blocks }, 2);
  t.after(() => reader.close());
  await assert.rejects(reader.chunkAt(0), /block 1 of \d+ is damaged/);
});
