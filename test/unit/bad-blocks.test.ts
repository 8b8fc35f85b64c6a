import assert from 'node:assert/strict';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import type { Attempt } from '../../operations/attempt.js';
import { compressToTape } from '../../activities/tape/compress-to-tape.js';
import { onMedium } from '../../operations/copies/on-medium.js';
import { releaseArchives } from '../../activities/set/release-archives.js';
import { scanSources } from '../../activities/set/scan-sources.js';
import { snapshotOptions } from '../../operations/sets/set-options.js';
import { finishSet } from '../../activities/set/finish-set.js';
import { syncTape } from '../../activities/tape/sync-tape.js';
import { fetchArchive } from '../../activities/tape-copy/fetch-archive.js';
import { storeArchive } from '../../activities/tape-copy/store-archive.js';
import { syncCopies } from '../../activities/tape-copy/sync-copies.js';
import { readArchive } from '../../activities/retrieval/read-archive.js';
import { finishRetrieval } from '../../activities/retrieval/finish-retrieval.js';
import { decodeBlocks } from '../../entry/block-index.js';
import { fromBytes } from '../../entry/byte-string.js';
import { paddedBytes } from '../../archive/tar/tar-records.js';
import { planVerify } from '../../catalog/retrievals/plan/plan-verify.js';
import { problemsOf } from '../../catalog/retrievals/retrieval-problems.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { archiveOf } from '../../catalog/groups/groups.js';
import { planCopies } from '../../catalog/retrievals/plan/plan-copies.js';
import { planRestore } from '../../catalog/retrievals/plan/plan-restore.js';
import {
  insertRetrieval,
  pendingArchives,
  type PlannedArchive,
} from '../../catalog/retrievals/retrievals.js';
import { tapeByName } from '../../catalog/tapes/tapes.js';
import { SideError, type Side } from '../../config/sides.js';
import { labelTape } from '../../operations/tapes/label-tape.js';
import { identifyTape } from '../../tape/drives/loaded-tape.js';
import { changeFiles } from '../support/file-rows.js';
import { FakeLtfs } from '../support/fake-ltfs.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { assertSameTree, longTest, noise, tempFolder, writeTree } from '../support/trees.js';

const page = 4096;

/** A set of one archive on a tape whose reads can be made to fail; its caches are empty. */
async function setOnTape(t: TestContext, env: Record<string, string> = {}) {
  const ltfs = await FakeLtfs.make(t);
  if (ltfs === undefined) return undefined;
  const sets = await setsInProcess(t, { TAPE_PATH: ltfs.mount, ...env });
  const source = tempFolder(t);
  for (let i = 0; i < 9; i += 1) writeTree(source, { [`large-${i}`]: noise(600_000, `large ${i}`) });
  for (let i = 0; i < 40; i += 1) writeTree(source, { [`small/${i}`]: noise(3000, `small ${i}`) });
  const { setId } = await sets.backUp(source, 'full');
  await ltfs.eject();
  await ltfs.load();
  const archive = (await archiveOf(sets.catalog, setId, 1)) ?? assert.fail();
  /** Names below the source of the files that lie on some bytes of the archive. */
  async function filesOn(from: number, to: number): Promise<string[]> {
    let [first, last] = [from, to];
    if (archive.name.endsWith('.gz')) {
      let at = 0;
      const blocks = decodeBlocks(archive.blocks ?? assert.fail());
      const bounds = blocks.map((bytes) => [at, (at += bytes)] as const);
      const hit = bounds.map(([a, b], block) => (a < to && from < b ? block : -1)).filter((n) => n >= 0);
      first = (hit[0] ?? 0) * (archive.block_bytes ?? 0);
      last = ((hit.at(-1) ?? 0) + 1) * (archive.block_bytes ?? 0);
    }
    const rows = await sets.catalog.selectFrom('files').selectAll().orderBy('tar_offset').execute();
    const ends = [...rows.slice(1).map((row) => row.tar_offset ?? 0), Infinity];
    return rows
      .filter((row, i) => {
        const begin = row.tar_offset ?? 0;
        // The content's padding is nobody's.
        const padding = paddedBytes(row.size) - row.size;
        const end = (ends[i] === Infinity ? begin + 512 + paddedBytes(row.size) : (ends[i] ?? 0)) - padding;
        return row.type === 'file' && begin < last && first < end;
      })
      .map((row) => path.relative(source, `/${fromBytes(row.path)}`))
      .sort();
  }
  const bad = (...ranges: (readonly [number, number])[]) =>
    ltfs.faults({ read: { errno: 'EIO', path: archive.name, ranges } });
  const named = (problems: { path: Uint8Array | null }[]) =>
    problems
      .flatMap((problem) =>
        problem.path === null ? [] : [path.relative(source, `/${fromBytes(problem.path)}`)],
      )
      .sort();
  return { ...sets, ltfs, source, setId, archive, filesOn, bad, named };
}

