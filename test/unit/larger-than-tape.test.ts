import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { compressGroup } from '../../activities/set/compress-group.js';
import { compressToTape } from '../../activities/tape/compress-to-tape.js';
import { fetchArchive } from '../../activities/tape-copy/fetch-archive.js';
import { storeArchive } from '../../activities/tape-copy/store-archive.js';
import { watchForCopy } from '../../activities/tape-copy/watch-for-copy.js';
import { promoteArchive } from '../../activities/set/promote-archive.js';
import { finishRetrieval } from '../../activities/retrieval/finish-retrieval.js';
import { retryParkedGroups } from '../../activities/set/set-state.js';
import { cancelSet, finishSet } from '../../activities/set/finish-set.js';
import { watchTape } from '../../activities/tape/watch-tape.js';
import { writeToTape } from '../../activities/tape/write-to-tape.js';
import { planCopies } from '../../catalog/retrievals/plan/plan-copies.js';
import { insertRetrieval } from '../../catalog/retrievals/retrievals.js';
import { problemsOf } from '../../catalog/retrievals/retrieval-problems.js';
import { shrinkGroup } from '../../catalog/groups/oversized-groups.js';
import { summarizeSet } from '../../catalog/sets/set-summary.js';
import { recordSetState, reopenSet } from '../../catalog/sets/set-states.js';
import { copyDir } from '../../staging/paths.js';
import { insertTape, tapeByName } from '../../catalog/tapes/tapes.js';
import { poolLimit, setLimit } from '../../tape/requirements/tape-limit.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { SmallDisk } from '../support/small-disk.js';
import { archivesOn, listTar, noise, tempFolder, writeTree } from '../support/trees.js';
import { endMarkOn } from '../support/two-tapes.js';

const megabyte = 1_000_000;

/** Sets whose only tape holds two megabytes. */
async function smallTape(t: TestContext, env: Record<string, string> = {}) {
  const disk = SmallDisk.make(t, 2 * megabyte);
  if (disk === undefined) return undefined;
  const sets = await setsInProcess(t, { TAPE_PATH: disk.folder, ...env });
  const { catalog } = sets;
  /** As before anybody had labelled a tape, until what is returned is called. */
  const unknownTape = async () => {
    const row = await tapeByName(catalog, 'TAPE01');
    if (row === undefined) throw new Error('no tape');
    await catalog.deleteFrom('tapes').execute();
    return () => insertTape(catalog, row);
  };
  /** What is skipped of a set, by the last part of its name, with the reason. */
  const skipped = async (setId: string) => {
    const rows = await catalog
      .selectFrom('files')
      .select(['path', 'reason'])
      .where('set_id', '=', setId)
      .where('state', '=', 'skipped')
      .execute();
    return rows.map((row) => [path.basename(Buffer.from(row.path).toString()), row.reason ?? '']);
  };
  const stored = (setId: string) =>
    archivesOn(disk.folder, setId)
      .flatMap((archive) => listTar(archive))
      .map((name) => path.basename(name))
      .filter((name) => /^[a-z]$/.test(name))
      .sort();
  const staged = (setId: string) =>
    readdirSync(sets.settings.BACKUP_COMPRESS_DIR, { recursive: true, encoding: 'utf8' }).filter((name) =>
      path.basename(name).includes(setId + '_'),
    );
  return { ...sets, disk, unknownTape, skipped, stored, staged };
}

/** Small files and one that no tape of two megabytes takes, in what would be one group. */
function mixed(t: TestContext, large: Buffer | string = noise(3 * megabyte, 'large')): string {
  const source = tempFolder(t);
  writeTree(source, { a: 'small', m: large, z: noise(1000, 'z') });
  return source;
}

const failsAs = (type: string, says: RegExp) => (error: Error & { type?: string }) => {
  assert.equal(error.type, type, error.message);
  assert.match(error.message, says);
  return true;
};

