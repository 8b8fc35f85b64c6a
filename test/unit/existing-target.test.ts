import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { readArchive } from '../../activities/retrieval/read-archive.js';
import { finishRetrieval } from '../../activities/retrieval/finish-retrieval.js';
import { MemberPlacer } from '../../archive/unpack/member-placer.js';
import { TargetTree } from '../../archive/unpack/target-tree.js';
import type { WantedMember } from '../../archive/unpack/unpack-options.js';
import { planRestore } from '../../catalog/retrievals/plan/plan-restore.js';
import { insertRetrieval, pendingArchives, recordRetrieval } from '../../catalog/retrievals/retrievals.js';
import { noOwners } from '../../entry/owner-choice.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { assertSameTree, noise, tempFolder, writeTree } from '../support/trees.js';

const other = 12_345;
const isRoot = process.getuid?.() === 0;
const everything = { names: [], globs: [] };

/**
 * A set of one source: a folder `d` for everybody with a file, and two names of one file that are in different
 * archives.
 */
async function backedUp(t: TestContext) {
  const sets = await setsInProcess(t, { MAX_GROUP_SIZE: '1MB' });
  const source = tempFolder(t);
  writeTree(source, {
    a: noise(900_000, 'a'),
    'd/file': 'for everybody',
    'd/deep/file': 'deep',
    m: noise(900_000, 'm'),
  });
  linkSync(path.join(source, 'a'), path.join(source, 'z'));
  utimesSync(path.join(source, 'a'), 1_000_000_000, 1_000_000_000);
  for (const folder of ['d', 'd/deep', '']) chmodSync(path.join(source, folder), 0o755);
  const { setId } = await sets.backUp(source, 'full');
  const target = tempFolder(t);
  const at = (name: string) => path.join(target, source, name);
  return { ...sets, source, setId, target, at };
}

/** A private folder of somebody else, at the place of one that was for everybody. */
function plantPrivate(folder: string): { mode: number; uid: number; mtimeMs: number } {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  chmodSync(folder, 0o700);
  if (isRoot) chownSync(folder, other, other);
  utimesSync(folder, 1000, 1000);
  return lookOf(folder);
}

function lookOf(file: string) {
  const { mode, uid, mtimeMs } = statSync(file);
  return { mode: mode & 0o7777, uid, mtimeMs };
}

test('a folder that is in the target keeps its mode and owner, and only --overwrite always gives it those of the backup', async (t) => {
  const { source, setId, target, at, restore, catalog } = await backedUp(t);
  const { mode, uid } = plantPrivate(at('d'));
  const above = lookOf(path.dirname(at('')));
  const first = await restore(setId, target);
  assert.deepEqual([first.status, first.problems], ['completed', []]);
  assert.equal(lookOf(at('d')).mode, mode);
  assert.equal(lookOf(at('d')).uid, uid);
  assert.equal(lookOf(at('d/deep')).mode, 0o755, 'what the restore made is as it was');
  assert.equal(readFileSync(at('d/file'), 'utf8'), 'for everybody');
  assert.deepEqual(lookOf(path.dirname(at(''))), above);
  assert.deepEqual(await catalog.selectFrom('retrieval_existing').selectAll().execute(), []);
  await restore(setId, target, everything, 'if-newer');
  assert.equal(lookOf(at('d')).mode, mode);
  await restore(setId, target, everything, 'always');
  assertSameTree(path.join(target, source), source);
});

test('folders above what is restored are private where the restore makes them, and those that a glob leads through are as they were', async (t) => {
  const umask = process.umask(0);
  t.after(() => process.umask(umask));
  const { setId, target, at, restore } = await backedUp(t);
  assert.equal((await restore(setId, target, { names: [], globs: ['**/deep/file'] })).status, 'completed');
  assert.equal(lookOf(at('d')).mode, 0o755);
  assert.ok(existsSync(at('d/deep/file')) && !existsSync(at('d/file')));
  assert.equal(lookOf(path.dirname(at(''))).mode, 0o700);
});

