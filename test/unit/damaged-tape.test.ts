import assert from 'node:assert/strict';
import { readFileSync, rmSync, truncateSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { installationId } from '../../catalog/installation.js';
import { labelFileName } from '../../tape/labels/label.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { archivesOn, noise, tempFolder, writeTree } from '../support/trees.js';

/** A set of four groups of one file each, on a tape whose catalog is lost. */
async function fourGroups(t: TestContext) {
  const sets = await setsInProcess(t, { MAX_GROUP_SIZE: '100KB' });
  const source = tempFolder(t);
  for (const name of ['a', 'b', 'c', 'd']) writeTree(source, { [name]: noise(90_000, name) });
  const { setId } = await sets.backUp(source, 'full');
  const archives = archivesOn(sets.tapeDir, setId);
  assert.equal(archives.length, 4);
  return { ...sets, source, setId, archives };
}

const manifestOf = (archive: string) => archive.replace(/\.tar\.gz$/, '.manifest.jsonl.gz');
const owner = (tape: string) =>
  (JSON.parse(readFileSync(path.join(tape, labelFileName), 'utf8')) as { installation: string }).installation;

test('a tape with damaged archives is adopted: what is damaged is named, the rest is restored, and new sets go on behind it', async (t) => {
  const { tapeDir, source, setId, archives, rebuilt } = await fourGroups(t);
  const [, second = '', third = '', fourth = ''] = archives;
  rmSync(third);
  truncateSync(second, 50_000);
  // The newest on the tape, by which the tape is known, has lost its manifest and its end.
  truncateSync(fourth, 50_000);
  rmSync(manifestOf(fourth));

  const { reading, catalog, restore, backUp } = await rebuilt(true);
  assert.equal(reading.tape.state, 'usable');
  assert.equal(owner(tapeDir), await installationId(catalog));
  assert.equal(reading.contradictions, 0);
  for (const [named, what] of [
    [/_000002\.tar\.gz has 50000 bytes instead of/, 'second'],
    [/_000003\.tar\.gz is not on the tape/, 'third'],
    [/_000004\.tar\.gz is damaged/, 'fourth'],
  ] as const)
    assert.ok(
      reading.troubles.some((trouble) => named.test(trouble)),
      what,
    );

  const target = tempFolder(t);
  const restored = await restore(setId, target);
  assert.equal(restored.status, 'incomplete');
  const here = (name: string) => path.join(target, source, name);
  assert.deepEqual(readFileSync(here('a')), readFileSync(path.join(source, 'a')));
  assert.ok(restored.problems.length > 0, 'what is lost is named');

  const next = await backUp(source, 'full');
  assert.equal(next.status, 'completed');
  assert.deepEqual(next.tapes, ['TAPE01']);
  assert.equal(archivesOn(tapeDir, next.setId).length, 4);
});

test('a tape that contradicts the catalog, or of which nothing can be read, is not adopted', async (t) => {
  const { tapeDir, archives, rebuilt } = await fourGroups(t);
  const label = readFileSync(path.join(tapeDir, labelFileName), 'utf8');
  const other = await rebuilt();
  await other.catalog.updateTable('sets').set({ uuid: 'another' }).execute();
  const contradicting = await other.readAgain(true);
  assert.equal(contradicting.tape.state, 'foreign');
  assert.equal(contradicting.contradictions, 5, 'four archives and an end mark');
  const partly = await rebuilt();
  const another = { sha256: '0'.repeat(64) };
  await partly.catalog.updateTable('archives').set(another).where('group_no', '=', 1).execute();
  const { tape, counts, contradictions } = await partly.readAgain(true);
  assert.deepEqual([tape.state, counts.known, contradictions], ['foreign', 3, 1]);

  for (const archive of archives) rmSync(archive);
  const { reading } = await rebuilt(true);
  assert.equal(reading.tape.state, 'foreign');
  assert.equal(reading.troubles.length, 4);
  assert.equal(readFileSync(path.join(tapeDir, labelFileName), 'utf8'), label);

  for (const archive of archives) rmSync(manifestOf(archive));
  const { reading: empty } = await rebuilt(true);
  assert.equal(empty.tape.state, 'usable', 'on which nothing is');
});