test('a file larger than any tape of the pool is alone in its group and skipped with what it needs; a larger tape serves it with retry', async (t) => {
  const sets = await smallTape(t);
  if (sets === undefined) return;
  const { catalog, attempt, deps, disk } = sets;
  const { setId, status } = await sets.backUp(mixed(t), 'full');
  assert.equal(status, 'completed_with_skips');
  assert.deepEqual(sets.stored(setId), ['a', 'z']);
  const [[name, reason] = ['', '']] = await sets.skipped(setId);
  assert.equal(name, 'm');
  assert.match(
    reason ?? '',
    /^the file is larger than any tape of pool default \(it needs 3\.0\d MB, and the largest takes 1\.98 MB\): label a larger one, then `tapeflow retry \S+`$/,
  );
  assert.deepEqual(sets.staged(setId), []);
  assert.deepEqual(endMarkOn(disk.folder, setId).groups, (await sets.groupsOf(setId)).length);
  await reopenSet(catalog, setId, 'running');
  assert.deepEqual(await attempt(() => retryParkedGroups(deps, setId)), { groups: 0, first: 0 });
  await recordSetState(catalog, setId, 'completed_with_skips', null);

  execFileSync('mount', ['-o', `remount,size=${8 * megabyte}`, disk.folder]);
  await catalog
    .updateTable('tapes')
    .set({ capacity: 8 * megabyte })
    .execute();
  /** As `retry` says. */
  const goesOn = () => reopenSet(catalog, setId, 'running');
  const cancelled = async (discard: boolean) => (await attempt(() => cancelSet(deps, setId, discard))).status;
  await goesOn();
  assert.equal((await attempt(() => retryParkedGroups(deps, setId))).groups, 1);
  assert.equal(await cancelled(false), 'completed_with_skips', 'what it was before its retry');
  const skippedAgain = async () => (await sets.skipped(setId)).map(([file, why]) => `${file}: ${why}`);
  const again = [
    `m: it was too large for every tape before, and its \`retry\` was cancelled: \`tapeflow retry ${setId}\` resumes it`,
  ];
  assert.deepEqual(await skippedAgain(), again);

  // What is staged is kept, so that the set is unfinished; thrown away, it was never there.
  await goesOn();
  const taken = await attempt(() => retryParkedGroups(deps, setId));
  await attempt(() => compressGroup(deps, { setId, group: taken.first }));
  assert.equal(await cancelled(false), 'cancelled');
  assert.notDeepEqual(sets.staged(setId), []);
  assert.equal(await cancelled(true), 'completed_with_skips');
  assert.deepEqual(sets.staged(setId), []);
  assert.deepEqual(await skippedAgain(), again);
  assert.equal(await cancelled(false), 'completed_with_skips', 'it has ended');

  await goesOn();
  const { groups, first } = await attempt(() => retryParkedGroups(deps, setId));
  assert.equal(groups, 1);
  await sets.store(setId, first);
  await attempt(() => finishSet(deps, setId));
  assert.equal((await summarizeSet(catalog, setId)).status, 'completed');
  assert.deepEqual(sets.stored(setId), ['a', 'm', 'z']);
});

test('a file that its compression brings below the size of the tape is stored', async (t) => {
  const sets = await smallTape(t);
  if (sets === undefined) return;
  const { setId, status } = await sets.backUp(mixed(t, 'all the same\n'.repeat(300_000)), 'full');
  assert.equal(status, 'completed');
  assert.deepEqual(sets.stored(setId), ['a', 'm', 'z']);
});

test('one that neither staging nor a tape takes is not compressed to find out', async (t) => {
  const sets = await smallTape(t, { STAGING_MAX_BYTES: '2500KB', MAX_GROUP_SIZE: '2MB' });
  if (sets === undefined) return;
  const { attempt, deps, catalog } = sets;
  const setId = await sets.begin(mixed(t), 'full');
  // Of several copies, each is staged.
  await catalog.updateTable('groups').set({ direct: 0 }).execute();
  for (const group of await sets.groupsOf(setId)) await attempt(() => compressGroup(deps, { setId, group }));
  assert.deepEqual(
    (await sets.skipped(setId)).map(([name]) => name),
    ['m'],
  );
  const begun = await catalog
    .selectFrom('events')
    .select('group_no')
    .where('stage', '=', 'compressing')
    .execute();
  assert.equal(begun.length, (await sets.groupsOf(setId)).length - 1);
});

