import { layerOf } from '../files/entry-rows.js';
import type { Catalog } from '../open-catalog.js';
import { baseOf } from '../rebuilt/rebuilt-layers.js';
import { isRebuilt, isUnknownSet } from '../rebuilt/rebuilt-sets.js';
import type { SetRow } from '../rows.js';
import { finalSetStates, type SetState } from '../schema/set-tables.js';

/** A set, as far as it matters to how long it is kept. Times in milliseconds since 1970. */
export interface KeptSet {
  id: string;
  /** Sets of one tree have one of these: the host and the sources. */
  tree: string;
  isUnfinished: boolean;
  /** It has the files of its time: it completed, or was found on tapes. */
  hasSucceeded: boolean;
  state: SetState;
  begunAt: number;
  /** Null while it runs. */
  finishedAt: number | null;
  /** Its own pool and those of its tapes. */
  pools: Set<string>;
  /** Pools that have an intact copy of each of its archives. */
  wholeIn: Set<string>;
  /** Sets that it needs: its base, and that set's bases. */
  needs: Set<string>;
  /** Sets that need it. */
  neededBy: string[];
  /** What it builds on is on a tape that was not read: that may be any earlier set of its sources. */
  isBaseUnread: boolean;
}

const successes: readonly SetState[] = ['completed', 'completed_with_skips'];

/** All sets by their id, with what each needs. */
export async function readKeptSets(db: Catalog): Promise<Map<string, KeptSet>> {
  const rows = await db
    .selectFrom('sets')
    .select(['id', 'uuid', 'state', 'pool', 'base_id', 'base_uuid', 'base_tapes', 'options', 'finished_at'])
    .select(['sources', 'host', 'created_at', 'erased_at'])
    .orderBy('id')
    .execute();
  const uuids = new Map(rows.map(({ id, uuid }) => [id, uuid]));
  const sets = new Map<string, KeptSet>();
  for (const row of rows) {
    const { id, state, finished_at: finishedAt } = row;
    const isUnfinished = !finalSetStates.includes(state);
    const base = baseOf(row);
    sets.set(id, {
      ...{ id, state, isUnfinished, begunAt: row.created_at, finishedAt: isUnfinished ? null : finishedAt },
      tree: isUnknownSet(row) ? id : JSON.stringify([row.host, row.sources]),
      hasSucceeded: successes.includes(state) || (state === 'failed' && isRebuilt(row)),
      ...{ pools: new Set([row.pool]), wholeIn: new Set<string>(), needs: new Set<string>(), neededBy: [] },
      isBaseUnread: base !== undefined && uuids.get(base.setId) !== base.uuid,
    });
  }
  await readPools(db, sets, new Set(rows.filter((row) => row.erased_at !== null).map(({ id }) => id)));
  addNeeds(sets, await basesOf(db, rows, sets));
  return sets;
}

/** Fills in the pools of each set. A set of which a part was erased, or is on no tape, is whole in none. */
async function readPools(
  db: Catalog,
  sets: ReadonlyMap<string, KeptSet>,
  erased: ReadonlySet<string>,
): Promise<void> {
  const archives = await db
    .selectFrom('archives')
    .select((eb) => ['set_id', eb.fn.countAll<number>().as('archives')])
    .groupBy('set_id')
    .execute();
  const archivesOf = new Map(archives.map((row) => [row.set_id, row.archives]));
  const onTapes = await db
    .selectFrom('copies')
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select(['copies.set_id', 'tapes.pool'])
    .select((eb) => [
      eb.fn
        .count<number>(eb.case().when('copies.damage', 'is', null).then(eb.ref('copies.group_no')).end())
        .distinct()
        .as('intact'),
    ])
    .where('copies.state', '=', 'committed')
    .groupBy(['copies.set_id', 'tapes.pool'])
    .execute();
  for (const set of sets.values()) {
    const isWhole = successes.includes(set.state) && !erased.has(set.id);
    if (isWhole && !archivesOf.has(set.id)) set.wholeIn = new Set(set.pools);
  }
  for (const { set_id, pool, intact } of onTapes) {
    const set = sets.get(set_id);
    if (set === undefined) continue;
    set.pools.add(pool);
    const isWhole = successes.includes(set.state) && !erased.has(set_id);
    if (isWhole && intact === archivesOf.get(set_id)) set.wholeIn.add(pool);
  }
}

type Sources = Pick<SetRow, 'id' | 'sources' | 'host' | 'created_at'>;
type Chained = Sources & Pick<SetRow, 'base_id' | 'options' | 'state'>;

/** The sets that each builds on directly. */
async function basesOf(
  db: Catalog,
  rows: readonly Chained[],
  sets: ReadonlyMap<string, KeptSet>,
): Promise<Map<string, string[]>> {
  const bases = new Map<string, string[]>();
  for (const row of rows) {
    const { id, base_id: base, options, state } = row;
    const known = base === null ? [] : [base];
    // The chain of a set read from tapes may have gaps; its files bridge them, since they name the sets that hold them.
    const isGap = isRebuilt({ options }) || (base !== null && !sets.has(base));
    if (isGap && state !== 'expired') known.push(...(await holdersOf(db, id)));
    if (sets.get(id)?.isBaseUnread === true) known.push(...earlierOf(row, rows));
    if (known.length > 0) bases.set(id, known);
  }
  return bases;
}

function addNeeds(sets: ReadonlyMap<string, KeptSet>, bases: ReadonlyMap<string, string[]>): void {
  for (const set of sets.values()) {
    if (set.state === 'expired') continue;
    // In a catalog read from tapes, sets of a chain may be unknown or out of order, so no set is visited twice.
    const ahead = [...(bases.get(set.id) ?? [])];
    for (let id = ahead.pop(); id !== undefined; id = ahead.pop()) {
      if (id === set.id || set.needs.has(id)) continue;
      set.needs.add(id);
      sets.get(id)?.neededBy.push(set.id);
      ahead.push(...(bases.get(id) ?? []));
    }
  }
}

/** Ids of the sets of the same sources that began before one. */
function earlierOf(set: Sources, all: readonly Sources[]): string[] {
  return all
    .filter(({ sources, host }) => sources === set.sources && host === set.host)
    .filter(({ id, created_at: at }) => id !== set.id && at <= set.created_at)
    .map(({ id }) => id);
}

async function holdersOf(db: Catalog, setId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('layer_files')
    .select('held_set')
    .distinct()
    .where('layer', '=', layerOf(setId))
    .where('held_set', 'is not', null)
    .execute();
  return rows.flatMap(({ held_set }) => (held_set === null ? [] : [held_set]));
}
