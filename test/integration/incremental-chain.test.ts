import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { fromBytes } from '../../entry/byte-string.js';
import { possibleLossNote } from '../../catalog/rebuilt/rebuilt-sets.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { setsInProcess } from '../support/sets-in-process.js';
import {
  longTest,
  archivesOn,
  assertSameTree,
  describeTree,
  listTar,
  noise,
  settled,
  tempFolder,
  writeTree,
} from '../support/trees.js';

const exactly = { folderTimes: true };

function firstTree(root: string): void {
  writeTree(root, {
    'a/keep': noise(600_000, 'keep'),
    'a/same size': 'aaaa',
    'a/append': 'begin',
    'a/delete': 'delete',
    'a/rename': noise(50_000, 'rename'),
    'a/chmod': 'chmod',
    'a/touch': 'touch',
    'a/becomes folder': 'file',
    'b/becomes file/inner': 'inner',
    'b/swap 1/f': 'one',
    'b/swap 2/f': 'two',
    'b/linked': noise(40_000, 'linked'),
    'c/large': noise(2_500_000, 'large'),
    'z/last': 'last',
    'gone/with all': 'in it',
  });
  // As two files of one size and time that trade places.
  for (const one of ['1', '2']) utimesSync(path.join(root, `b/swap ${one}/f`), 1e9, 1e9);
  linkSync(path.join(root, 'b/linked'), path.join(root, 'b/linked too'));
  linkSync(path.join(root, 'b/linked'), path.join(root, 'z/linked far away'));
  writeFileSync(Buffer.from(`${root}/b/latin\xe9`, 'latin1'), 'no utf-8');
  symlinkSync('../a/keep', path.join(root, 'b/link'));
  mkdirSync(path.join(root, 'empty'), { mode: 0o1750 });
}

function firstChanges(root: string): void {
  const at = (name: string) => path.join(root, name);
  const { atime, mtime } = statSync(at('a/same size'));
  writeFileSync(at('a/same size'), 'bbbb');
  utimesSync(at('a/same size'), atime, mtime);
  appendFileSync(at('a/append'), ' and more');
  rmSync(at('a/delete'));
  renameSync(at('a/rename'), at('c/renamed'));
  chmodSync(at('a/chmod'), 0o4711);
  utimesSync(at('a/touch'), 1e9, 1e9);
  rmSync(at('a/becomes folder'));
  writeTree(root, { 'a/becomes folder/new': 'new', 'a/new': 'new' });
  rmSync(at('b/becomes file'), { recursive: true });
  writeTree(root, { 'b/becomes file': 'now a file' });
  renameSync(at('b/swap 1'), at('b/swap'));
  renameSync(at('b/swap 2'), at('b/swap 1'));
  renameSync(at('b/swap'), at('b/swap 2'));
  rmSync(at('gone'), { recursive: true });
}

function secondChanges(root: string): void {
  const at = (name: string) => path.join(root, name);
  appendFileSync(at('a/new'), ' again');
  linkSync(at('b/linked'), at('a/a new name of it'));
  rmSync(at('a/becomes folder'), { recursive: true });
  writeTree(root, { 'a/becomes folder': 'a file again', 'gone/with all': 'back, in other words' });
  rmSync(at('empty'), { recursive: true });
  writeTree(root, { 'a/delete': 'another of that name' });
}

