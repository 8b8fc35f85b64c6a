import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { compressGroup } from '../../activities/set/compress-group.js';
import { promoteArchive } from '../../activities/set/promote-archive.js';
import { releaseArchives } from '../../activities/set/release-archives.js';
import { scanSources } from '../../activities/set/scan-sources.js';
import { waitForFinal } from '../../activities/set/wait-for-final.js';
import { syncTape } from '../../activities/tape/sync-tape.js';
import { writeToTape } from '../../activities/tape/write-to-tape.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { SetRetention } from '../../catalog/sets/set-retention.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { tapeRetention } from '../../catalog/tapes/tape-retention.js';
import { tapeByName, tapeByUuid } from '../../catalog/tapes/tapes.js';
import { labelTape } from '../../operations/tapes/label-tape.js';
import { snapshotOptions } from '../../operations/sets/set-options.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { describeTree, longTest, tempFolder, writeTree } from '../support/trees.js';
import { FolderDrive } from '../support/two-tapes.js';

/** A full set on TAPE01 of pool `default` alone, and two that build on it, each on TAPE01 and on OFF01 of `offsite`. */
async function twoPools(t: TestContext) {
  const drive = FolderDrive.in(t);
  drive.load('TAPE01');
  const sets = await setsInProcess(t, { TAPE_PATH: drive.path, MAX_GROUP_FILES: '4' });
  drive.load('OFF01');
  await labelTape(sets.drive, sets.lock, sets.catalog, { name: 'OFF01', pool: 'offsite', force: false });
  const source = tempFolder(t);
  const trees = new Map<string, ReturnType<typeof describeTree>>();
  const { deps, catalog, attempt } = sets;
  const backUp = async (...pools: string[]) => {
    const places = pools.map((pool) => ({ pool, drive: 'lto1' }));
    const wanted = { sources: [source], excludes: [], mode: 'incremental', direct: false, drive: 'lto1' };
    const more = { pool: pools[0] ?? '', places, options: snapshotOptions(sets.settings) };
    const { id: setId } = (await openSet(catalog, { ...wanted, ...more }, { fresh: true })).set;
    await attempt(() => scanSources(deps, setId));
    const groups = await sets.groupsOf(setId);
    for (const group of groups) {
      await attempt(() => compressGroup(deps, { setId, group }));
      await attempt(() => promoteArchive(deps, { setId, group }));
      await attempt(() => waitForFinal(deps, { setId, group }));
    }
    for (const [index, pool] of pools.entries()) {
      drive.load(pool === 'offsite' ? 'OFF01' : 'TAPE01');
      for (const group of groups) {
        const { tape } = await attempt(() => writeToTape(deps, { setId, group, copyNo: index + 1 }));
        await attempt(() => syncTape(deps, setId, tape, [group], index + 1));
      }
    }
    await attempt(() => releaseArchives(deps, setId, groups));
    assert.equal((await sets.end(setId)).status, 'completed');
    // A file that changed just before a set began is stored again by the next.
    const later = { created_at: Date.now() + 60_000 };
    await catalog.updateTable('sets').set(later).where('id', '=', setId).execute();
    trees.set(setId, describeTree(source));
    return setId;
  };
  writeTree(source, Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => [name, name])));
  const full = await backUp('default');
  writeTree(source, { c: 'changed in the second', new: 'new' });
  rmSync(path.join(source, 'f'));
  const second = await backUp('default', 'offsite');
  writeTree(source, { d: 'changed in the third' });
  const third = await backUp('offsite', 'default');
  assert.equal((await setNamed(catalog, second)).base_id, full);
  assert.equal((await setNamed(catalog, third)).base_id, second);
  return { drive, sets, source, trees, ids: [full, second, third] as const };
}

for (const order of [
  ['OFF01', 'TAPE01'],
  ['TAPE01', 'OFF01'],
] as const) {
  test(
    `a chain in two pools is read from the tapes of one and then of the other: ${order.join()}`,
    { skip: order[0] === 'TAPE01' && longTest },
    async (t) => {
      const { drive, sets, source, trees, ids } = await twoPools(t);
      const [full, second, third] = ids;
      drive.load(order[0]);
      const { catalog, readAgain, reading, restore } = await sets.rebuilt(true);
      assert.deepEqual(reading.troubles, []);
      const restored = async (id: string) => {
        const target = tempFolder(t);
        const result = await restore(id, target, undefined, undefined, {}, async (uuid) =>
          drive.load((await tapeByUuid(catalog, uuid))?.name ?? uuid),
        );
        return { ...result, tree: describeTree(path.join(target, source)) };
      };
      if (order[0] === 'OFF01') {
        // Of the full set nothing is known: what the others have stored is all that can be restored.
        assert.match(
          (await setNamed(catalog, second)).reason ?? '',
          new RegExp(`from the set ${full} .*TAPE01`),
        );
        for (const id of [second, third]) assert.equal((await setNamed(catalog, id)).state, 'failed');
        const { status, tree } = await restored(third);
        assert.equal(status, 'incomplete');
        for (const name of Object.keys(tree)) assert.deepEqual(tree[name], trees.get(third)?.[name], name);
        assert.deepEqual(Object.keys(tree).sort(), ['c', 'd', 'new']);
      }
      drive.load(order[1]);
      assert.deepEqual((await readAgain()).troubles, []);
      for (const id of ids) {
        assert.equal((await setNamed(catalog, id)).state, 'completed', id);
        const { status, tree } = await restored(id);
        assert.deepEqual([status, tree], ['completed', trees.get(id)], id);
      }
      // The third is kept as long as the longer of its pools says, and with it what it builds on, in the other pool.
      const retentions = { pools: { default: 86_400 }, otherwise: null };
      await catalog
        .updateTable('sets')
        .set({ finished_at: Date.now() - 2 * 86_400_000 })
        .execute();
      const tape = (await tapeByName(catalog, 'TAPE01')) ?? assert.fail('no tape');
      const kept = await tapeRetention(catalog, tape, await SetRetention.of(catalog, retentions), Date.now());
      assert.equal(kept.isRecyclable, false);
      assert.deepEqual(kept.sets.find((set) => set.setId === full)?.neededBy, [second, third]);
    },
  );
}