for (const compression of ['gzip', 'none']) {
  test(
    `${compression}: a page of a tape that cannot be read costs the files that lie on it, and each is named`,
    { skip: compression === 'none' && longTest },
    async (t) => {
      const set = await setOnTape(t, { COMPRESSION: compression });
      if (set === undefined) return;
      const { setId, source, archive, catalog } = set;
      const from = Math.floor(archive.size / 2 / page) * page;
      set.bad([from, from + page]);
      const lost = await set.filesOn(from, from + page);
      assert.ok(lost.length >= 1 && lost.length <= 4, lost.join(', '));

      const target = tempFolder(t);
      const restored = await set.restore(setId, target);
      assert.equal(restored.status, 'incomplete');
      assert.deepEqual(set.named(restored.problems), lost);
      assert.match(restored.problems[0]?.reason ?? '', /cannot be read: input\/output error/);
      for (const name of lost) {
        rmSync(path.join(source, name));
        mkdirSync(path.join(target, source), { recursive: true });
      }
      assertSameTree(path.join(target, source), source, { folderTimes: false });
      const damage = async () =>
        (await catalog.selectFrom('copies').select('damage').executeTakeFirstOrThrow()).damage;
      assert.match((await damage()) ?? '', /cannot be read/);

      const verified = await set.verify(setId);
      assert.deepEqual(set.named(verified.problems), lost);
      assert.equal(
        verified.problems.filter((problem) => problem.path === null).length,
        1,
        'and the bytes too',
      );
      assert.equal(verified.status, 'incomplete');

      set.ltfs.faults({});
      assert.equal((await set.verify(setId)).status, 'completed');
      assert.equal(await damage(), null, 'what can be read again is good');
    },
  );
}

