import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { linkSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { partsOf } from '../../catalog/files/layers.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { assertSameTree, noise, settled, tempFolder, writeTree } from '../support/trees.js';

test('a folded set, and one that builds on it, restore every file and single ones, also from the tape alone', async (t) => {
  const source = tempFolder(t);
  const names = Array.from({ length: 20 }, (_, i) => `d${i % 2}/f${i}`);
  writeTree(source, Object.fromEntries(names.map((name, i) => [name, noise(60_000 + i, name)])));
  linkSync(path.join(source, 'd0/f0'), path.join(source, 'd1/link'));
  await settled(source);
  const sets = await setsInProcess(t, { MAX_GROUP_SIZE: '1MB' });
  const points: { setId: string; copy: string }[] = [];
  const changes = [
    () => undefined,
    () => {
      // Longer, so that all behind it in the archive is elsewhere.
      writeFileSync(path.join(source, 'd0/f2'), noise(70_000, 'other'));
      rmSync(path.join(source, 'd1/f3'));
    },
    () => writeFileSync(path.join(source, 'd1/f5'), 'short'),
  ];
  for (const [at, mode] of ['full', 'full', 'incremental'].entries()) {
    changes[at]?.();
    await settled(source);
    const copy = path.join(tempFolder(t), 'copy');
    execFileSync('cp', ['-a', source, copy]);
    const { setId, status } = await sets.backUp(source, mode);
    assert.equal(status, 'completed');
    points.push({ setId, copy });
  }
  const [first, second, third] = points.map(({ setId }) => setId);
  const lies = async (id = '') => (await partsOf(sets.catalog, id)).map(({ setId }) => setId);
  assert.deepEqual(await lies(second), [second, first]);
  assert.deepEqual(await lies(third), [third, second, first]);
  const fresh = await sets.rebuilt();
  for (const { setId, copy } of points)
    for (const from of [sets, fresh]) {
      const target = tempFolder(t);
      const { status, problems } = await from.restore(setId, target);
      assert.deepEqual([status, problems], ['completed', []]);
      assertSameTree(path.join(target, source), copy, { folderTimes: true });
      assert.equal((await from.verify(setId)).status, 'completed');
    }
  for (const { setId, copy } of points) {
    const target = tempFolder(t);
    const wanted = ['d0/f2', 'd0/f18', 'd1/f19'];
    const selection = { names: wanted.map((name) => path.join(source, name).slice(1)), globs: [] };
    assert.deepEqual((await sets.restore(setId, target, selection)).problems, []);
    for (const name of wanted) execFileSync('cmp', [path.join(target, source, name), path.join(copy, name)]);
  }
});
