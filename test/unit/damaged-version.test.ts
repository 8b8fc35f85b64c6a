import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { fromBytes, toBytes } from '../../entry/byte-string.js';
import { newestVersion } from '../../catalog/files/newest-version.js';
import { changeFiles } from '../support/file-rows.js';
import { latestNotes } from '../../client/commands/files/latest-notes.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { tempFolder, writeTree } from '../support/trees.js';

const reason = 'shrank or could not be read to its end';

/** Two full sets of a file, of which the second has it with zeros for what could not be read. */
async function twoVersions(t: TestContext) {
  const source = tempFolder(t);
  const file = path.join(source, 'report');
  writeTree(source, { report: 'whole', other: 'other' });
  const sets = await setsInProcess(t);
  const { setId: first } = await sets.backUp(source, 'full');
  writeFileSync(file, 'half of it');
  const { setId: second } = await sets.backUp(source, 'full');
  const damage = (setId: string, change: { sha256: null; state: 'skipped'; tar_offset?: null }) =>
    changeFiles(
      sets.catalog,
      (files) => files.where('set_id', '=', setId).where('path', '=', toBytes(file.slice(1))),
      { ...change, reason },
    );
  await damage(second, { sha256: null, state: 'skipped' });
  return { source, file, sets, first, second, damage };
}

test('of a file, the newest whole version is offered, and a newer one that is not whole is named', async (t) => {
  const { source, file, sets, first, second, damage } = await twoVersions(t);
  const { catalog } = sets;
  const newest = (name: string) => newestVersion(catalog, [name.slice(1)]);
  assert.deepEqual(await newest(file), {
    ...{ setId: first, isWhole: true, damaged: [{ setId: second, reason }] },
  });
  assert.equal((await newest(source))?.setId, second, 'a folder is taken as it was last');
  assert.equal((await newest(path.join(source, 'other')))?.setId, second);

  await damage(second, { sha256: null, state: 'skipped', tar_offset: null });
  assert.deepEqual((await newest(file))?.damaged, [{ setId: second, reason }], 'nothing of it was stored');

  await damage(first, { sha256: null, state: 'skipped' });
  const partly = await newest(file);
  assert.deepEqual([partly?.setId, partly?.isWhole], [first, false]);
});

test('of a folder, what is not whole in its newest set is named, with the set that has it and what to type', async (t) => {
  const { source, file, sets, first, second, damage } = await twoVersions(t);
  const { catalog } = sets;
  const notes = async () => {
    const names = [source.slice(1)];
    const found = await newestVersion(catalog, names);
    assert.ok(found);
    const asked = { where: source, names, host: null, before: undefined, target: "--target '/a b'" };
    return latestNotes(catalog, found, asked);
  };
  await damage(second, { sha256: null, state: 'skipped' });
  assert.deepEqual(await notes(), [
    `Below ${source}, 1 entry is not whole in the newest set, ${second}:`,
    `${file}: ${reason}. Set ${first} has it whole: ` +
      `\`tapeflow restore ${first} --include ${file} --target '/a b' --overwrite always\``,
  ]);
  await damage(first, { sha256: null, state: 'skipped', tar_offset: null });
  assert.equal((await notes())[1], `${file}: ${reason}. No set on tape holds it whole.`);
  const { setId: third } = await sets.backUp(source, 'full');
  assert.equal((await newestVersion(catalog, [source.slice(1)]))?.setId, third);
  assert.deepEqual(await notes(), []);
});

test('a version that is not whole never replaces what is there, and is restored where nothing is', async (t) => {
  const { source, file, sets, second } = await twoVersions(t);
  const target = tempFolder(t);
  const there = path.join(target, file);
  writeTree(path.join(target, source), { report: 'a good one', other: 'to be replaced' });
  const { status, problems } = await sets.restore(second, target, undefined, 'always');
  assert.equal(status, 'incomplete');
  assert.equal(readFileSync(there, 'utf8'), 'a good one');
  assert.equal(readFileSync(path.join(target, source, 'other'), 'utf8'), 'other');
  assert.deepEqual(
    [...new Set(problems.map((problem) => fromBytes(problem.path ?? new Uint8Array())))],
    [file.slice(1)],
  );
  assert.ok(problems.some((problem) => problem.reason.includes('this version is not whole')));

  const empty = tempFolder(t);
  assert.equal((await sets.restore(second, empty)).status, 'incomplete');
  assert.equal(readFileSync(path.join(empty, file), 'utf8'), 'half of it');
});
