import assert from 'node:assert/strict';
import { chmodSync, linkSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { labelTape } from '../../operations/tapes/label-tape.js';
import { setsInProcess } from './sets-in-process.js';
import { describeTree, tempFolder, writeTree } from './trees.js';
import { FolderDrive } from './two-tapes.js';

/**
 * A full set, two that build on each other, and a differential one, each on a tape of its own, with several groups;
 * `trees`: the source at that time.
 */
export async function fourTapes(t: TestContext) {
  const drive = FolderDrive.in(t);
  drive.load('one');
  const sets = await setsInProcess(t, { TAPE_PATH: drive.path, MAX_GROUP_FILES: '4' });
  const source = tempFolder(t);
  const at = (name: string) => path.join(source, name);
  const trees = new Map<string, ReturnType<typeof describeTree>>();
  const backUp = async (mode: string) => {
    const { setId, status } = await sets.backUp(source, mode);
    assert.equal(status, 'completed');
    // A file that changed just before a set began is stored again by the next.
    const later = { created_at: Date.now() + 60_000 };
    await sets.catalog.updateTable('sets').set(later).where('id', '=', setId).execute();
    trees.set(setId, describeTree(source));
    return setId;
  };
  const next = async (tape: string, name: string, mode: string) => {
    drive.load(tape);
    await labelTape(sets.drive, sets.lock, sets.catalog, { name, pool: 'default', force: false });
    return backUp(mode);
  };
  writeTree(
    source,
    Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'x', 'y'].map((name) => [`d/${name}`, name])),
  );
  linkSync(at('d/b'), at('d/second b'));
  const full = await backUp('full');
  writeTree(source, { 'd/c': 'changed in the second', 'd/new': 'new' });
  rmSync(at('d/g'));
  rmSync(at('d/y'));
  chmodSync(at('d/d'), 0o600);
  const second = await next('two', 'TAPE02', 'incremental');
  linkSync(at('d/e'), at('d/second e'));
  writeTree(source, { 'd/c': 'changed in the third', 'd/z': 'behind what was gone' });
  rmSync(at('d/a'));
  const third = await next('three', 'TAPE03', 'incremental');
  writeTree(source, { 'd/f': 'changed in the fourth' });
  const fourth = await next('four', 'TAPE04', 'differential');
  return { drive, sets, source, trees, next, ids: [full, second, third, fourth] as const };
}
