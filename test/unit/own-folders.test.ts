import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import { readArchive } from '../../activities/retrieval/read-archive.js';
import { planRestore } from '../../catalog/retrievals/plan/plan-restore.js';
import { insertRetrieval } from '../../catalog/retrievals/retrievals.js';
import type { TapeflowFailure } from '../../config/failures.js';
import { ownEntries, ownFolderAround } from '../../disk/own-folders.js';
import { requireSources } from '../../source/require-sources.js';
import { walk } from '../../source/walk.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { mountPoint, noise, tempFolder, writeTree } from '../support/trees.js';

/** A second way to a folder; undefined where nothing can be mounted. */
function bindMount(t: TestContext, folder: string): string | undefined {
  const at = mountPoint(t);
  try {
    execFileSync('mount', ['--bind', folder, at], { stdio: 'ignore' });
    return at;
  } catch {
    return undefined;
  }
}

const everything = { names: [], globs: [] };
const refused = (type: string, words: RegExp) => (error: unknown) =>
  error instanceof ApplicationFailure && error.type === type && words.test(error.message);

test('a path that is or lies in a folder of ours is known as that, whatever leads there, and no other is', async (t) => {
  const { settings, tapeDir } = await setsInProcess(t);
  const { BACKUP_COMPRESS_DIR: staging, TAPEFLOW_DATA_DIR: data, TAPEFLOW_LOCK_DIR: locks } = settings;
  mkdirSync(path.join(tapeDir, '2026-11_000001'), { recursive: true });
  const whatIs = (given: string) => ownFolderAround(settings, given)?.what;
  assert.equal(whatIs(tapeDir), 'the tape folder of drive lto1');
  assert.equal(whatIs(path.join(tapeDir, '2026-11_000001')), 'the tape folder of drive lto1');
  assert.equal(whatIs(path.join(staging, 'not', 'there', 'yet')), 'the staging folder');
  assert.equal(whatIs(path.join(data, 'x')), 'the data folder');
  assert.equal(whatIs(locks), 'the lock folder');
  const link = path.join(tempFolder(t), 'link');
  symlinkSync(tapeDir, link);
  assert.equal(whatIs(path.join(link, 'new')), 'the tape folder of drive lto1');
  const bound = bindMount(t, tapeDir);
  if (bound !== undefined) assert.equal(whatIs(path.join(bound, 'new')), 'the tape folder of drive lto1');
  for (const other of [path.dirname(data), `${data}-2`, '/', tempFolder(t)])
    assert.equal(whatIs(other), undefined, other);
});

test('a source in a folder of ours is refused, and what is ours in a source is left out, whatever leads there', async (t) => {
  const { settings, tapeDir } = await setsInProcess(t);
  for (const source of [tapeDir, settings.TAPEFLOW_DATA_DIR, settings.TAPEFLOW_LOCK_DIR])
    await assert.rejects(
      requireSources(settings, [source], []),
      (error: TapeflowFailure) => error.code === 'SourceIsOurs' && error.sentence.includes(source),
    );
  const bound = bindMount(t, tapeDir);
  if (bound === undefined) return t.skip('nothing can be mounted here');
  writeFileSync(path.join(tapeDir, 'x'), 'x');
  await assert.rejects(requireSources(settings, [bound], []), { code: 'SourceIsOurs' });
  const leftOut: string[] = [];
  const options = { excludes: [], ownFolders: [], ownEntries: ownEntries(settings), after: undefined };
  const found = [...walk({ ...options, sources: [bound], onLeftOut: (at) => leftOut.push(at) })];
  assert.deepEqual([found, leftOut], [[], [`${bound}/`]]);
});

test('the worker restores nothing into a folder of ours, nor through what has taken the place of its target', async (t) => {
  const { settings, tapeDir, deps, attempt, catalog, backUp, restore } = await setsInProcess(t, {
    MAX_GROUP_SIZE: '1MB',
  });
  const source = tempFolder(t);
  writeTree(source, { a: noise(900_000, 'a'), b: noise(900_000, 'b') });
  const { setId } = await backUp(source, 'full');
  const inside = path.join(settings.BACKUP_COMPRESS_DIR, 'in');
  mkdirSync(inside, { recursive: true });
  for (const target of [tapeDir, path.join(tapeDir, setId), inside])
    await assert.rejects(
      restore(setId, target),
      refused('TargetUnusable', /which is the (tape|staging) folder/),
    );
  assert.deepEqual(readdirSync(inside), []);

  const root = tempFolder(t);
  const target = path.join(root, 'target');
  const victim = path.join(root, 'victim');
  for (const folder of [target, victim]) mkdirSync(folder);
  const { archives } = await planRestore(catalog, setId, everything);
  const wanted = { kind: 'restore', subject: setId, drive: 'lto1', target, overwrite: 'always' } as const;
  const selection = JSON.stringify(everything);
  const { id } = await insertRetrieval(catalog, { ...wanted, selection }, archives, []);
  await attempt(() => readArchive(deps, { id, no: 1 }));
  renameSync(target, `${target}-away`);
  symlinkSync(victim, target);
  await assert.rejects(
    attempt(() => readArchive(deps, { id, no: 2 })),
    refused('TargetUnusable', /symbolic link/),
  );
  assert.deepEqual(readdirSync(victim), []);
});

test('a folder of ours that lies in the target stays as it is, and what was to go there is named', async (t) => {
  const { deps, backUp, restore, settings } = await setsInProcess(t);
  const source = tempFolder(t);
  writeTree(source, { 'd/file': 'x', 'e/catalog.db': 'another one', f: 'f' });
  const { setId } = await backUp(source, 'full');
  const target = tempFolder(t);
  const own = path.join(target, source, 'd');
  mkdirSync(own, { recursive: true });
  chmodSync(own, 0o711);
  const file = path.join(target, source, 'e/catalog.db');
  mkdirSync(path.dirname(file));
  writeFileSync(file, 'ours');
  Object.assign(settings, { BACKUP_COMPRESS_DIR: own, CATALOG_URL: file });
  assert.equal(deps.settings.BACKUP_COMPRESS_DIR, own);
  const result = await restore(setId, target, everything, 'always');
  assert.equal(result.status, 'incomplete');
  const named = result.problems.map(({ path: at, reason }) => `${path.basename(String(at))}: ${reason}`);
  assert.match(named.join('\n'), /^file: the staging folder of tapeflow is in its place/m);
  assert.match(named.join('\n'), /^catalog.db: the catalog of tapeflow is in its place/m);
  assert.deepEqual(readdirSync(own), []);
  assert.equal(statSync(own).mode & 0o777, 0o711);
  assert.ok(statSync(path.join(target, source, 'f')).isFile());
});