test('two names of one file are joined where the restore made both, and never with a file that was there', async (t) => {
  const { source, setId, target, at, restore } = await backedUp(t);
  mkdirSync(at(''), { recursive: true });
  // Of the same size and time, but another file.
  writeFileSync(at('a'), noise(900_000, 'another'));
  utimesSync(at('a'), 1_000_000_000, 1_000_000_000);
  const result = await restore(setId, target);
  assert.equal(result.status, 'incomplete');
  assert.ok(readFileSync(at('a')).equals(noise(900_000, 'another')));
  assert.ok(readFileSync(at('z')).equals(noise(900_000, 'a')), 'z has the content of the backup');
  const fresh = tempFolder(t);
  await restore(setId, fresh);
  assertSameTree(path.join(fresh, source), source);
});

test('a restore that was cut off leaves what was there, and finishes what it made, also when it is asked for anew', async (t) => {
  const { source, setId, target, at, attempt, deps, catalog, restore } = await backedUp(t);
  const { mode, uid } = plantPrivate(at('d'));
  const plan = await planRestore(catalog, setId, everything);
  const wanted = { kind: 'restore', subject: setId, drive: 'lto1', target, overwrite: 'never' } as const;
  const { id } = await insertRetrieval(
    catalog,
    { ...wanted, selection: JSON.stringify(everything) },
    plan.archives,
    [],
  );
  const [first] = await pendingArchives(catalog, id, 1);
  assert.ok(first !== undefined);
  await attempt(() => readArchive(deps, { id, no: first.no }));
  assert.equal(lookOf(at('')).mode, 0o755, 'the folder above `d` was made when that was planted');
  await attempt(() => readArchive(deps, { id, no: first.no + 1 }));
  assert.equal(lookOf(at('d/deep')).mode, 0o700, 'made, and not finished');
  await recordRetrieval(catalog, id, 'failed', 'its target failed');
  await attempt(() => finishRetrieval(deps, id));
  assert.equal(lookOf(at('d/deep')).mode, 0o700);
  const again = await restore(setId, target);
  assert.deepEqual([again.status, again.problems], ['completed', []]);
  assert.equal(lookOf(at('d/deep')).mode, 0o755, 'what the first one made is finished by the second');
  assert.deepEqual([lookOf(at('d')).mode, lookOf(at('d')).uid], [mode, uid]);
  assert.equal(statSync(at('a')).ino, statSync(at('z')).ino);
  assert.equal(statSync(path.join(source, 'a')).nlink, 2);
});

for (const codec of ['auto', 'zlib'] as const)
  test(`a file that comes into a member's place while that is written stays as it is (${codec})`, async (t) => {
    const target = realpathSync(tempFolder(t));
    const tree = new TargetTree(target, { name: 'restore', token: 'token' }, {});
    t.after(() => tree.close());
    const placer = new MemberPlacer(tree, { owners: noOwners, overwrite: 'never', codec });
    const facts = { type: 'file', size: 4, mode: 0o644, mtimeS: 0, mtimeNs: 0, uid: 0, gid: 0, nlink: 1 };
    const member = { ...facts, sha256: null } as unknown as WantedMember;
    const put = (name: string, meanwhile: () => void) =>
      placer.putFile({ ...member, name }, undefined, async (fd) => {
        writeSync(fd, 'ours');
        meanwhile();
      });
    assert.equal((await put('free', () => undefined)).outcome, 'restored');
    const theirs = () => writeFileSync(path.join(target, 'taken'), 'theirs');
    await assert.rejects(put('taken', theirs), /^Error: something else came into its place meanwhile$/);
    assert.deepEqual(readdirSync(target).sort(), ['free', 'taken']);
    assert.equal(readFileSync(path.join(target, 'free'), 'utf8'), 'ours');
    assert.equal(readFileSync(path.join(target, 'taken'), 'utf8'), 'theirs');
  });
