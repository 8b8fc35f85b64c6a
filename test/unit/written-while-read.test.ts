import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { examineManifest } from '../../archive/manifest/examine-manifest.js';
import { readManifest } from '../../archive/manifest/read-manifest.js';
import { rebuildManifest } from '../../archive/manifest/rebuild-manifest.js';
import { toBytes } from '../../entry/byte-string.js';
import type { PackedMember } from '../../entry/member.js';
import { header, packHere, unpackHere, type ArchiveHere } from '../support/archive-here.js';
import { plan } from '../support/plan.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';

const large = 3_000_000;
const [old, young] = [noise(large, 'old'), noise(large, 'new')];

/** Packs `a`, `file` and `z`, and calls back with every look of the packer while it reads `file`. */
async function packWhile(
  t: TestContext,
  content: Buffer,
  write: (file: string, bytesOfIt: number) => void,
  maxBytes?: number,
): Promise<{ made: ArchiveHere; file: string; member: PackedMember; root: string }> {
  const root = tempFolder(t);
  writeTree(root, { a: 'a', file: content, z: 'z' });
  const file = path.join(root, 'file');
  const between = ({ progress: { bytesIn } }: { progress: { bytesIn: number } }) => {
    // Not before its entry was come to, and not once `z` is read.
    if (bytesIn > 1) write(file, bytesIn - 1);
  };
  const made = await packHere(t, plan(root), { between, ...(maxBytes === undefined ? {} : { maxBytes }) });
  const member = made.packed.find(({ name }) => name.endsWith('/file'));
  assert.ok(member);
  return { made, file, member, root };
}

/** What every reader takes out of an archive under one name. */
async function readers(t: TestContext, made: ArchiveHere, file: string): Promise<Record<string, Buffer>> {
  const contents: Record<string, Buffer> = {};
  const ways: [string, (target: string) => unknown][] = [
    ['tar', (target) => execFileSync('tar', ['xpf', made.archive, '-C', target])],
    ['restore', (target) => unpackHere(made, target)],
  ];
  try {
    execFileSync('bsdtar', ['--version']);
    ways.push(['bsdtar', (target) => execFileSync('bsdtar', ['-xpf', made.archive, '-C', target])]);
  } catch {
    t.diagnostic('bsdtar is not here');
  }
  for (const [name, restore] of ways) {
    const target = tempFolder(t);
    await restore(target);
    contents[name] = readFileSync(path.join(target, file));
    assert.equal(readFileSync(path.join(target, path.dirname(file), 'z'), 'utf8'), 'z');
  }
  return contents;
}

async function examined(made: ArchiveHere, manifest = made.manifest) {
  const facts = await examineManifest(manifest, { set: header.set, group: 1, archives: [header.archive] });
  assert.ok('end' in facts, JSON.stringify(facts));
  return facts;
}

test('a large file that is written while it is read is stored as it is when it is quiet, for every reader', async (t) => {
  let written = false;
  const { made, file, member } = await packWhile(t, old, (at, bytes) => {
    if (written || bytes < 1_000_000) return;
    written = true;
    writeFileSync(at, young);
  });
  assert.deepEqual(made.skipped, []);
  assert.deepEqual(member.flags, ['newer']);
  for (const [reader, content] of Object.entries(await readers(t, made, file)))
    assert.ok(content.equals(young), reader);
  // It is twice in the archive, and once in the manifest, and in one that is made from the archive alone.
  const names = execFileSync('tar', ['tf', made.archive], { encoding: 'utf8' }).trim().split('\n');
  assert.equal(names.filter((name) => name.endsWith('/file')).length, 2);
  const facts = await examined(made);
  assert.deepEqual([facts.entries, facts.end.bytesIn], [4, large + 2]);
  const rebuilt = path.join(tempFolder(t), 'rebuilt.gz');
  assert.deepEqual(await rebuildManifest(made.archive, 'gzip', rebuilt, header), { damage: undefined });
  const again = await examined(made, rebuilt);
  assert.deepEqual([again.entries, again.end.bytesIn], [4, large + 2]);
  for await (const line of readManifest(rebuilt))
    if (line.kind === 'member' && line.member.name === member.name)
      assert.deepEqual([line.member.sha256, line.member.offset], [member.sha256, member.offset]);
});

test(
  'a small file that is written while it is read is read again, and is once in the archive',
  { skip: process.platform !== 'linux' && 'needs /proc' },
  async (t) => {
    const small = young.subarray(0, 100_000);
    const root = tempFolder(t);
    const file = path.join(root, 'file');
    writeTree(root, { a: 'a', file: old.subarray(0, small.length), z: 'z' });
    let written = false;
    const between = () => {
      if (written || !isOpen(file)) return;
      written = true;
      writeFileSync(file, small);
    };
    const made = await packHere(t, plan(root), { between });
    assert.ok(written);
    assert.deepEqual(made.skipped, []);
    const member = made.packed.find(({ name }) => name.endsWith('/file'));
    assert.deepEqual(member?.flags, ['newer']);
    for (const [reader, content] of Object.entries(await readers(t, made, file)))
      assert.ok(content.equals(small), reader);
    // Its time is that of this content, too.
    assert.equal(BigInt(member.mtimeS) * 1_000_000_000n + BigInt(member.mtimeNs), mtimeOf(file));
    const names = execFileSync('tar', ['tf', made.archive], { encoding: 'utf8' }).trim().split('\n');
    assert.equal(names.length, 4);
  },
);

