import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { markEnd } from '../../activities/tape/mark-end.js';
import { groupOf } from '../../catalog/groups/groups.js';
import { skipGroup } from '../../catalog/groups/skip-group.js';
import { setEndOf, unmarkedCopies } from '../../catalog/sets/set-end.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { missingMarks } from '../../client/follow/missing-marks.js';
import { endMarkName } from '../../entry/archive-name.js';
import { changeFiles } from '../support/file-rows.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { archivesOn, noise, tempFolder, writeTree } from '../support/trees.js';
import { endMarkOn } from '../support/two-tapes.js';

const fourGroups = { MAX_GROUP_SIZE: '100KB' };

/** A source of four groups. */
function fourFiles(t: TestContext): string {
  const source = tempFolder(t);
  for (const name of ['a', 'b', 'c', 'd']) writeTree(source, { [name]: noise(90_000, name) });
  return source;
}

const markFile = (tape: string, setId: string) => path.join(tape, setId, endMarkName(setId));

/** The manifests of a set without a key of their header, as a version before wrote them. */
function forgetKey(tape: string, setId: string, key: string): void {
  for (const archive of archivesOn(tape, setId)) {
    const manifest = archive.replace(/\.tar\.gz$/, '.manifest.jsonl.gz');
    const text = execFileSync('gzip', ['-dc', manifest], { maxBuffer: 1 << 28 }).toString();
    const old = text.replace(new RegExp(`,"${key}":true`), '');
    assert.notEqual(old, text);
    writeFileSync(manifest, execFileSync('gzip', ['-c'], { input: old }));
  }
}

test('a set that has ended says so on its tape, and a catalog that is read from it knows that nothing is missing', async (t) => {
  const sets = await setsInProcess(t, fourGroups);
  const { setId, status } = await sets.backUp(fourFiles(t), 'full');
  assert.equal(status, 'completed');
  const end = endMarkOn(sets.tapeDir, setId);
  assert.deepEqual([end.groups, end.entries, end.without], [4, 5, []]);
  assert.deepEqual(await unmarkedCopies(sets.catalog, setId), []);

  const { reading, catalog } = await sets.rebuilt();
  assert.deepEqual(reading.troubles, []);
  assert.deepEqual(
    reading.sets.map(({ state, ended, missing }) => [state, ended, missing]),
    [['completed', true, []]],
  );
  assert.match((await setNamed(catalog, setId)).reason ?? '', /groups 1 to 4, which is all of them$/);
});

test('a set that was cancelled in the middle is not complete after a rebuild: its mark tells what is missing', async (t) => {
  const sets = await setsInProcess(t, fourGroups);
  const setId = await sets.begin(fourFiles(t), 'full');
  for (const group of [1, 2]) await sets.store(setId, group);
  const { reading, catalog } = await sets.rebuilt();
  assert.deepEqual(
    reading.sets.map(({ state, ended, missing }) => [state, ended, missing]),
    [['failed', true, ['3–4']]],
  );
  assert.match(
    (await setNamed(catalog, setId)).reason ?? '',
    /groups 1 to 4, of which 3–4 on none that was read$/,
  );
});

test('a set whose scan had not ended has no mark, and is not complete after a rebuild', async (t) => {
  const sets = await setsInProcess(t, fourGroups);
  const source = fourFiles(t);
  const setId = await sets.begin(source, 'full');
  // As it is while the scan goes on: groups that are closed are stored already.
  await sets.catalog.updateTable('sets').set({ scanned: 0 }).where('id', '=', setId).execute();
  for (const group of [1, 2]) await sets.store(setId, group);
  assert.ok(!existsSync(markFile(sets.tapeDir, setId)));
  const { reading, catalog, restore } = await sets.rebuilt();
  assert.deepEqual(
    reading.sets.map(({ state, ended, missing }) => [state, ended, missing]),
    [['failed', false, []]],
  );
  assert.match(
    (await setNamed(catalog, setId)).reason ?? '',
    /no tape that was read tells that the set had ended/,
  );
  const restored = await restore(setId, tempFolder(t));
  assert.equal(
    restored.status,
    'incomplete',
    'what is there is restored, and that it may not be all is said',
  );
  assert.match(restored.problems[0]?.reason ?? '', /tells that the set had ended/);

  forgetKey(sets.tapeDir, setId, 'endMark');
  const before = await sets.rebuilt();
  assert.deepEqual(
    before.reading.sets.map(({ state, ended }) => [state, ended]),
    [['completed', null]],
    'of a set of a version that wrote no marks nobody knows',
  );
});

test('a group that was skipped is told by the mark; when it is stored later, the mark that comes then counts', async (t) => {
  const sets = await setsInProcess(t, fourGroups);
  const { attempt, catalog, deps, tapeDir } = sets;
  const setId = await sets.begin(fourFiles(t), 'full');
  for (const group of [1, 2, 3]) await sets.store(setId, group);
  const first = readFileSync(markFile(tapeDir, setId));
  const fourth = await groupOf(catalog, setId, 4);
  await catalog.transaction().execute((tx) => skipGroup(tx, fourth, 'larger than the tape', null));
  assert.deepEqual(
    (await unmarkedCopies(catalog, setId)).map(({ copyNo, tapeName }) => [copyNo, tapeName]),
    [[1, 'TAPE01']],
    'the mark on the tape is of before',
  );
  await attempt(() => markEnd(deps, setId, 1));
  assert.deepEqual(endMarkOn(tapeDir, setId).without, [[4, 4]]);
  assert.deepEqual(await unmarkedCopies(catalog, setId), []);
  const skipped = readFileSync(markFile(tapeDir, setId));
  const states = async () =>
    (await sets.rebuilt()).reading.sets.map(({ state, missing }) => [state, missing]);
  assert.deepEqual(await states(), [['completed_with_skips', []]]);

  await catalog
    .updateTable('groups')
    .set({ state: 'planned', reason: null })
    .where('set_id', '=', setId)
    .where('state', '=', 'skipped')
    .execute();
  await changeFiles(catalog, (files) => files.where('set_id', '=', setId).where('state', '=', 'skipped'), {
    state: 'planned',
    reason: null,
  });
  await sets.store(setId, 4);
  assert.deepEqual(endMarkOn(tapeDir, setId).without, []);
  assert.deepEqual(await states(), [['completed', []]]);
  // Marks of before on other tapes change nothing, whichever is read first.
  const rebuilt = await sets.rebuilt();
  for (const old of [first, skipped]) {
    writeFileSync(markFile(tapeDir, setId), old);
    await rebuilt.readAgain();
    assert.equal((await setNamed(rebuilt.catalog, setId)).state, 'completed');
  }
});