test('each set of a chain brings back its tree exactly, and stores only what has changed', async (t) => {
  const source = tempFolder(t);
  firstTree(source);
  await settled(source);
  const sets = await setsInProcess(t, { MAX_GROUP_SIZE: '1MB' });
  const points: { setId: string; copy: string }[] = [];
  const chain: (string | null)[][] = [];
  const backUp = async (mode: string) => {
    const copy = path.join(tempFolder(t), 'copy');
    execFileSync('cp', ['-a', source, copy]);
    const summary = await sets.backUp(source, mode);
    assert.equal(summary.status, 'completed');
    points.push({ setId: summary.setId, copy });
    chain.push([summary.mode, summary.base]);
    return summary;
  };
  const full = await backUp('incremental');
  firstChanges(source);
  const first = await backUp('incremental');
  secondChanges(source);
  const second = await backUp('incremental');
  rmSync(path.join(source, 'z/last'));
  await backUp('differential');

  assert.deepEqual(chain, [
    ['full', null],
    ['incremental', full.setId],
    ['incremental', first.setId],
    ['differential', full.setId],
  ]);
  for (const { setId, copy } of points) {
    const target = tempFolder(t);
    const { status, problems } = await sets.restore(setId, target);
    assert.deepEqual([status, problems], ['completed', []]);
    assertSameTree(path.join(target, source), copy, exactly);
    assert.deepEqual((await sets.verify(setId)).status, 'completed');
  }

  const stored = archivesOn(sets.tapeDir, first.setId).flatMap(listTar);
  assert.deepEqual(
    stored
      .filter((name) => !name.endsWith('/'))
      .map((name) => name.slice(source.length))
      .sort(),
    ['a/append', 'a/becomes folder/new', 'a/new', 'a/same size', 'b/becomes file', 'b/link']
      .concat(['b/swap 1/f', 'b/swap 2/f', 'c/renamed'])
      .sort(),
  );
  assert.ok(first.bytesIn < 60_000 && full.bytesIn > 3_000_000, `${first.bytesIn} of ${full.bytesIn} bytes`);
  const tree = Object.keys(describeTree(points[2]?.copy ?? '')).sort();
  assert.equal(second.unchanged + second.files, tree.length + 1, 'all that is there, and the source itself');
  const listed = manifestNames(path.join(sets.tapeDir, second.setId), source);
  assert.deepEqual(
    ['a/becomes folder/new', 'a/keep', 'a/new', 'c/large'].filter((name) => listed.includes(name)),
    ['a/becomes folder/new', 'a/new'],
    'only what is new or gone has a line on the tape',
  );

  const fresh = await sets.rebuilt();
  for (const { setId, copy } of points) {
    const target = tempFolder(t);
    const { status, problems } = await fresh.restore(setId, target);
    assert.deepEqual([status, problems], ['completed', []]);
    assertSameTree(path.join(target, source), copy, exactly);
  }
});

/** Names of all that the manifests in a folder list, relative to the source, without the source itself. */
function manifestNames(folder: string, source: string): string[] {
  const nameOf = (line: Record<string, string>) =>
    line['name'] ??
    line['kept'] ??
    line['gone'] ??
    Buffer.from(line['nameBase64'] ?? line['keptBase64'] ?? '', 'base64').toString('latin1');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl.gz'))
    .flatMap((name) =>
      gunzipSync(readFileSync(path.join(folder, name)))
        .toString()
        .trim()
        .split('\n')
        .slice(1, -1),
    )
    .map((line) =>
      nameOf(JSON.parse(line) as Record<string, string>)
        .replace(/\/$/, '')
        .slice(source.length),
    )
    .filter((name) => name !== '')
    .sort();
}

test('with a missing link of the chain the rest is restored and the files are named; the next set stores them again', async (t) => {
  const source = tempFolder(t);
  writeTree(source, { 'a/lost': noise(900_000, 'lost'), 'b/there': noise(900_000, 'there') });
  await settled(source);
  const sets = await setsInProcess(t, { MAX_GROUP_SIZE: '1MB' });
  const full = await sets.backUp(source, 'full');
  writeTree(source, { new: 'new' });
  const next = await sets.backUp(source, 'incremental');
  await sets.catalog
    .updateTable('copies')
    .set({ state: 'lost' })
    .where('set_id', '=', full.setId)
    .where('group_no', '=', 1)
    .execute();

  const target = tempFolder(t);
  const { status, problems } = await sets.restore(next.setId, target);
  assert.equal(status, 'incomplete');
  assert.deepEqual(
    problems.map(({ path: name, reason }) => [name === null ? '' : `/${fromBytes(name)}`, reason]),
    [
      [
        path.join(source, 'a/lost'),
        `Unchanged since set ${full.setId}, whose group 1 is on no tape that the catalog knows.`,
      ],
    ],
  );
  const there = Object.keys(describeTree(path.join(target, source))).sort();
  assert.deepEqual(there, ['a', 'b', 'b/there', 'new']);

  const healed = await sets.backUp(source, 'incremental');
  const again = tempFolder(t);
  assert.equal((await sets.restore(healed.setId, again)).status, 'completed');
  assertSameTree(path.join(again, source), source, exactly);
});

