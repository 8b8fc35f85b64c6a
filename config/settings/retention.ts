/** Seconds for which the sets of a pool are kept after their end; null: for ever. */
export type Retention = number | null;

/** Kinds of sets that can be kept by count: the newest ones, and the newest of each period of the calendar. */
export const keepRules = ['last', 'daily', 'weekly', 'monthly', 'yearly'] as const;
export type KeepRule = (typeof keepRules)[number];

/** How many sets are kept by each rule; null: one of every period that has any. */
export type KeepCounts = Partial<Record<KeepRule, number | null>>;

/** What is kept of a pool by count. */
export interface CountedKeep {
  counts: KeepCounts;
  /** True: no time keeps its sets. The pool's retention is `null` then, which keeps more than was asked, not less. */
  alone: boolean;
}

/** The retention of every pool. JSON only: it travels to the worker of a drive. */
export interface Retentions {
  pools: Record<string, Retention>;
  /** Of every other pool. */
  otherwise: Retention;
  /** What is kept by count besides; a pool that `pools` names has its own or none. */
  keep?: { zone: string; pools: Record<string, CountedKeep>; otherwise?: CountedKeep };
}

/** How a pool keeps its sets: what the time or the counts keep is kept. */
export interface PoolRetention {
  /** 0: not by time. */
  seconds: Retention;
  counts?: KeepCounts;
}

/** The retention of a pool. */
export function retentionOf({ pools, otherwise, keep }: Retentions, pool: string): PoolRetention {
  const isNamed = Object.hasOwn(pools, pool);
  const own = keep !== undefined && Object.hasOwn(keep.pools, pool) ? keep.pools[pool] : undefined;
  const counted = isNamed ? own : keep?.otherwise;
  const seconds = isNamed ? (pools[pool] ?? null) : otherwise;
  if (counted === undefined) return { seconds };
  return { seconds: counted.alone ? 0 : seconds, counts: counted.counts };
}

/** The counts as a setting has them: `daily 7, monthly 12, yearly`. */
export function countsText(counts: KeepCounts): string {
  return keepRules
    .flatMap((rule) => {
      const count = counts[rule];
      return count === undefined ? [] : [count === null ? rule : `${rule} ${count}`];
    })
    .join(', ');
}
