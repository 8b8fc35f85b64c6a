/** Files with holes through whole sets: what is planned and counted, kept, verified, rebuilt and restored. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { compareSets } from '../../catalog/sets/compare-sets.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { fromBytes } from '../../entry/byte-string.js';
import { loadAddon } from '../../native/addon.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';

const tebi = 2 ** 40;
const needsHoles = loadAddon()?.dataExtents === undefined ? 'needs the native part' : false;

/** Writes some bytes at a place of a file, and makes it that large. */
function put(file: string, at: number, bytes: Buffer, size: number): void {
  const open = openSync(file, constants.O_RDWR | constants.O_CREAT);
  ftruncateSync(open, size);
  writeSync(open, bytes, 0, bytes.length, at);
  closeSync(open);
}

/** Files of a set that have holes, by their last name: state, and bytes in the archive. */
async function holed(catalog: Catalog, setId: string): Promise<Record<string, unknown>> {
  const rows = await catalog
    .selectFrom('files')
    .select(['path', 'state', 'size', 'stored_size'])
    .where('set_id', '=', setId)
    .where('stored_size', 'is not', null)
    .execute();
  return Object.fromEntries(
    rows.map((row) => [path.basename(fromBytes(row.path)), [row.state, row.size, row.stored_size]]),
  );
}

test(
  'a set counts what is stored of files with holes, an incremental one keeps them, and the tape alone gives them back',
  { skip: needsHoles },
  async (t) => {
    const source = tempFolder(t);
    const [huge, image] = [path.join(source, 'huge'), path.join(source, 'image')];
    put(huge, tebi, noise(4096, 'huge'), 2 * tebi);
    put(image, 5 * 2 ** 20, noise(8192, 'image'), 20 * 2 ** 20);
    if (statSync(huge).blocks > 100) return t.skip('the file system of temporary files makes no holes');
    writeTree(source, { after: noise(100_000, 'after') });
    const sets = await setsInProcess(t, { MAX_GROUP_SIZE: '1MB' });
    const { setId: full, status } = await sets.backUp(source, 'full');
    assert.equal(status, 'completed');
    const groups = await sets.catalog.selectFrom('groups').selectAll().where('set_id', '=', full).execute();
    assert.equal(groups.length, 1);
    assert.ok((groups[0]?.bytes ?? 0) < 200_000, `the group counts ${groups[0]?.bytes} bytes`);
    const stored = {
      huge: ['packed', 2 * tebi, 512 + 4096],
      image: ['packed', 20 * 2 ** 20, 512 + 8192],
    };
    assert.deepEqual(await holed(sets.catalog, full), stored);

    chmodSync(huge, 0o600);
    chmodSync(image, 0o600);
    const kept = await sets.backUp(source, 'incremental');
    assert.equal(kept.unchanged, 3);
    const unchanged = Object.fromEntries(
      Object.entries(stored).map(([name, [, ...sizes]]) => [name, ['unchanged', ...sizes]]),
    );
    assert.deepEqual(await holed(sets.catalog, kept.setId), unchanged);

    put(huge, 3, Buffer.from('x'), 2 * tebi);
    const { setId: later } = await sets.backUp(source, 'incremental');
    assert.deepEqual(await holed(sets.catalog, later), {
      huge: ['packed', 2 * tebi, 512 + 2 * 4096],
      image: unchanged['image'],
    });
    const changes = [];
    for await (const change of compareSets(sets.catalog, full, later))
      if (change.change === 'changed')
        changes.push([path.basename(fromBytes(change.row.path)), change.fields]);
    assert.deepEqual(changes, [['huge', ['mtime', 'storedSha256']]]);

    const comesBack = async (from: Pick<typeof sets, 'restore'>) => {
      const target = tempFolder(t);
      const { status: became, problems } = await from.restore(later, target);
      assert.deepEqual([became, problems], ['completed', []]);
      for (const file of [huge, image])
        assert.equal(statSync(path.join(target, file)).blocks, statSync(file).blocks, file);
      assert.equal(statSync(path.join(target, huge)).size, 2 * tebi);
      execFileSync('cmp', [image, path.join(target, image)]);
    };
    assert.equal((await sets.verify(later)).status, 'completed');
    await comesBack(sets);
    await comesBack(await sets.rebuilt());
    // And from the archives alone, without a manifest.
    for (const folder of readdirSync(sets.tapeDir, { withFileTypes: true }).filter((one) =>
      one.isDirectory(),
    ))
      for (const file of readdirSync(path.join(sets.tapeDir, folder.name)))
        if (file.includes('.manifest.')) rmSync(path.join(sets.tapeDir, folder.name, file));
    const bare = await sets.rebuilt();
    assert.deepEqual((await holed(bare.catalog, full))['huge'], stored['huge']);
    const target = tempFolder(t);
    // Not complete, since without any manifest nobody knows what the set builds on.
    const { problems } = await bare.restore(full, target);
    assert.deepEqual(
      problems.map((problem) => problem.path),
      [null],
    );
    assert.equal(statSync(path.join(target, huge)).blocks, 8);
  },
);