test('a mark that is forged, damaged or no file costs nothing but itself, when it is read and when it is written', async (t) => {
  const sets = await setsInProcess(t, fourGroups);
  const { tapeDir } = sets;
  const setId = await sets.begin(fourFiles(t), 'full');
  await sets.store(setId, 1);
  const file = markFile(tapeDir, setId);
  const good = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  const put = (content: string | object) => {
    rmSync(file, { recursive: true, force: true });
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  };
  const bad: [string, () => void, RegExp][] = [
    ['cut', () => put(JSON.stringify(good).slice(0, 40)), /it is not JSON/],
    ['other set', () => put({ ...good, set: '2020-01_000001' }), /it is of another set/],
    [
      'other uuid',
      () => put({ ...good, setUuid: '11111111-1111-4111-8111-111111111111' }),
      /another set of that number/,
    ],
    ['no count', () => put({ ...good, groups: -1 }), /its groups is wrong/],
    ['ranges', () => put({ ...good, without: [[3, 9]] }), /its without is wrong/],
    ['folder', () => (put(''), rmSync(file), mkdirSync(file)), /not a regular file/],
    ['link', () => (rmSync(file, { recursive: true }), symlinkSync('/dev/zero', file)), /not a regular file/],
    [
      'pipe',
      () => (rmSync(file, { force: true }), void execFileSync('mkfifo', [file])),
      /not a regular file/,
    ],
    ['huge', () => (put(''), truncateSync(file, 1 << 30)), /too long/],
  ];
  for (const [what, forge, trouble] of bad) {
    forge();
    const { reading } = await sets.rebuilt();
    assert.equal(reading.counts.added, 1, what);
    assert.match(reading.troubles.join(' '), trouble, what);
    assert.deepEqual(
      reading.sets.map(({ ended }) => ended),
      [false],
      what,
    );
  }
  put({ ...good, groups: 9_007_199_254_740_000, without: [[2, 9_007_199_254_730_000]] });
  assert.deepEqual(
    (await sets.rebuilt()).reading.sets.map(({ missing }) => missing),
    [['9007199254730001–9007199254740000']],
    'what it says is not counted out',
  );

  rmSync(file);
  mkdirSync(path.join(file, 'in the way'), { recursive: true });
  await sets.catalog.deleteFrom('end_marks').execute();
  await sets.store(setId, 2);
  assert.deepEqual(readdirSync(file), ['in the way']);
  const { state } = await sets.catalog.selectFrom('tapes').select('state').executeTakeFirstOrThrow();
  assert.equal(state, 'usable', 'the tape is not to blame');
  rmSync(file, { recursive: true });
  put({ ...good, setUuid: '11111111-1111-4111-8111-111111111111' });
  await sets.store(setId, 3);
  assert.equal(
    (JSON.parse(readFileSync(file, 'utf8')) as { setUuid: string }).setUuid[0],
    '1',
    'not ours to replace',
  );
  rmSync(file);
  await sets.store(setId, 4);
  const set = await setNamed(sets.catalog, setId);
  assert.equal((await setEndOf(sets.catalog, set))?.groups, endMarkOn(tapeDir, setId).groups);
});

test('a verify says of a whole set whose tape does not tell its end that the mark is missing, what that means and what helps', async (t) => {
  const sets = await setsInProcess(t, fourGroups);
  const source = fourFiles(t);
  const { setId } = await sets.backUp(source, 'full');
  const said = () => missingMarks(sets.catalog, setId);
  assert.equal((await sets.verify(setId)).status, 'completed');
  assert.deepEqual(await said(), []);
  assert.deepEqual(await unmarkedCopies(sets.catalog, setId), []);

  rmSync(markFile(sets.tapeDir, setId));
  assert.equal((await sets.verify(setId)).status, 'completed', 'it is no damage');
  const missing = new RegExp(
    `^Tape TAPE01 does not tell that the set ${setId} has ended: .* no damage, .* .tapeflow tape copy ${setId} --pool POOL.`,
  );
  assert.match((await said()).join('\n'), missing);
  assert.match((await missingMarks(sets.catalog, 'TAPE01')).join('\n'), missing);
  const { catalog, reading } = await sets.rebuilt();
  assert.equal(reading.sets[0]?.ended, false);
  assert.match(
    (await missingMarks(catalog, setId)).join('\n'),
    new RegExp(`^No tape that was read tells that the set ${setId} had ended: .* no damage`),
  );

  const unfinished = await sets.begin(source, 'full');
  await sets.store(unfinished, 1);
  rmSync(markFile(sets.tapeDir, unfinished));
  await sets.verify(unfinished);
  assert.deepEqual(await missingMarks(sets.catalog, unfinished), [], 'one that has not ended needs none');
});
