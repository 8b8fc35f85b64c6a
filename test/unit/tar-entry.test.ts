import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync, readFileSync, symlinkSync, linkSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Header } from 'tar/header';
import { gzipSync } from 'node:zlib';
import { IndexedReader } from '../../archive/readers/indexed-reader.js';
import { StreamReader } from '../../archive/readers/stream-reader.js';
import { paddedBytes } from '../../archive/tar/tar-records.js';
import { ArchiveDamaged } from '../../archive/readers/archive-file.js';
import { decodeBlocks, encodeBlocks } from '../../entry/block-index.js';
import { openDecompressor } from '../../archive/blocks/decompressor.js';
import { readEntry, type TarEntry } from '../../archive/tar/tar-entry.js';
import { encodeHeaders } from '../../archive/tar/tar-header.js';
import { tempFolder, writeTree } from '../support/trees.js';

const gzip = await openDecompressor('gzip', 'auto');

async function entriesOf(archive: string): Promise<TarEntry[]> {
  const source = new StreamReader(archive, gzip);
  const entries: TarEntry[] = [];
  try {
    for (let at = 0; ;) {
      const entry = await readEntry(source, at);
      if (entry === undefined) return entries;
      entries.push(entry);
      at = entry.contentOffset + paddedBytes(entry.size);
    }
  } finally {
    source.close();
  }
}

for (const format of ['gnu', 'posix', 'ustar']) {
  test(`headers that GNU tar writes in format ${format} are read as they are`, async (t) => {
    const folder = tempFolder(t);
    const long = `${'d'.repeat(90)}/${'f'.repeat(95)}`;
    writeTree(folder, { plain: 'content', [long]: 'long' });
    if (format !== 'ustar') writeTree(folder, { [`${'e'.repeat(200)}/${'g'.repeat(200)}`]: 'longer' });
    writeFileSync(Buffer.from(`${folder}/latin\xe9`, 'latin1'), 'x');
    symlinkSync('../somewhere else', path.join(folder, 'link'));
    linkSync(path.join(folder, 'plain'), path.join(folder, 'second'));
    utimesSync(path.join(folder, 'plain'), 1e9, 1_234_567_890.25);
    const archive = `${tempFolder(t)}/a.tar.gz`;
    execFileSync('tar', [`--format=${format}`, '--sort=name', '-czf', archive, '-C', folder, '.']);
    const entries = await entriesOf(archive);
    const listed = execFileSync('tar', ['tzf', archive, '--quoting-style=literal'], { encoding: 'latin1' });
    assert.deepEqual(entries.map((entry) => entry.name).sort(), listed.trimEnd().split('\n').sort());
    const named = (name: string) => entries.find((entry) => entry.name === `./${name}`);
    assert.equal(named('link')?.linkTarget, '../somewhere else');
    const linked = entries.find((entry) => entry.type === 'link');
    assert.equal(linked?.linkTarget, './plain');
    const { mtimeS, mtimeNs, mode, size } = named('plain') as TarEntry;
    assert.equal(mtimeS, 1_234_567_890);
    assert.equal(mtimeNs, format === 'posix' ? 250_000_000 : 0);
    assert.deepEqual([mode, size], [lstatSync(path.join(folder, 'plain')).mode & 0o7777, 7]);
  });
}

test('a number in base 256, and a time before 1970 with a fraction, are read', async (t) => {
  const folder = tempFolder(t);
  writeFileSync(path.join(folder, 'old'), 'x');
  execFileSync('touch', ['-d', '@-1.5', path.join(folder, 'old')]);
  const archive = path.join(tempFolder(t), 'a.tar.gz');
  execFileSync('tar', ['--format=posix', '--owner=:3000000', '-czf', archive, '-C', folder, 'old']);
  const [posix] = await entriesOf(archive);
  assert.deepEqual([posix?.mtimeS, posix?.mtimeNs, posix?.uid], [-2, 500_000_000, 3_000_000]);
  execFileSync('tar', ['--format=gnu', '--owner=:3000000', '-czf', archive, '-C', folder, 'old']);
  const [gnu] = await entriesOf(archive);
  assert.deepEqual([gnu?.mtimeS, gnu?.uid], [-2, 3_000_000]);
});

