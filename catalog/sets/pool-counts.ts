import { type KeepCounts, retentionOf, type Retentions } from '../../config/settings/retention.js';
import { keptByCount, type KeptBy } from './kept-by-count.js';
import type { KeptSet } from './kept-sets.js';

/** Why a set is kept by count, and in which pool. `unreplaced`: it failed, and no later set of its tree succeeded. */
export interface CountedReason extends Omit<KeptBy, 'rule'> {
  rule: KeptBy['rule'] | 'unreplaced';
  pool: string;
}

/** What the counts of a pool say of a set. */
export interface PoolVerdict {
  by: Omit<CountedReason, 'pool'>[];
  /** When no count kept it any more, in milliseconds since 1970; `Infinity` while one does. */
  until: number;
}

/** What the counts of each pool say of the sets in it; pools without counts are not in it. */
export type PoolVerdicts = ReadonlyMap<string, ReadonlyMap<string, PoolVerdict>>;

/** Applies the counts of the pools to the sets that have ended, for each pool and tree. */
export function countsOfPools(sets: readonly KeptSet[], retentions: Retentions): PoolVerdicts {
  const pools = new Map<string, Map<string, PoolVerdict>>();
  const { keep } = retentions;
  if (keep === undefined) return pools;
  const ended = sets.filter(({ state, finishedAt }) => finishedAt !== null && state !== 'expired');
  for (const pool of new Set(ended.flatMap((set) => [...set.pools]))) {
    const { counts } = retentionOf(retentions, pool);
    if (counts === undefined) continue;
    const verdicts = new Map<string, PoolVerdict>();
    for (const tree of treesOf(ended.filter((set) => set.pools.has(pool))))
      countTree(tree, pool, { counts, zone: keep.zone }, verdicts);
    pools.set(pool, verdicts);
  }
  return pools;
}

function treesOf(sets: readonly KeptSet[]): KeptSet[][] {
  const trees = new Map<string, KeptSet[]>();
  for (const set of sets) {
    const known = trees.get(set.tree);
    if (known === undefined) trees.set(set.tree, [set]);
    else known.push(set);
  }
  return [...trees.values()];
}

/**
 * What is not whole in a pool takes no other's place: the counts are applied to all sets, and again to those that are,
 * and what either keeps is kept.
 */
function countTree(
  tree: readonly KeptSet[],
  pool: string,
  { counts, zone }: { counts: KeepCounts; zone: string },
  verdicts: Map<string, PoolVerdict>,
): void {
  const counted = tree.filter((set) => set.hasSucceeded);
  const whole = counted.filter((set) => set.wholeIn.has(pool));
  const facts = (set: KeptSet) => ({ id: set.id, begunAt: set.begunAt, endedAt: set.finishedAt ?? Infinity });
  const ofAll = keptByCount(counted.map(facts), counts, zone);
  const ofWhole = whole.length === counted.length ? ofAll : keptByCount(whole.map(facts), counts, zone);
  for (const [id, verdict] of ofAll) {
    const other = ofWhole.get(id) ?? verdict;
    const more = other.by.filter(({ rule }) => !verdict.by.some((known) => known.rule === rule));
    verdicts.set(id, { by: [...verdict.by, ...more], until: Math.max(verdict.until, other.until) });
  }
  for (const set of tree) if (!set.hasSucceeded) verdicts.set(set.id, ofFailed(set, counted));
}

/** A set that failed or was cancelled may be tried again: it is kept until a later one of its tree has succeeded. */
function ofFailed(set: KeptSet, counted: readonly KeptSet[]): PoolVerdict {
  const later = counted.filter(({ begunAt }) => begunAt > set.begunAt);
  const until = Math.min(Infinity, ...later.map(({ finishedAt }) => finishedAt ?? Infinity));
  return { by: until === Infinity ? [{ rule: 'unreplaced', period: '', isOldest: false }] : [], until };
}
