import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { sql } from 'kysely';
import { openCatalog, type Catalog } from '../../catalog/open-catalog.js';
import { baseFor } from '../../catalog/sets/set-base.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { insertTape } from '../../catalog/tapes/tapes.js';
import { onPostgres, openNewCatalog } from '../support/catalogs.js';
import { tapeRow } from '../support/tape-rows.js';
import { tempFolder } from '../support/trees.js';

interface MadeSet {
  id: string;
  mode: 'full' | 'incremental';
  base: string | null;
  isCandidate: boolean;
  /** Pools that hold each group; none where no tape does. */
  groups: string[][];
}

/** Numbers below a bound, the same for the same seed (an LCG of Numerical Recipes). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const wanted = { sources: ['/s'], excludes: [], pool: 'A', drive: 'lto1', mode: 'full', direct: false };

async function addTapes(catalog: Catalog): Promise<void> {
  // Nothing here has to outlive a power cut.
  if (!onPostgres) await sql`PRAGMA synchronous = OFF`.execute(catalog);
  for (const pool of ['A', 'B']) await insertTape(catalog, tapeRow(pool, `${pool}1`, pool));
}

async function addSet(catalog: Catalog, at: number, made: Omit<MadeSet, 'id'>): Promise<MadeSet> {
  const { set } = await openSet(catalog, { ...wanted, options: {} }, { fresh: true });
  const { mode, base, isCandidate, groups } = made;
  await catalog
    .updateTable('sets')
    .set({ mode, base_id: base, state: isCandidate ? 'completed' : 'failed', created_at: at })
    .where('id', '=', set.id)
    .execute();
  const copies = groups.flatMap((pools, no) =>
    pools.map((pool, copy) => ({
      ...{
        set_id: set.id,
        group_no: no + 1,
        copy_no: copy + 1,
        tape_uuid: pool,
        state: 'committed' as const,
      },
      ...{ token: '', written_at: 0, committed_at: 0 },
    })),
  );
  const empty = new Uint8Array();
  for (let no = 1; no <= groups.length; no += 1) {
    await catalog
      .insertInto('groups')
      .values({
        ...{ set_id: set.id, no, state: 'released', bytes: 1, entries: 1, direct: 0, reserved: 0 },
        ...{ first_path: empty, last_path: empty },
      })
      .execute();
    await catalog
      .insertInto('archives')
      .values({
        ...{ set_id: set.id, group_no: no, name: `${set.id}-${no}`, size: 1, sha256: '', manifest_name: 'm' },
        ...{ manifest_size: 1, manifest_sha256: '', token: '', bytes_in: 1, members: 1, created_at: 0 },
      })
      .execute();
  }
  if (copies.length > 0) await catalog.insertInto('copies').values(copies).execute();
  return { ...made, id: set.id };
}

/** What the rule says, from all sets at once. */
function expectedBase(sets: readonly MadeSet[], mode: string, pools: readonly string[]) {
  const of = new Map(sets.map((set) => [set.id, set]));
  const isIn = (id: string, pool: string): boolean => {
    const set = of.get(id) ?? assert.fail();
    const isWhole = set.groups.every((group) => group.length === 0 || group.includes(pool));
    return isWhole && (set.base === null || isIn(set.base, pool));
  };
  const newestFirst = [...sets].reverse().filter((set) => set.isCandidate);
  const candidates = newestFirst.filter((set) => mode !== 'differential' || set.mode === 'full');
  const inAll = candidates.find(({ id }) => pools.every((pool) => isIn(id, pool)));
  const inOne = candidates.find(({ id }) => pools.some((pool) => isIn(id, pool)));
  const base = inAll ?? inOne;
  return {
    id: base?.id,
    hasNote: base === undefined ? candidates.length > 0 : inAll === undefined || inAll !== candidates[0],
    without: inAll === undefined && inOne !== undefined ? pools.filter((pool) => !isIn(inOne.id, pool)) : [],
  };
}

test('whatever is on which tapes, a set builds on the newest that its pools restore', async (t) => {
  const next = numbers(7);
  let [found, split, none] = [0, 0, 0];
  for (let round = 0; round < 9; round += 1) {
    const catalog = await openNewCatalog(t);
    await addTapes(catalog);
    const sets: MadeSet[] = [];
    for (let no = 0; no < 14; no += 1) {
      const base = next(4) === 0 ? undefined : sets[sets.length - 1 - next(2)];
      const groups = Array.from({ length: 1 + next(3) }, () => {
        const both = next(10);
        if (both < 6 - (round % 3) * 2) return ['A', 'B'];
        return both === 9 ? [] : [next(3) === 0 ? 'B' : 'A'];
      });
      const mode = base === undefined ? 'full' : 'incremental';
      sets.push(
        await addSet(catalog, no, { mode, base: base?.id ?? null, isCandidate: next(5) !== 0, groups }),
      );
    }
    for (const mode of ['incremental', 'differential', 'full'])
      for (const pools of [['A'], ['B'], ['A', 'B'], ['B', 'C'], ['C']]) {
        const base = await baseFor(catalog, mode, { sources: JSON.stringify(['/s']), host: null }, pools);
        const expected =
          mode === 'full' ? { id: undefined, hasNote: false, without: [] } : expectedBase(sets, mode, pools);
        assert.equal(base.id, expected.id, `round ${round}, ${mode}, ${pools.join()}`);
        assert.equal(base.note !== undefined, expected.hasNote, base.note);
        if (expected.without.length > 0) {
          assert.match(base.note ?? '', new RegExp(`pool ${expected.without.join(' or ')} alone`));
          split += 1;
        } else if (base.id === undefined) none += 1;
        else found += 1;
      }
  }
  assert.ok(found > 10 && split > 10 && none > 10, [found, split, none].join());
});

test('of the years before the chain that a set builds on, no copies are read', async (t) => {
  const file = path.join(tempFolder(t), 'catalog.db');
  const asked = new Set<string>();
  const catalog = await openCatalog(file);
  t.after(() => catalog.destroy());
  await addTapes(catalog);
  const sets: MadeSet[] = [];
  for (let no = 0; no < 12; no += 1) {
    const base = no % 4 === 0 ? null : (sets.at(-1)?.id ?? null);
    const made = { base, mode: base === null ? 'full' : 'incremental', isCandidate: true } as const;
    sets.push(await addSet(catalog, no, { ...made, groups: [['A'], ['A']] }));
  }
  const counting = catalog.withPlugin({
    transformQuery: ({ node }) => {
      const text = JSON.stringify(node, (_key, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      );
      if (text.includes('"copies"')) for (const { id } of sets) if (text.includes(`"${id}"`)) asked.add(id);
      if (text.includes('"copies"') && text.includes('"sources"')) asked.add('every set of the sources');
      return node;
    },
    transformResult: ({ result }) => Promise.resolve(result),
  });
  const base = await baseFor(counting, 'incremental', { sources: JSON.stringify(['/s']), host: null }, ['A']);
  assert.equal(base.id, sets.at(-1)?.id);
  assert.deepEqual(
    [...asked].sort(),
    sets
      .slice(8)
      .map(({ id }) => id)
      .sort(),
  );
});
