import { type RawBuilder, sql } from 'kysely';

/**
 * When a copy was last known to be on its tape as it was written: when it was read back, or else when it was committed;
 * milliseconds since 1970. Of the table `copies` of a query. Metrics, reports and slices of a verify mean the same.
 */
export const lastProof: RawBuilder<number> = sql<number>`coalesce(copies.verified_at, copies.committed_at, 0)`;
