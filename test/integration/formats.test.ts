import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { openZstd } from '../../archive/blocks/zstd.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { archivesOn, assertSameTree, noise, tempFolder, untar, writeTree } from '../support/trees.js';

const sameTree = { folderTimes: false };

test('sets of every format, also mixed in one chain, are backed up, verified, restored, and rebuilt from the tape alone', async (t) => {
  if ((await openZstd('auto')) === undefined) return t.skip('there is no zstd here');
  const source = tempFolder(t);
  writeTree(source, {
    'a/text': 'line of a text\n'.repeat(200_000),
    'b/noise': noise(900_000, 'noise'),
    'c/small': 'small',
  });
  const sets = await setsInProcess(t, { MAX_GROUP_SIZE: '3MB' });
  const backUp = async (mode: string, format: 'gzip' | 'zstd' | 'none') => {
    const summary = await sets.backUp(source, mode, [], { COMPRESSION: format, COMPRESSION_LEVEL: 3 });
    assert.equal(summary.status, 'completed');
    return summary.setId;
  };
  const packed = await backUp('full', 'zstd');
  writeFileSync(path.join(source, 'c/small'), 'not so small');
  const plain = await backUp('incremental', 'none');
  writeFileSync(path.join(source, 'c/new'), 'new');
  const chained = await backUp('incremental', 'gzip');
  const whole = await backUp('full', 'none');
  const endings = [
    [packed, '.tar.zst'],
    [plain, '.tar'],
    [chained, '.tar.gz'],
    [whole, '.tar'],
  ] as const;
  for (const [setId, ending] of endings) {
    const names = readdirSync(path.join(sets.tapeDir, setId)).filter((name) => name.includes('.tar'));
    assert.equal(names[0], `backup_${setId}_000001${ending}`);
    assert.equal((await sets.verify(setId)).status, 'completed', ending);
  }

  for (const setId of [chained, whole]) {
    const target = tempFolder(t);
    assert.equal((await sets.restore(setId, target)).status, 'completed');
    assertSameTree(path.join(target, source), source, sameTree);
  }
  const byTar = tempFolder(t);
  for (const setId of [packed, plain, chained]) untar(archivesOn(sets.tapeDir, setId), byTar);
  assertSameTree(path.join(byTar, source), source, { folderTimes: false, nearTimes: false });

  // The first archives of two sets lose their manifests: they are read themselves.
  for (const setId of [packed, whole])
    rmSync(path.join(sets.tapeDir, setId, `backup_${setId}_000001.manifest.jsonl.gz`));
  const rebuilt = await sets.rebuilt();
  assert.equal(rebuilt.reading.troubles.length, 2);
  const index = (catalog: typeof sets.catalog) =>
    catalog
      .selectFrom('archives')
      .select(['name', 'size', 'sha256', 'block_bytes', 'blocks'])
      .orderBy('name')
      .execute();
  assert.deepEqual(
    await index(rebuilt.catalog),
    await index(sets.catalog),
    'every archive with its name and its blocks',
  );
  for (const setId of [chained, whole]) {
    const target = tempFolder(t);
    assert.equal((await rebuilt.restore(setId, target)).status, 'completed');
    assertSameTree(path.join(target, source), source, sameTree);
  }
});

test('what is compressed with the native part is restored without it, and the other way round', async (t) => {
  const source = tempFolder(t);
  writeTree(source, { text: 'line of a text\n'.repeat(100_000), noise: noise(100_000, 'noise'), empty: '' });
  const sets = await setsInProcess(t);
  const hasBoth = (await openZstd('auto')) !== undefined && (await openZstd('zlib')) !== undefined;
  for (const format of hasBoth ? (['gzip', 'zstd'] as const) : (['gzip'] as const)) {
    for (const [writer, reader] of [['auto', 'zlib'] as const, ['zlib', 'auto'] as const]) {
      sets.settings.COMPRESSION_CODEC = writer;
      const { setId } = await sets.backUp(source, 'full', [], { COMPRESSION: format, COMPRESSION_LEVEL: 1 });
      sets.settings.COMPRESSION_CODEC = reader;
      const target = tempFolder(t);
      assert.equal((await sets.restore(setId, target)).status, 'completed', `${format} of ${writer}`);
      assertSameTree(path.join(target, source), source, { folderTimes: true, nearTimes: true });
    }
  }
});

test('where this Node has no zstd and its addon is turned off, a zstd archive is not damaged: the restore says how else it is read', async (t) => {
  if ((await openZstd('auto')) === undefined) return t.skip('there is no zstd here');
  if ((await openZstd('zlib')) !== undefined) return t.skip('this Node has zstd itself');
  const source = tempFolder(t);
  writeTree(source, { file: 'content' });
  const sets = await setsInProcess(t, { COMPRESSION: 'zstd' });
  const { setId } = await sets.backUp(source, 'full');
  sets.settings.COMPRESSION_CODEC = 'zlib';
  await assert.rejects(
    sets.verify(setId),
    /zstd is not there: .* `tar --zstd -xf backup_.*\.tar\.zst` or `zstd -d` reads it/,
  );
  await assert.rejects(sets.restore(setId, tempFolder(t)), /zstd is not there/);
  await assert.rejects(
    sets.backUp(source, 'full'),
    /zstd is not there: it needs Node 22\.15 or newer, or COMPRESSION_CODEC=auto/,
  );
});

test('where the tape has an archive of another format under the same number, nothing is written beside it', async (t) => {
  const source = tempFolder(t);
  writeTree(source, { file: 'content' });
  const sets = await setsInProcess(t, { COMPRESSION: 'none' });
  const { setId } = await sets.backUp(source, 'full');
  const next = setId.replace(/\d+$/, (number) => String(Number(number) + 1).padStart(6, '0'));
  mkdirSync(path.join(sets.tapeDir, next));
  writeFileSync(path.join(sets.tapeDir, next, `backup_${next}_000001.tar.gz`), 'not ours');
  await assert.rejects(sets.backUp(source, 'full'), /holds another .*_000001\.tar\.gz already/);
});
