import { retentionOf, type Retentions } from '../../config/settings/retention.js';
import { layerOf } from '../files/entry-rows.js';
import type { Catalog } from '../open-catalog.js';
import { baseOf } from '../rebuilt/rebuilt-layers.js';
import { isRebuilt } from '../rebuilt/rebuilt-sets.js';
import type { SetRow } from '../rows.js';
import { finalSetStates, type SetState } from '../schema/set-tables.js';

/** A time in milliseconds since 1970; `Infinity`: kept for ever, or the set is unfinished. */
export type ExpiryTime = number;

interface KeptSet {
  id: string;
  isUnfinished: boolean;
  state: SetState;
  /** Milliseconds since 1970; null while it runs. */
  finishedAt: number | null;
  /** Its own pool and those of its tapes. */
  pools: Set<string>;
  /** Sets that it needs: its base, and that set's bases. */
  needs: Set<string>;
  /** Sets that need it. */
  neededBy: string[];
  /** What it builds on is on a tape that was not read: that may be any earlier set of its sources. */
  isBaseUnread: boolean;
}

/** How long sets and their tapes must be kept, by the retention of their pools and by the sets that build on them. */
export class SetRetention {
  private constructor(
    private readonly sets: ReadonlyMap<string, KeptSet>,
    private readonly retentions: Retentions,
  ) {}

  /** Reads it from the catalog; consistently when `db` is a transaction. */
  static async of(db: Catalog, retentions: Retentions): Promise<SetRetention> {
    const sets = new Map<string, KeptSet>();
    const bases = await readSets(db, sets);
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
    return new SetRetention(sets, retentions);
  }

  /** When the set itself expires: by the pool with the longest retention. */
  expires(setId: string): ExpiryTime {
    const set = this.set(setId);
    return Math.max(...[...set.pools].map((pool) => this.expiresIn(set, pool)));
  }

  /** How long a set's archives on tapes of a pool are needed, by the set itself or by those that build on it. */
  neededUntil(setId: string, pool: string): ExpiryTime {
    const set = this.set(setId);
    return Math.max(this.expiresIn(set, pool), ...set.neededBy.map((id) => this.expires(id)));
  }

  /** Sets that build on this one and have not expired or are unfinished. */
  unexpiredDependents(setId: string, now: number): string[] {
    return this.set(setId).neededBy.filter((id) => this.expires(id) > now);
  }

  /** True for a set read from tapes of which nobody can tell what it builds on before another tape is read. */
  isBaseUnread(setId: string): boolean {
    return this.set(setId).isBaseUnread;
  }

  isUnfinished(setId: string): boolean {
    return this.set(setId).isUnfinished;
  }

  private set(setId: string): KeptSet {
    const set = this.sets.get(setId);
    if (set === undefined) throw new Error(`no set ${setId}`);
    return set;
  }

  private expiresIn({ state, finishedAt }: KeptSet, pool: string): ExpiryTime {
    if (state === 'expired') return -Infinity;
    const retention = retentionOf(this.retentions, pool);
    return finishedAt === null || retention === null ? Infinity : finishedAt + retention * 1000;
  }
}

/** Fills in the sets and returns the direct bases of each. */
async function readSets(db: Catalog, sets: Map<string, KeptSet>): Promise<Map<string, string[]>> {
  const rows = await db
    .selectFrom('sets')
    .select(['id', 'uuid', 'state', 'pool', 'base_id', 'base_uuid', 'base_tapes', 'options', 'finished_at'])
    .select(['sources', 'host', 'created_at'])
    .orderBy('id')
    .execute();
  const uuids = new Map(rows.map(({ id, uuid }) => [id, uuid]));
  for (const row of rows) {
    const { id, state, pool, finished_at: finishedAt } = row;
    const isUnfinished = !finalSetStates.includes(state);
    const lists = { pools: new Set([pool]), needs: new Set<string>(), neededBy: [] };
    const base = baseOf(row);
    const isBaseUnread = base !== undefined && uuids.get(base.setId) !== base.uuid;
    const times = { isUnfinished, finishedAt: isUnfinished ? null : finishedAt };
    sets.set(id, { id, state, ...times, ...lists, isBaseUnread });
  }
  const onTapes = await db
    .selectFrom('copies')
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select(['copies.set_id', 'tapes.pool'])
    .distinct()
    .where('copies.state', '=', 'committed')
    .execute();
  for (const { set_id, pool } of onTapes) sets.get(set_id)?.pools.add(pool);
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

type Sources = Pick<SetRow, 'id' | 'sources' | 'host' | 'created_at'>;

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
