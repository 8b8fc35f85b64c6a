import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Catalog } from '../../catalog/open-catalog.js';
import { recordSetState } from '../../catalog/sets/set-states.js';
import { openSet } from '../../catalog/sets/open-set.js';
import type { NewSet } from '../../catalog/sets/set-differences.js';
import { insertTape } from '../../catalog/tapes/tapes.js';
import { openNewCatalog } from '../support/catalogs.js';
import { tapeRow } from '../support/tape-rows.js';

const wanted: NewSet = {
  ...{ sources: ['/s'], excludes: [], pool: 'A', drive: 'lto1', mode: 'full', direct: false, options: {} },
};
const incremental = { ...wanted, mode: 'incremental' };
const places = [
  { pool: 'A', drive: 'lto1' },
  { pool: 'B', drive: 'lto2' },
];

async function newCatalog(t: TestContext): Promise<Catalog> {
  return openNewCatalog(t);
}

test('a backup attaches only to the unfinished set that is the same in all that can be asked for', async (t) => {
  const catalog = await newCatalog(t);
  const first = await openSet(catalog, wanted, { fresh: false });
  assert.equal(first.attached, false);
  const again = await openSet(catalog, { ...wanted, options: { other: 1 } }, { fresh: false });
  assert.deepEqual([again.set.id, again.attached], [first.set.id, true]);
  const cases: [Partial<NewSet>, RegExp][] = [
    [{ mode: 'incremental' }, /^it is full, not incremental$/],
    [{ pool: 'B' }, /^it goes to pool A, not to pool B$/],
    [{ places }, /^it goes to pool A, not to pool A and pool B$/],
    [{ drive: 'lto2' }, /^it is written in drive lto1, not in lto2$/],
    [{ excludes: ['*.tmp'] }, /^it leaves out nothing, not \*\.tmp$/],
    [{ direct: true }, /^it is staged before it is written$/],
    [{ options: { ignoreCtime: true } }, /^it was begun without --ignore-ctime$/],
    [{ options: { ignoreInode: true } }, /^it was begun without --ignore-inode$/],
  ];
  const others = new Set([first.set.id]);
  for (const [change, differs] of cases) {
    const opened = await openSet(catalog, { ...wanted, ...change }, { fresh: false });
    assert.equal(opened.attached, false, JSON.stringify(change));
    assert.equal(others.has(opened.set.id), false);
    assert.match(opened.others.find(({ id }) => id === first.set.id)?.differs.join() ?? '', differs);
    others.add(opened.set.id);
    const same = await openSet(catalog, { ...wanted, ...change }, { fresh: false });
    assert.deepEqual([same.set.id, same.attached], [opened.set.id, true], JSON.stringify(change));
  }
  await assert.rejects(
    openSet(catalog, { ...wanted, id: first.set.id, pool: 'B' }, { fresh: false }),
    /exists and is another one: it goes to pool A, not to pool B/,
  );
});

test('an incremental that found no base is still the incremental that was asked for', async (t) => {
  const catalog = await newCatalog(t);
  const { set } = await openSet(catalog, incremental, { fresh: false });
  assert.equal(set.mode, 'full');
  const again = await openSet(catalog, incremental, { fresh: false });
  assert.deepEqual([again.set.id, again.attached], [set.id, true]);
  assert.equal((await openSet(catalog, wanted, { fresh: false })).attached, false);
});

test('a run of a schedule gets one set, however often it asks', async (t) => {
  const catalog = await newCatalog(t);
  const ask = (madeBy: string) => openSet(catalog, { ...wanted, madeBy }, { fresh: true });
  const first = await ask('run-1');
  assert.equal((await ask('run-1')).set.id, first.set.id);
  assert.notEqual((await ask('run-2')).set.id, first.set.id);
});

test('an incremental builds on what the tapes of its own pool restore, or says that it does not', async (t) => {
  const catalog = await newCatalog(t);
  for (const pool of ['A', 'B']) await insertTape(catalog, tapeRow(pool, `${pool}1`, pool));
  let hour = 0;
  /** A completed set of one archive, with committed copies in these pools. */
  const completed = async (more: Partial<NewSet>, pools: string[]) => {
    const opened = await openSet(
      catalog,
      { ...wanted, ...more },
      { fresh: true, now: new Date(2026, 0, 1, (hour += 1)) },
    );
    const { id } = opened.set;
    const empty = new Uint8Array();
    await catalog
      .insertInto('groups')
      .values({
        ...{ set_id: id, no: 1, state: 'released', bytes: 1, entries: 1, direct: 0, reserved: 0 },
        ...{ first_path: empty, last_path: empty },
      })
      .execute();
    await catalog
      .insertInto('archives')
      .values({
        ...{
          set_id: id,
          group_no: 1,
          name: `a-${id}`,
          size: 1,
          sha256: '',
          manifest_name: 'm',
          manifest_size: 1,
        },
        ...{ manifest_sha256: '', token: 't', bytes_in: 1, members: 1, created_at: 0 },
      })
      .execute();
    for (const [index, pool] of pools.entries())
      await catalog
        .insertInto('copies')
        .values({
          ...{ set_id: id, group_no: 1, copy_no: index + 1, tape_uuid: pool, state: 'committed' },
          ...{ token: 't', written_at: 0, committed_at: 0, verified_at: null, damage: null },
        })
        .execute();
    await recordSetState(catalog, id, 'completed', null);
    return id;
  };
  const next = async (more: Partial<NewSet>) => {
    const { set, note } = await openSet(catalog, { ...incremental, ...more }, { fresh: true });
    await recordSetState(catalog, set.id, 'failed', null);
    return { base: set.base_id, mode: set.mode, note };
  };

  const inA = await completed({}, ['A']);
  assert.deepEqual(await next({}), { base: inA, mode: 'incremental', note: undefined });
  const none = await next({ pool: 'B' });
  assert.deepEqual([none.base, none.mode], [null, 'full']);
  assert.match(none.note ?? '', new RegExp(`Set ${inA} cannot be its base`));

  const onIt = await completed({ mode: 'incremental' }, ['A', 'B']);
  assert.equal((await next({})).base, onIt);
  assert.equal((await next({ pool: 'B' })).base, null, 'the set on which it builds is in pool A only');

  const fullInB = await completed({ pool: 'B' }, ['B']);
  assert.equal((await next({ pool: 'B' })).base, fullInB);
  const older = await next({});
  assert.equal(older.base, onIt);
  assert.match(older.note ?? '', new RegExp(`Set ${fullInB} is newer, but`));

  const both = await next({ places });
  assert.equal(both.base, fullInB);
  assert.match(both.note ?? '', /tapes of pool A alone cannot restore it/);
});
