import { retentionOf, type Retentions } from '../../config/settings/retention.js';
import type { Catalog } from '../open-catalog.js';
import { type KeptSet, readKeptSets } from './kept-sets.js';
import { type CountedReason, countsOfPools, type PoolVerdicts } from './pool-counts.js';

/** A time in milliseconds since 1970; `Infinity`: nobody knows until when, for ever, or the set is unfinished. */
export type ExpiryTime = number;

/**
 * How long sets and their tapes must be kept: by the time and the counts of their pools, and by the sets that build on
 * them.
 */
export class SetRetention {
  private constructor(
    private readonly sets: ReadonlyMap<string, KeptSet>,
    private readonly retentions: Retentions,
    private readonly counted: PoolVerdicts,
  ) {}

  /** Reads it from the catalog; consistently when `db` is a transaction. */
  static async of(db: Catalog, retentions: Retentions): Promise<SetRetention> {
    const sets = await readKeptSets(db);
    return new SetRetention(sets, retentions, countsOfPools([...sets.values()], retentions));
  }

  /** When the set itself expires: by the pool that keeps it longest. `Infinity` while a count keeps it. */
  expires(setId: string): ExpiryTime {
    return this.over(setId, (set, pool) => this.expiresIn(set, pool));
  }

  /** Until when the set is kept whatever the counts say, and however many sets follow. */
  keptByTime(setId: string): ExpiryTime {
    return this.over(setId, (set, pool) => this.timeIn(set, pool));
  }

  /** How long a set's archives on tapes of a pool are needed, by the set itself or by those that build on it. */
  neededUntil(setId: string, pool: string): ExpiryTime {
    const set = this.set(setId);
    return Math.max(this.expiresIn(set, pool), ...set.neededBy.map((id) => this.expires(id)));
  }

  /** The same, whatever the counts say. */
  neededByTime(setId: string, pool: string): ExpiryTime {
    const set = this.set(setId);
    return Math.max(this.timeIn(set, pool), ...set.neededBy.map((id) => this.keptByTime(id)));
  }

  /** The counts that keep a set; in one pool, or in all of its pools. */
  countedReasons(setId: string, inPool?: string): CountedReason[] {
    const pools = inPool === undefined ? [...this.set(setId).pools] : [inPool];
    return pools.flatMap((pool) =>
      (this.counted.get(pool)?.get(setId)?.by ?? []).map((reason) => ({ ...reason, pool })),
    );
  }

  /** The counts that keep what tapes of a pool hold of a set: for the set, and for those that build on it. */
  countedNeeds(setId: string, pool: string): CountedReason[] {
    const dependents = this.set(setId).neededBy;
    return [...this.countedReasons(setId, pool), ...dependents.flatMap((id) => this.countedReasons(id))];
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

  private over(setId: string, timeIn: (set: KeptSet, pool: string) => ExpiryTime): ExpiryTime {
    const set = this.set(setId);
    return Math.max(...[...set.pools].map((pool) => timeIn(set, pool)));
  }

  private timeIn({ state, finishedAt }: KeptSet, pool: string): ExpiryTime {
    if (state === 'expired') return -Infinity;
    const { seconds } = retentionOf(this.retentions, pool);
    return finishedAt === null || seconds === null ? Infinity : finishedAt + seconds * 1000;
  }

  private expiresIn(set: KeptSet, pool: string): ExpiryTime {
    return Math.max(this.timeIn(set, pool), this.counted.get(pool)?.get(set.id)?.until ?? -Infinity);
  }
}