const mtimeOf = (file: string) => statSync(file, { bigint: true }).mtimeNs;

/** True while this process has a file open. */
function isOpen(file: string): boolean {
  return readdirSync('/proc/self/fd').some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === file;
    } catch {
      return false;
    }
  });
}

test('a file that is written for ever is stored, flagged inconsistent and named', async (t) => {
  let writes = 0;
  const { made, file, member } = await packWhile(t, old, (at) => {
    writes += 1;
    writeFileSync(at, Buffer.alloc(large, writes));
  });
  assert.deepEqual(
    member.flags.filter((flag) => flag !== 'newer'),
    ['inconsistent'],
  );
  // As of everything that is not whole.
  assert.equal(member.sha256, null);
  assert.deepEqual(
    made.skipped.map(({ name, reason }) => [name, /again and again/.test(reason)]),
    [[member.name, true]],
  );
  // It counts once as an entry, and what is stored is what the manifest says.
  assert.equal((await examined(made)).entries, 4);
  assert.deepEqual(
    new Set((await unpackHere(made, null)).map(({ outcome }) => outcome)),
    new Set(['restored']),
  );
  assert.equal((await readers(t, made, file))['tar']?.length, large);
});

test('a log that only grows is what it was at its opening, and is not read again for ever', async (t) => {
  const { made, file, member } = await packWhile(t, old, (at) => appendFileSync(at, 'one more line\n'));
  assert.deepEqual(made.skipped, []);
  assert.deepEqual([member.flags, member.size], [['grew'], large]);
  for (const content of Object.values(await readers(t, made, file))) assert.ok(content.equals(old));
});

test('a large file is not stored again where the archive has no room for it', async (t) => {
  let written = false;
  const { made, member } = await packWhile(
    t,
    old,
    (at, bytes) => {
      if (written || bytes < 1_000_000) return;
      written = true;
      writeFileSync(at, young);
    },
    large + 1000,
  );
  assert.deepEqual(member.flags, ['inconsistent']);
  assert.equal(made.skipped.length, 1);
});

test('a file whose content stays the same while its times change is whole', async (t) => {
  const { made, member } = await packWhile(t, old, (at) => execFileSync('touch', ['-d', '2001-01-01', at]));
  assert.deepEqual(made.skipped, []);
  assert.deepEqual(member.flags, ['changed']);
});

test(
  'a file that says it is empty and is not is read to its end',
  { skip: process.platform !== 'linux' && 'needs procfs' },
  async (t) => {
    const limits = `/proc/${process.pid}/limits`;
    const planned = plan(limits);
    assert.equal(planned[0]?.size, 0);
    const expected = readFileSync(limits);
    const made = await packHere(t, planned);
    assert.deepEqual(made.skipped, []);
    for (const way of ['tar', 'restore']) {
      const target = tempFolder(t);
      if (way === 'tar') execFileSync('tar', ['xpf', made.archive, '-C', target]);
      else await unpackHere(made, target);
      assert.ok(readFileSync(path.join(target, limits)).equals(expected), way);
    }
    // A file of sysfs says that it has a page.
    const [page] = plan('/sys/kernel/mm/transparent_hugepage/enabled');
    assert.equal(page?.size, 4096);
    const sysfs = await packHere(t, plan('/sys/kernel/mm/transparent_hugepage/enabled'));
    assert.deepEqual(sysfs.skipped, []);
    assert.equal(sysfs.packed[0]?.size, readFileSync('/sys/kernel/mm/transparent_hugepage/enabled').length);
  },
);

test('a file whose mtime changed between scan and packing keeps the ctime of the scan in the catalog', async (t) => {
  const sets = await setsInProcess(t);
  const source = tempFolder(t);
  writeTree(source, { file: 'written once, so that both times are one' });
  const file = path.join(source, 'file');
  const setId = await sets.begin(source, 'full');
  const times = async () =>
    sets.catalog
      .selectFrom('files')
      .select(['mtime_s', 'mtime_ns', 'ctime_s', 'ctime_ns'])
      .where('set_id', '=', setId)
      .where('path', '=', toBytes(file.slice(1)))
      .executeTakeFirstOrThrow();
  const scanned = await times();
  assert.deepEqual([scanned.ctime_s, scanned.ctime_ns], [scanned.mtime_s, scanned.mtime_ns]);
  utimesSync(file, 1e9, 1e9);
  for (const group of await sets.groupsOf(setId)) await sets.store(setId, group);
  assert.deepEqual(await times(), { ...scanned, mtime_s: 1e9, mtime_ns: 0 });
});