for (const alone of [false, true]) {
  test(`no tape was known before the archive was made, of ${alone ? 'the large file alone' : 'large and small files'}: the write takes it back, and no wait begins`, async (t) => {
    const sets = await smallTape(t, { STAGING_MAX_BYTES: '40MB', MAX_GROUP_SIZE: alone ? '1MB' : '10MB' });
    if (sets === undefined) return;
    const { attempt, deps, catalog } = sets;
    const known = await sets.unknownTape();
    const setId = await sets.begin(mixed(t), 'full');
    const groups = await sets.groupsOf(setId);
    for (const group of groups) await attempt(() => compressGroup(deps, { setId, group }));
    for (const group of groups) await attempt(() => promoteArchive(deps, { setId, group }));
    assert.deepEqual(await sets.skipped(setId), []);
    await known();
    const [large = 0] = await catalog
      .selectFrom('archives')
      .select('group_no')
      .where('size', '>', 2 * megabyte)
      .execute()
      .then((rows) => rows.map((row) => row.group_no));
    const ref = { setId, group: large };
    assert.equal(await attempt(() => watchTape(deps, ref)), '', 'a wait for a tape has an end');
    await assert.rejects(
      attempt(() => writeToTape(deps, ref)),
      failsAs('StagedArchiveDamaged', /is larger than any tape of pool default .* made again without/),
    );
    for (const group of groups) await sets.store(setId, group);
    await attempt(() => finishSet(deps, setId));
    assert.equal((await summarizeSet(catalog, setId)).status, 'completed_with_skips');
    assert.deepEqual(sets.stored(setId), ['a', 'z']);
    const [[name, reason] = ['', '']] = await sets.skipped(setId);
    assert.equal(name, 'm');
    assert.match(
      reason ?? '',
      alone ? /^the file is larger than any tape/ : /^left out, .* the next set stores it/,
    );
    assert.deepEqual(sets.staged(setId), [], 'nothing of it is left in staging');
  });

  test(`direct, planned before a tape was known, ${alone ? 'the large file alone: it is skipped' : 'large and small files: those are stored'}`, async (t) => {
    const sets = await smallTape(t, { STAGING_MAX_BYTES: '40MB', MAX_GROUP_SIZE: alone ? '1MB' : '10MB' });
    if (sets === undefined) return;
    const { attempt, deps } = sets;
    const known = await sets.unknownTape();
    const setId = await sets.begin(mixed(t), 'full');
    await sets.catalog.updateTable('groups').set({ direct: 1 }).execute();
    await known();
    for (const group of await sets.groupsOf(setId))
      await attempt(() => compressToTape(deps, { setId, group }));
    assert.deepEqual(sets.stored(setId), ['a', 'z']);
    assert.deepEqual(
      (await sets.skipped(setId)).map(([name]) => name),
      ['m'],
    );
  });
}

test('a group of which every file fits, and all together do not, keeps as many as fit; hard links go together', async (t) => {
  const sets = await smallTape(t);
  if (sets === undefined) return;
  const { attempt, deps } = sets;
  const known = await sets.unknownTape();
  const source = tempFolder(t);
  for (const name of ['a', 'b', 'c']) writeTree(source, { [name]: noise(900_000, name) });
  execFileSync('ln', [path.join(source, 'c'), path.join(source, 'd')]);
  writeFileSync(path.join(source, 'c'), noise(850_000, 'c'));
  const setId = await sets.begin(source, 'full');
  await known();
  const [group = 0] = await sets.groupsOf(setId);
  assert.equal(await attempt(() => compressGroup(deps, { setId, group })), undefined);
  await sets.store(setId, group);
  const skipped = (await sets.skipped(setId)).map(([name]) => name);
  assert.equal(skipped.length, 1, 'two names of one content take its bytes once');
  assert.deepEqual(
    sets.stored(setId),
    ['a', 'b', 'c', 'd'].filter((name) => name !== skipped[0]),
  );
  assert.ok(skipped[0] === 'a' || skipped[0] === 'b', 'the largest');
});