for (const compression of ['gzip', 'none'])
  test(
    `${compression}: with salvage a damaged file comes back with zeros for what cannot be read, and a good one stays`,
    { skip: compression === 'gzip' && longTest },
    async (t) => {
      const set = await setOnTape(t, { COMPRESSION: compression });
      if (set === undefined) return;
      const { setId, source, archive } = set;
      const from = Math.floor(archive.size / 2 / page) * page;
      set.bad([from, from + page]);
      const lost = await set.filesOn(from, from + page);
      const target = tempFolder(t);
      const salvage = (overwrite = 'never') =>
        set.restore(setId, target, undefined, overwrite, { salvage: 1 });
      const { status, problems } = await salvage();
      assert.equal(status, 'incomplete');
      assert.deepEqual(set.named(problems), lost);
      // A file that lies in a bad block as a whole is lost.
      const [some, none] = [true, false].map((is) =>
        set.named(problems.filter(({ reason }) => reason.startsWith('it was salvaged') === is)),
      ) as [string[], string[]];
      assert.ok(some.length > 0);
      if (compression === 'none') assert.deepEqual(none, []);
      for (const name of none) assert.equal(existsSync(path.join(target + source, name)), false);
      for (const { reason } of problems)
        assert.match(
          reason,
          /^it was salvaged: [\d,]+ bytes of 600,000 bytes cannot be read and are zeros \(|cannot be read: input/,
        );
      let zeros = 0;
      for (const name of some) {
        const [was, is] = [source, target + source].map((folder) => readFileSync(path.join(folder, name)));
        assert.equal(is?.length, was?.length);
        for (let at = 0; at < 600_000; at += 1) {
          if (is?.[at] === was?.[at]) continue;
          assert.equal(is?.[at], 0, 'a byte is what it was, or a zero');
          zeros += 1;
        }
      }
      // A 256th of noise is zero anyway, and between two files are headers.
      const most = compression === 'none' ? page : 1024 * 1024;
      assert.ok(zeros > 0.5 * page && zeros <= most, `${zeros} zeros`);

      const again = await salvage();
      assert.deepEqual(again.problems, problems, 'done again, nothing is worse and all are named');
      const at = (root: string, file: string) => path.join(root, file);
      // Also of files whose headers lie in the bad block.
      for (const file of lost) writeFileSync(at(target + source, file), readFileSync(at(source, file)));
      for (const overwrite of ['never', 'if-newer', 'always']) {
        assert.deepEqual((await salvage(overwrite)).problems, [], `${overwrite}: good files are no problem`);
        for (const file of lost)
          assert.ok(
            readFileSync(at(target + source, file)).equals(readFileSync(at(source, file))),
            overwrite,
          );
      }
      const [name = ''] = some;
      const there = at(target + source, name);
      const [isTime, wasTime] = [there, at(source, name)].map(
        (file) => statSync(file, { bigint: true }).mtimeNs / 1000n,
      );
      assert.equal(isTime, wasTime, 'their times are put right, at least to the microsecond');
      // What is neither good nor salvaged stays unless anything may be replaced, and by salvaging alone.
      writeFileSync(there, 'another');
      const reasonOf = (all: { path: Uint8Array | null; reason: string }[]) =>
        all.find((problem) => set.named([problem])[0] === name)?.reason ?? '';
      assert.match(reasonOf((await salvage()).problems), /something else is in its place/);
      await set.restore(setId, target, undefined, 'always');
      assert.equal(readFileSync(there, 'utf8'), 'another');
      assert.match(reasonOf((await salvage('always')).problems), /^it was salvaged/);
      assert.equal(readFileSync(there).length, 600_000);
    },
  );

test('a file that is not whole in the backup replaces a good one only with salvage', async (t) => {
  const { backUp, catalog, restore } = await setsInProcess(t);
  const source = tempFolder(t);
  writeTree(source, { torn: 'old!' });
  const { setId } = await backUp(source, 'full');
  const shrank = { state: 'skipped', reason: 'it shrank', sha256: null } as const;
  await changeFiles(catalog, (files) => files.where('type', '=', 'file'), shrank);
  const target = tempFolder(t);
  const there = path.join(target, source, 'torn');
  const reasons = async (overwrite: string, more = {}) =>
    (await restore(setId, target, undefined, overwrite, more)).problems.map(({ reason }) => reason);
  const named = 'It is not whole in the backup: it shrank';
  assert.deepEqual(await reasons('never'), [named]);
  assert.equal(readFileSync(there, 'utf8'), 'old!', 'where nothing is, it is better than nothing');
  writeFileSync(there, 'good');
  const refused = 'what is in its place stays: this version is not whole (see --salvage)';
  assert.deepEqual(await reasons('always'), [named, refused]);
  assert.equal(readFileSync(there, 'utf8'), 'good');
  assert.deepEqual(await reasons('always', { salvage: 1 }), [named]);
  assert.equal(readFileSync(there, 'utf8'), 'old!');
});

test('a page at the end of an archive, where no file lies, costs no file; a verify tells it all the same', async (t) => {
  const set = await setOnTape(t, { COMPRESSION: 'none' });
  if (set === undefined) return;
  set.bad([Math.floor((set.archive.size - 1) / page) * page, set.archive.size]);
  const target = tempFolder(t);
  const { status } = await set.restore(set.setId, target);
  assert.equal(status, 'completed');
  assertSameTree(path.join(target, set.source), set.source, { folderTimes: false });
  const verified = await set.verify(set.setId);
  assert.deepEqual([verified.status, verified.problems.length], ['incomplete', 1]);
  assert.match(verified.problems[0]?.reason ?? '', /block \d+ of \d+: bytes \d+ to \d+ of the file cannot/);
});

test('a read that fails twice and then succeeds costs nothing, and nothing is marked', async (t) => {
  const set = await setOnTape(t);
  if (set === undefined) return;
  set.ltfs.faults({ read: { errno: 'EIO', path: set.archive.name, times: 2 } });
  assert.equal((await set.verify(set.setId)).status, 'completed');
});

/** The set with a second copy, and a loader for the tape of either. */
async function setOnTwoTapes(t: TestContext) {
  const set = await setOnTape(t);
  if (set === undefined) return undefined;
  const { setId, ltfs, deps, attempt, catalog } = set;
  const stores = [ltfs.store, tempFolder(t)] as const;
  const load = async (tape: 0 | 1) => {
    await ltfs.eject();
    ltfs.store = stores[tape];
    await ltfs.load();
  };
  const pending = (id: string) => pendingArchives(catalog, id, 10);
  const begin = async (
    kind: 'restore' | 'copy' | 'verify',
    archives: PlannedArchive[],
    target: string | null,
    salvage = 0,
  ) => {
    const row = { kind, subject: setId, drive: 'lto1', target, overwrite: 'never', selection: '{}', salvage };
    return (await insertRetrieval(catalog, row, archives, [])).id;
  };
  const id = await begin('copy', (await planCopies(catalog, { setId }, 'B', undefined)).archives, null);
  assert.equal(await attempt(() => fetchArchive(deps, { id, no: 1 })), 'staged');
  await load(1);
  await labelTape(deps.drive, deps.lock, catalog, { name: 'B1', pool: 'B', force: false });
  await attempt(() => storeArchive(deps, { id, no: 1 }));
  const b1 = (await tapeByName(catalog, 'B1')) ?? assert.fail();
  await attempt(() => syncCopies(deps, id, b1.uuid, [1]));
  await attempt(() => finishRetrieval(deps, id));
  const tapeOf = (uuid: string) => (uuid === b1.uuid ? 1 : 0);
  /** Reads all that is pending, with the tape in the drive that each archive is wanted of. */
  async function readAll(retrieval: string): Promise<number[]> {
    const tapes: number[] = [];
    for (let [next] = await pending(retrieval); next !== undefined; [next] = await pending(retrieval)) {
      const { no, tape_uuid: uuid } = next;
      await load(tapeOf(uuid));
      tapes.push(tapeOf(uuid));
      await attempt(() => readArchive(deps, { id: retrieval, no }));
    }
    return tapes;
  }
  const restore = async (salvage = 0) => {
    const target = tempFolder(t);
    const everything = { names: [], globs: [] };
    const retrieval = await begin(
      'restore',
      (await planRestore(catalog, setId, everything)).archives,
      target,
      salvage,
    );
    const tapes = await readAll(retrieval);
    const summary = await attempt(() => finishRetrieval(deps, retrieval));
    const problems = await problemsOf(catalog, retrieval, 100);
    return { target, tapes, summary, problems };
  };
  const verify = async () => {
    const retrieval = await begin('verify', await planVerify(catalog, { setId }, 100), null);
    await readAll(retrieval);
    return attempt(() => finishRetrieval(deps, retrieval));
  };
  return { ...set, load, stores, restore, verify };
}

test('of two copies with damage in different places every file comes back, also when both are known as damaged', async (t) => {
  const set = await setOnTwoTapes(t);
  if (set === undefined) return;
  const { archive, source } = set;
  const blocks = [
    Math.floor(archive.size / 4 / page) * page,
    Math.floor((archive.size * 3) / 4 / page) * page,
  ];
  for (const tape of [0, 1] as const) {
    const from = blocks[tape] ?? 0;
    await set.load(tape);
    set.bad([from, from + page]);
  }
  for (const known of [false, true]) {
    const { target, tapes, summary, problems } = await set.restore();
    assert.deepEqual(problems, []);
    assert.equal(summary.status, 'completed');
    assert.deepEqual(tapes, [0, 1], known ? 'the first again, and what it lacks from the second' : '');
    assert.equal(summary.restored, summary.members);
    assertSameTree(path.join(target, source), source, { folderTimes: true });
    if (!known) assert.equal((await set.verify()).status, 'incomplete');
  }

  const both = (await set.filesOn(blocks[0] ?? 0, (blocks[0] ?? 0) + page)).sort();
  await set.load(1);
  set.bad([blocks[0] ?? 0, (blocks[0] ?? 0) + page], [blocks[1] ?? 0, (blocks[1] ?? 0) + page]);
  const { summary, problems } = await set.restore();
  assert.equal(summary.status, 'incomplete');
  assert.deepEqual(set.named(problems), both, 'lost is what lies on a bad block of each of them');

  // With salvage, what the first copy lacks is not lost with a second one of which nothing can be read.
  await set.load(1);
  set.ltfs.faults({ open: { errno: 'EIO', path: archive.name } });
  const last = await set.restore(1);
  assert.deepEqual(last.tapes, [0, 1, 0]);
  assert.deepEqual([...new Set(set.named(last.problems))].sort(), both);
  assert.ok(last.problems.some(({ reason }) => reason.startsWith('it was salvaged')));
  assert.equal(summary.failed, both.length);
  assert.equal(summary.restored, summary.members - both.length);
});

test('a target that fails is never taken for a tape: a bad place of it costs a file, a dead one ends the restore', async (t) => {
  const target = await FakeLtfs.make(t);
  if (target === undefined) return;
  const sets = await setsInProcess(t);
  const source = tempFolder(t);
  for (const name of ['a', 'b', 'c']) writeTree(source, { [name]: noise(300_000, name) });
  const { setId } = await sets.backUp(source, 'full');
  const damages = async () =>
    (await sets.catalog.selectFrom('copies').select('damage').execute()).map((copy) => copy.damage);

  target.faults({ write: { errno: 'EIO', times: 1, after_bytes: 400_000, read_only: false } });
  const once = await sets.restore(setId, target.mount);
  assert.equal(once.status, 'incomplete');
  assert.match(
    once.problems[0]?.reason ?? '',
    /the disk of the target fails where it was to be written \(EIO\)/,
  );
  assert.equal(once.problems.length, 1);

  for (const [errno, type] of [
    ['EIO', 'TargetFailed'],
    ['EDQUOT', 'TargetNotReady'],
    ['ENOSPC', 'TargetNotReady'],
    ['EROFS', 'TargetNotReady'],
  ] as const) {
    target.faults({ write: { errno, read_only: false } });
    const folder = path.join(target.mount, errno);
    mkdirSync(folder);
    await assert.rejects(
      () => sets.restore(setId, folder),
      (error) => error instanceof ApplicationFailure && error.type === type && error.message.includes(folder),
      errno,
    );
  }
  target.faults({ open: { errno: 'EACCES' } });
  const refused = await sets.restore(setId, path.join(target.mount, 'EIO'));
  assert.equal(refused.status, 'incomplete');
  target.faults({});
  await assert.rejects(
    () => sets.restore(setId, path.join(target.mount, 'gone')),
    (error) =>
      error instanceof ApplicationFailure && error.type === 'TargetUnusable' && error.nonRetryable === true,
  );
  assert.deepEqual(await damages(), [null]);
  assert.equal((await sets.verify(setId)).status, 'completed');
});

test('the end of a restore that is done again, since its last commit was not made, tells each problem once', async (t) => {
  const target = await FakeLtfs.make(t);
  if (target === undefined) return;
  const { backUp, restore, catalog, attempt, deps } = await setsInProcess(t);
  const source = tempFolder(t);
  writeTree(source, { a: 'a' });
  mkdirSync(path.join(source, 'empty'));
  const { setId } = await backUp(source, 'full');
  target.faults({ chmod: { errno: 'EIO', path: 'empty' } });
  const { problems } = await restore(setId, target.mount);
  assert.equal(problems.length, 1);
  assert.match(problems[0]?.reason ?? '', /its mode, owner or times could not be set/);
  const { id } = await catalog.selectFrom('retrievals').select('id').executeTakeFirstOrThrow();
  await catalog.updateTable('retrievals').set({ state: 'running', finished_at: null }).execute();
  const again = await attempt(() => finishRetrieval(deps, id));
  assert.deepEqual([again.status, again.problems], ['incomplete', 1]);
});

test('an error of another side, met while a tape is written, says nothing of the tape', async (t) => {
  const { deps, catalog, attempt, drive, backUp } = await setsInProcess(t);
  const source = tempFolder(t);
  writeTree(source, { a: 'a' });
  await backUp(source, 'full');
  const state = async () =>
    (await catalog.selectFrom('tapes').select('state').executeTakeFirstOrThrow()).state;
  const alive = { throwIfCancelled: () => undefined } as unknown as Attempt;
  const fails = (side: Side, code: string) =>
    attempt(async () => {
      const tape = await identifyTape(drive, catalog);
      const work = () => Promise.reject(new SideError(side, { code, message: code }));
      return onMedium(deps, alive, tape, 1, work);
    });
  for (const side of ['source', 'staging', 'catalog', 'target'] as const)
    for (const code of ['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'ENODEV', 'ENOTCONN'])
      await assert.rejects(
        () => fails(side, code),
        (error) => error instanceof SideError && error.side === side,
      );
  assert.equal(await state(), 'usable');
  await assert.rejects(() => fails('tape', 'ENOSPC'), /is full/);
  assert.equal(await state(), 'full');
  await assert.rejects(() => fails('tape', 'EIO'), /A write to tape TAPE01 failed/);
  assert.equal(await state(), 'suspect');
});

test('a source that fails while it is compressed on to a tape costs its file, and nothing is said of the tape', async (t) => {
  const disk = await FakeLtfs.make(t);
  if (disk === undefined) return;
  const { deps, catalog, attempt, settings } = await setsInProcess(t);
  writeTree(disk.mount, { a: noise(200_000, 'a'), b: noise(200_000, 'b') });
  await disk.eject();
  await disk.load();
  disk.faults({ read: { errno: 'EIO', path: '/a' } });
  const wanted = { excludes: [], pool: 'default', drive: 'lto1', mode: 'full', direct: true };
  const options = snapshotOptions(settings);
  const { set } = await openSet(catalog, { ...wanted, sources: [disk.mount], options }, { fresh: false });
  await attempt(() => scanSources(deps, set.id));
  const written = await attempt(() => compressToTape(deps, { setId: set.id, group: 1 }));
  assert.ok(written !== null);
  await attempt(() => syncTape(deps, set.id, written.tape, [1]));
  await attempt(() => releaseArchives(deps, set.id, [1]));
  const { status, skipped } = await attempt(() => finishSet(deps, set.id));
  assert.deepEqual([status, skipped], ['completed_with_skips', 1]);
  assert.equal((await catalog.selectFrom('tapes').select('state').executeTakeFirstOrThrow()).state, 'usable');
});

test('a second name of a file that is in the target with the same content is there already, and stays as it is', async (t) => {
  const sets = await setsInProcess(t);
  const source = tempFolder(t);
  writeTree(source, { a: noise(5000, 'a') });
  linkSync(path.join(source, 'a'), path.join(source, 'b'));
  const { setId } = await sets.backUp(source, 'full');
  const target = tempFolder(t);
  const only = { names: [path.join(source, 'b').slice(1)], globs: [] };
  assert.equal((await sets.restore(setId, target, only)).status, 'completed');
  const there = statSync(path.join(target, source, 'b')).ino;
  const all = await sets.restore(setId, target);
  assert.deepEqual([all.status, all.problems], ['completed', []]);
  assert.equal(statSync(path.join(target, source, 'b')).ino, there);
  assert.equal((await sets.restore(setId, target, undefined, 'always')).status, 'completed');
  assertSameTree(path.join(target, source), source, { folderTimes: false });
});
