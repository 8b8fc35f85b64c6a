import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, linkSync, rmSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { decodeBlocks } from '../../entry/block-index.js';
import { fromBytes } from '../../entry/byte-string.js';
import { paddedBytes } from '../../archive/tar/tar-records.js';
import { archiveOf } from '../../catalog/groups/groups.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { openZstd } from '../../archive/blocks/zstd.js';
import { FakeLtfs } from '../support/fake-ltfs.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { assertSameTree, longTest, noise, tempFolder, writeTree } from '../support/trees.js';

const page = 4096;

/** Names below the source of a set's files that can be restored. */
async function stored(catalog: Catalog, setId: string, source: string): Promise<string[]> {
  const rows = await catalog
    .selectFrom('files')
    .select('path')
    .where('set_id', '=', setId)
    .where('state', '=', 'packed')
    .where('type', '=', 'file')
    .execute();
  return rows.map((row) => path.relative(source, `/${fromBytes(row.path)}`)).sort();
}

/** Backs a source up, takes the set's manifest off the tape, and makes bytes of its archive unreadable. */
async function withoutManifest(
  t: TestContext,
  compression: string,
  fill: (source: string) => void,
  source = tempFolder(t),
) {
  const ltfs = await FakeLtfs.make(t);
  if (ltfs === undefined) return undefined;
  const sets = await setsInProcess(t, { TAPE_PATH: ltfs.mount, COMPRESSION: compression });
  fill(source);
  const { setId } = await sets.backUp(source, 'full');
  const archive = (await archiveOf(sets.catalog, setId, 1)) ?? assert.fail();
  rmSync(path.join(ltfs.mount, setId, archive.manifest_name));
  await ltfs.eject();
  await ltfs.load();
  const rows = await sets.catalog
    .selectFrom('files')
    .selectAll()
    .where('set_id', '=', setId)
    .orderBy('tar_offset')
    .execute();
  const blocks = decodeBlocks(archive.blocks ?? assert.fail());
  const blockBytes = archive.block_bytes ?? 0;
  /** Uncompressed bytes of the blocks on some pages of the file; without compression, the pages themselves. */
  const spoiled = ([from, to]: readonly [number, number]): readonly [number, number] => {
    if (compression === 'none') return [from, to];
    let at = 0;
    const hit = blocks.flatMap((bytes, no) => {
      const begin = at;
      at += bytes;
      return begin < to && from < at ? [no] : [];
    });
    return [(hit[0] ?? 0) * blockBytes, ((hit.at(-1) ?? 0) + 1) * blockBytes];
  };
  /** Names of the files of which a byte lies on some pages of the archive's file. */
  const filesOn = (ranges: readonly (readonly [number, number])[]) =>
    rows
      .filter(({ type, size, tar_offset: offset }, no) => {
        const next = rows[no + 1]?.tar_offset ?? (offset ?? 0) + 1024 + paddedBytes(size);
        const end = next - (paddedBytes(size) - size);
        return type === 'file' && ranges.map(spoiled).some(([a, b]) => (offset ?? 0) < b && a < end);
      })
      .map((row) => path.relative(source, `/${fromBytes(row.path)}`))
      .sort();
  const bad = (ranges: readonly (readonly [number, number])[]) =>
    ltfs.faults({ read: { errno: 'EIO', path: archive.name, ranges } });
  const pageAt = (at: number) => [Math.floor(at / page) * page, Math.floor(at / page) * page + page] as const;
  const offsetOf = (name: string) =>
    rows.find((row) => fromBytes(row.path).endsWith(`/${name}`))?.tar_offset ?? assert.fail(name);
  return { ...sets, ltfs, source, setId, archive, blocks, filesOn, bad, pageAt, offsetOf };
}

const formats = (await openZstd('auto')) === undefined ? ['gzip', 'none'] : ['gzip', 'none', 'zstd'];