test('what counts is the smallest pool of a set, by its largest tape that is ours and not lost; a copy that cannot be made is said', async (t) => {
  const sets = await smallTape(t);
  if (sets === undefined) return;
  const { attempt, deps, catalog } = sets;
  const tape = await tapeByName(catalog, 'TAPE01');
  if (tape === undefined) throw new Error('no tape');
  const other = (
    name: string,
    pool: string,
    megabytes: number,
    state: 'usable' | 'lost' | 'foreign' = 'usable',
  ) => insertTape(catalog, { ...tape, name, uuid: name, pool, state, capacity: megabytes * megabyte });
  await other('B1', 'B', 1);
  await other('B2', 'B', 1.5);
  await other('B3', 'B', 9, 'lost');
  await other('B4', 'B', 9, 'foreign');
  await other('N1', 'nothing', 0);
  assert.equal(await poolLimit(catalog, 'B'), 1_485_000);
  assert.equal(await poolLimit(catalog, 'nothing'), undefined);
  assert.equal(await poolLimit(catalog, 'unknown'), undefined);
  const places = (...pools: string[]) => ({
    ...{ pool: pools[0] ?? '', drive: 'lto1' },
    places: JSON.stringify(pools.map((pool) => ({ pool, drive: 'lto1' }))),
  });
  assert.equal((await setLimit(catalog, places('default', 'B')))?.pool, 'B');
  assert.equal((await setLimit(catalog, places('unknown', 'default')))?.pool, 'default');
  assert.equal(await setLimit(catalog, places('unknown', 'nothing')), undefined);

  const source = tempFolder(t);
  writeTree(source, { m: noise(1_600_000, 'm') });
  const { setId } = await sets.backUp(source, 'full');
  const { archives } = await planCopies(catalog, { setId }, 'B', undefined);
  const copy = { kind: 'copy', subject: setId, drive: 'lto1', to_drive: 'lto1', target: null } as const;
  const begin = () =>
    insertRetrieval(catalog, { ...copy, overwrite: 'never', selection: '{}' }, archives, []);
  const { id } = await begin();
  const large = archives.length;
  const results: string[] = [];
  for (let no = 1; no <= large; no += 1) results.push(await attempt(() => fetchArchive(deps, { id, no })));
  assert.ok(results.includes('gone'), 'what no tape of the other pool takes is not even read');
  assert.match(
    (await problemsOf(catalog, id, 10))[0]?.reason ?? '',
    /^The archive of group \d+ of set \S+ is larger than any tape of pool B \(/,
  );
  assert.equal((await attempt(() => finishRetrieval(deps, id))).status, 'incomplete');

  // The tape that would take it is lost when it is staged already.
  const ref = { id: (await begin()).id, no: results.indexOf('gone') + 1 };
  const third = (state: 'usable' | 'lost') =>
    catalog.updateTable('tapes').set({ state }).where('name', '=', 'B3').execute();
  await third('usable');
  assert.equal(await attempt(() => fetchArchive(deps, ref)), 'staged');
  await third('lost');
  assert.equal(await attempt(() => watchForCopy(deps, ref)), null, 'a wait for a tape has an end');
  assert.equal(await attempt(() => storeArchive(deps, ref)), null);
  assert.match(
    (await problemsOf(catalog, ref.id, 10))[0]?.reason ?? '',
    /is larger than any tape of pool B \(/,
  );
  assert.deepEqual(readdirSync(copyDir(sets.settings.BACKUP_COMPRESS_DIR, ref.id)), []);

  // Nothing is left out of a group that has an archive.
  const rows = async () => [
    await catalog.selectFrom('files').selectAll().where('set_id', '=', setId).execute(),
    await catalog.selectFrom('groups').selectAll().where('set_id', '=', setId).execute(),
  ];
  const before = await rows();
  for (const group of await sets.groupsOf(setId)) {
    const leaving = { setId, group, limit: 1, needs: 2, reasons: { alone: 'x', amongOthers: 'x' } };
    assert.equal(await shrinkGroup(catalog, leaving), 'stuck');
  }
  assert.deepEqual(await rows(), before);

  await catalog
    .updateTable('sets')
    .set({ places: places('default', 'B').places })
    .where('id', '=', setId)
    .execute();
  const { group_no: group } = await catalog
    .selectFrom('archives')
    .select('group_no')
    .orderBy('size', 'desc')
    .executeTakeFirstOrThrow();
  await assert.rejects(
    attempt(() => writeToTape(deps, { setId, group, copyNo: 2 })),
    failsAs('ArchiveTooLarge', /larger than any tape of pool B .* Tape TAPE01 holds it\. .*makes copy 2 too/),
  );
});
