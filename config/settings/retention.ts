/** Seconds for which the sets of a pool are kept after their end; null: for ever. */
export type Retention = number | null;

/** The retention of every pool. JSON only: it travels to the worker of a drive. */
export interface Retentions {
  pools: Record<string, Retention>;
  /** Of every other pool. */
  otherwise: Retention;
}

/** The retention of a pool. */
export function retentionOf({ pools, otherwise }: Retentions, pool: string): Retention {
  return Object.hasOwn(pools, pool) ? (pools[pool] ?? null) : otherwise;
}
