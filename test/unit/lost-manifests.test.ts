import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fetchArchive } from '../../activities/tape-copy/fetch-archive.js';
import { storeArchive } from '../../activities/tape-copy/store-archive.js';
import { syncCopies } from '../../activities/tape-copy/sync-copies.js';
import { finishRetrieval } from '../../activities/retrieval/finish-retrieval.js';
import { examineManifest, manifestEntries } from '../../archive/manifest/examine-manifest.js';
import { planCopies, planRepair } from '../../catalog/retrievals/plan/plan-copies.js';
import { insertRetrieval, pendingArchives } from '../../catalog/retrievals/retrievals.js';
import { tapeByName } from '../../catalog/tapes/tapes.js';
import { labelTape } from '../../operations/tapes/label-tape.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { assertSameTree, noise, tempFolder, writeTree } from '../support/trees.js';
import { FolderDrive } from '../support/two-tapes.js';

test('an archive whose manifest is lost is whole: verify says so, it is copied, and the copy gets a manifest', async (t) => {
  const drive = FolderDrive.in(t);
  drive.load('A1');
  const sets = await setsInProcess(t, { TAPE_PATH: drive.path });
  const { deps, attempt, catalog } = sets;
  const source = tempFolder(t);
  writeTree(source, { a: noise(50_000, 'a'), 'b/c': 'c' });
  const { setId } = await sets.backUp(source, 'full');
  const folder = (tape: string) => path.join(drive.at(tape), setId);
  const manifestOf = (tape: string) =>
    path.join(folder(tape), readdirSync(folder(tape)).find((name) => name.includes('manifest')) ?? 'none');
  const entries = async (file: string) => {
    const found: string[] = [];
    for await (const entry of manifestEntries(file))
      // Where the content begins is told by the archive, and links of folders count for nothing: the catalog keeps
      // neither.
      found.push(
        JSON.stringify(entry, (key, value: unknown) =>
          ['contentOffset', 'nlink'].includes(key) ? null : value,
        ),
      );
    return found;
  };
  const before = await entries(manifestOf('A1'));
  rmSync(manifestOf('A1'));
  const copies = () => catalog.selectFrom('copies').selectAll().orderBy('copy_no').execute();

  const { status, problems } = await sets.verify(setId);
  assert.equal(status, 'incomplete');
  assert.equal(problems.length, 1);
  assert.match(
    problems[0]?.reason ?? '',
    /^The manifest .* is not on the tape; the archive itself is intact\. .*--repair/,
  );
  assert.deepEqual(
    (await copies()).map((copy) => [copy.damage, copy.manifest_sha256]),
    [[null, '']],
    'known not to be there, and no damage',
  );
  const target = tempFolder(t);
  assert.equal((await sets.restore(setId, target)).status, 'completed');
  assertSameTree(path.join(target, source), source, { folderTimes: true });

  const repair = await planRepair(catalog, { setId }, undefined);
  assert.deepEqual([repair.archives.length, repair.problems], [1, []]);
  const { archives } = await planCopies(catalog, { setId }, 'B', undefined);
  assert.equal(archives.length, 1);
  const row = { kind: 'copy', subject: setId, drive: 'lto1', target: null, overwrite: 'never' } as const;
  const { id } = await insertRetrieval(catalog, { ...row, selection: '{}' }, archives, []);
  const [{ no } = { no: 0 }] = await pendingArchives(catalog, id, 1);
  assert.equal(await attempt(() => fetchArchive(deps, { id, no })), 'staged');
  drive.load('B1');
  await labelTape(deps.drive, deps.lock, catalog, { name: 'B1', pool: 'B', force: false });
  await attempt(() => storeArchive(deps, { id, no }));
  const b1 = (await tapeByName(catalog, 'B1')) ?? assert.fail();
  const synced = await attempt(() => syncCopies(deps, id, b1.uuid, [no]));
  assert.deepEqual(synced, { committed: [no], lost: [] }, 'with the size that its own manifest has');
  assert.equal((await attempt(() => finishRetrieval(deps, id))).status, 'completed');

  const archive = archives[0] ?? assert.fail();
  const names = readdirSync(folder('B1')).filter((name) => !name.includes('manifest'));
  const facts = await examineManifest(manifestOf('B1'), {
    ...{ set: setId, group: archive.group, archives: names },
  });
  assert.ok(!('wrong' in facts), JSON.stringify(facts));
  assert.deepEqual(await entries(manifestOf('B1')), before, 'it tells what the lost one did');
  await catalog.deleteFrom('copies').where('copy_no', '=', 1).execute();
  assert.equal(
    (await sets.verify(setId)).status,
    'completed',
    'its own manifest is what it is compared with',
  );

  const { catalog: fresh, restore } = await sets.rebuilt();
  const again = tempFolder(t);
  assert.equal((await restore(setId, again)).status, 'completed');
  assert.equal((await fresh.selectFrom('sets').select('state').executeTakeFirstOrThrow()).state, 'completed');
});

test('a restore of a set of which every manifest is lost says what it cannot know, and is not complete', async (t) => {
  const sets = await setsInProcess(t);
  const source = tempFolder(t);
  writeTree(source, { a: 'a' });
  const { setId } = await sets.backUp(source, 'full');
  const folder = path.join(sets.tapeDir, setId);
  for (const name of readdirSync(folder)) if (name.includes('manifest')) rmSync(path.join(folder, name));
  const { restore, verify } = await sets.rebuilt();
  const target = tempFolder(t);
  const { status, problems } = await restore(setId, target);
  assert.equal(status, 'incomplete');
  assert.match(
    problems.map(({ reason }) => reason).join(' '),
    /no manifest of it was read, so that if it builds on an earlier set/,
  );
  assertSameTree(path.join(target, source), source, { folderTimes: true });
  const verified = await verify(setId);
  assert.match(verified.problems[0]?.reason ?? '', /is not on the tape; the archive itself is intact/);
  assert.equal(verified.problems.length, 1);
});