test('bytes that are no header, and headers that were forged, are damage', async (t) => {
  const archive = path.join(tempFolder(t), 'a.tar.gz');
  writeFileSync(archive, gzipSync(Buffer.alloc(1024, 'x')));
  await assert.rejects(entriesOf(archive), ArchiveDamaged);
  writeFileSync(archive, gzipSync(Buffer.alloc(100, 'x')));
  await assert.rejects(entriesOf(archive), /ends inside a header/);
  writeFileSync(archive, 'no gzip at all');
  await assert.rejects(entriesOf(archive), /cannot be read after 0 bytes/);
});

test('an indexed reader reads just the blocks that are asked for, and a damaged one spoils its own bytes only', async (t) => {
  const file = path.join(tempFolder(t), 'blocks.gz');
  const blocks = [0, 1, 2, 3].map((number) => gzipSync(Buffer.alloc(number === 3 ? 10 : 1000, `${number}`)));
  const sizes = decodeBlocks(encodeBlocks(blocks.map((block) => block.length)));
  blocks[1]?.fill(0, 12, 20);
  writeFileSync(file, Buffer.concat(blocks));
  const reader = new IndexedReader(file, gzip, { blockBytes: 1000, blocks: sizes }, 2);
  t.after(() => reader.close());
  const at = async (offset: number) => {
    const chunk = await reader.chunkAt(offset);
    return chunk === undefined
      ? undefined
      : [chunk.start, chunk.data.toString().slice(0, 1), chunk.data.length];
  };
  assert.deepEqual(await at(500), [0, '0', 1000]);
  await assert.rejects(at(1500), /block 2 of 4 is damaged/);
  assert.deepEqual(await at(2999), [2000, '2', 1000]);
  assert.deepEqual(await at(3005), [3000, '3', 10]);
  assert.equal(await at(3010), undefined);
  assert.equal(await at(4000), undefined);
});

test('a whole archive read in order gives the hash of its file', async (t) => {
  const file = path.join(tempFolder(t), 'blocks.gz');
  const blocks = [0, 1].map((number) => gzipSync(Buffer.alloc(1000, `${number}`)));
  writeFileSync(file, Buffer.concat(blocks));
  const reader = new IndexedReader(
    file,
    gzip,
    { blockBytes: 1000, blocks: blocks.map((b) => b.length) },
    2,
    true,
  );
  t.after(() => reader.close());
  await reader.chunkAt(0);
  const sum = execFileSync('sha256sum', [file], { encoding: 'utf8' }).slice(0, 64);
  assert.equal(await reader.sha256(), sum);
  assert.equal(readFileSync(file).length, blocks[0]!.length + blocks[1]!.length);
});

test('the header of a long name is what splitting the whole name makes', () => {
  const names = [
    ...['a/'.repeat(2000), 'é/'.repeat(700), `${'a/'.repeat(70)}${'n'.repeat(250)}`, 'n'.repeat(250)],
    ...[`${'n'.repeat(254)}/${'m'.repeat(250)}`, `${'p'.repeat(155)}/${'a'.repeat(100)}`],
    ...[`${'p'.repeat(155)}/${'a'.repeat(101)}`, `${'日本/'.repeat(60)}${'本'.repeat(80)}`],
  ];
  for (const name of names) {
    const isFolder = name.endsWith('/');
    const fields = { size: 0, mode: 0o644, uid: 1, gid: 2, mtimeS: 1e9, mtimeNs: 0, linkTarget: null };
    const type = isFolder ? 'directory' : 'file';
    const made = encodeHeaders({ ...fields, type, name: Buffer.from(name).toString('latin1') });
    const whole = Buffer.alloc(512);
    const { size, mode, uid, gid, mtimeS } = fields;
    new Header({
      ...{ path: name, type: isFolder ? 'Directory' : 'File', size, mode, uid, gid },
      mtime: new Date(mtimeS * 1000),
    }).encode(whole);
    assert.ok(made.subarray(-512).equals(whole), name);
  }
});