test('a further name of an unchanged file alone brings its content; an archive of nothing but unchanged files is good', async (t) => {
  const source = tempFolder(t);
  writeTree(source, { a: 'a', first: noise(100_000, 'linked'), other: 'x' });
  linkSync(path.join(source, 'first'), path.join(source, 'further'));
  await settled(source);
  const sets = await setsInProcess(t, { MAX_GROUP_FILES: '2' });
  await sets.backUp(source, 'full');
  writeTree(source, { other: 'changed' });
  const { setId } = await sets.backUp(source, 'incremental');
  const target = tempFolder(t);
  const further = path.join(source, 'further');
  const { status } = await sets.restore(setId, target, { names: [further.slice(1)], globs: [] });
  assert.equal(status, 'completed');
  assert.deepEqual(readFileSync(path.join(target, further)), readFileSync(further));

  const archives = archivesOn(sets.tapeDir, setId);
  assert.deepEqual(
    archives.map((archive) => listTar(archive).filter((name) => name !== '').length),
    [1, 0, 1],
  );
  assert.equal((await sets.verify(setId)).status, 'completed');

  const without = await sets.backUp(source, 'incremental', [path.join(source, 'first')]);
  const alone = tempFolder(t);
  assert.equal((await sets.restore(without.setId, alone)).status, 'completed');
  assert.deepEqual(readdirSync(path.join(alone, source)).sort(), ['a', 'further', 'other']);
  assert.deepEqual(readFileSync(path.join(alone, further)), readFileSync(further));
});

test(
  'of an incremental set whose manifests are lost, what its archives hold is restored, and it is said that the rest is not known',
  { skip: longTest },
  async (t) => {
    const source = tempFolder(t);
    writeTree(source, { 'a/kept': 'a', 'a/new': 'old', 'b/kept': 'b', 'b/new': 'old' });
    await settled(source);
    const sets = await setsInProcess(t, { MAX_GROUP_FILES: '3' });
    await sets.backUp(source, 'full');
    writeTree(source, { 'a/new': 'new', 'b/new': 'new' });
    const { setId } = await sets.backUp(source, 'incremental');
    const [first = '', ...others] = archivesOn(sets.tapeDir, setId).map((archive) =>
      archive.replace(/\.tar\.gz$/, '.manifest.jsonl.gz'),
    );

    rmSync(first);
    const { catalog, reading, restore } = await sets.rebuilt();
    const told = reading.sets.find((set) => set.setId === setId);
    assert.deepEqual([told?.state, told?.partial, told?.missing], ['failed', ['1'], []]);
    const target = tempFolder(t);
    const { status, problems } = await restore(setId, target);
    assert.equal(status, 'incomplete');
    assert.match(
      problems[0]?.reason ?? '',
      /of which 1 without a manifest, which alone tells what .* hold\.$/,
    );
    assert.deepEqual(Object.keys(describeTree(path.join(target, source))).sort(), [
      ...['a', 'a/new', 'b', 'b/kept', 'b/new'],
    ]);
    assert.equal(possibleLossNote(await setNamed(catalog, setId)), undefined);

    for (const manifest of others) rmSync(manifest);
    const none = await sets.rebuilt();
    assert.match(
      possibleLossNote(await setNamed(none.catalog, setId)) ?? '',
      /no manifest of it was read, so that if it builds on an earlier set, only what had changed is known\.$/,
    );
  },
);