for (const compression of formats) {
  const name = `${compression}: without a manifest, bad blocks of an archive cost the files that lie on them, and what is missing is said`;
  test(name, { skip: compression !== 'gzip' && longTest }, async (t) => {
    const set = await withoutManifest(t, compression, (source) => {
      for (let i = 0; i < 9; i += 1) writeTree(source, { [`large-${i}`]: noise(1_900_000, `large ${i}`) });
      for (let i = 0; i < 400; i += 1) writeTree(source, { [`small/${i}`]: noise(9000, `small ${i}`) });
      // As a restore makes a folder of which the archive's entry is lost.
      chmodSync(path.join(source, 'small'), 0o700);
    });
    if (set === undefined) return;
    const { source, setId, archive } = set;
    const ranges = [0.3, 0.9].map((part) => set.pageAt(archive.size * part));
    set.bad(ranges);
    const lost = set.filesOn(ranges);
    assert.ok(lost.some((name) => name.startsWith('large')) && lost.some((name) => name.startsWith('small')));

    const { reading, catalog, restore } = await set.rebuilt();
    const text = JSON.stringify(reading);
    assert.match(text, /cannot be read: input\/output error/);
    assert.match(
      text,
      /what lies between [^ ]*large-\d and [^ ]* is lost, what lies between [^ ]* and [^ ]*small/,
    );
    const all = await stored(set.catalog, setId, source);
    assert.deepEqual(
      await stored(catalog, setId, source),
      all.filter((name) => !lost.includes(name)),
    );

    const target = tempFolder(t);
    const { problems } = await restore(setId, target);
    assert.deepEqual(
      problems.filter((problem) => problem.path !== null),
      [],
    );
    for (const name of lost) rmSync(path.join(source, name));
    assertSameTree(path.join(target, source), source, { folderTimes: false });
  });
}

test('gzip: where a bad page holds the end of a block and the head of the next, what comes after is had', async (t) => {
  const set = await withoutManifest(t, 'gzip', (source) => {
    for (let i = 0; i < 9; i += 1) writeTree(source, { [`large-${i}`]: noise(1_900_000, `large ${i}`) });
    for (let i = 0; i < 40; i += 1) writeTree(source, { [`small/${i}`]: noise(9000, `small ${i}`) });
  });
  if (set === undefined) return;
  const { source, setId, blocks } = set;
  const head = blocks.slice(0, 8).reduce((sum, bytes) => sum + bytes, 0);
  const ranges = [set.pageAt(head)];
  set.bad(ranges);
  const { catalog, restore } = await set.rebuilt();
  const all = await stored(set.catalog, setId, source);
  const lost = set.filesOn(ranges);
  const found = await stored(catalog, setId, source);
  assert.deepEqual(
    found,
    all.filter((name) => !lost.includes(name)),
  );
  const { problems } = await restore(setId, tempFolder(t));
  assert.deepEqual(
    problems.filter((problem) => problem.path !== null),
    [],
  );
});

for (const inside of [[], [0.6]])
  test(
    `a file that is an archive itself, of which the headers are lost${inside.length > 0 ? ' and a page of the content' : ''}, adds none of its own files`,
    { skip: inside.length === 0 && longTest },
    async (t) => {
      // By name alone, those inside could be the files that follow.
      const [low, high] = [tempFolder(t), tempFolder(t)].sort();
      const first = await withoutManifest(
        t,
        'none',
        (source) => {
          for (let i = 0; i < 60; i += 1) writeTree(source, { [`z/${i}`]: noise(5000, `z ${i}`) });
        },
        high,
      );
      if (first === undefined) return;
      const inner = path.join(tempFolder(t), 'inner.tar');
      copyFileSync(path.join(first.ltfs.mount, first.setId, first.archive.name), inner);
      const set = await withoutManifest(
        t,
        'none',
        (source) => {
          for (const name of ['a', 'b', 'y']) writeTree(source, { [name]: noise(20_000, name) });
          copyFileSync(inner, path.join(source, 'inner.tar'));
          linkSync(path.join(source, 'inner.tar'), path.join(source, 'x'));
        },
        low,
      );
      if (set === undefined) return;
      const { source, setId } = set;
      const at = set.offsetOf('inner.tar');
      const ranges = [at + 600, ...inside.map((part) => at + part * 300_000)].map(set.pageAt);
      set.bad(ranges);
      const { catalog, reading } = await set.rebuilt();
      const lost = set.filesOn(ranges);
      assert.ok(lost.includes('inner.tar'));
      const all = await stored(set.catalog, setId, source);
      assert.deepEqual(
        await stored(catalog, setId, source),
        all.filter((name) => !lost.includes(name) && name !== 'x'),
      );
      const link = await catalog
        .selectFrom('files')
        .select('reason')
        .where('state', '=', 'skipped')
        .execute();
      assert.match(
        link.map(({ reason }) => reason).join(),
        /a hard link to .*inner\.tar, which the archive does not hold, or has lost/,
      );
      assert.match(JSON.stringify(reading), /what lies between /);
    },
  );
