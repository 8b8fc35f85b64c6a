import { tapesUsedSince } from '../../catalog/figures/period-figures.js';
import { copiesByPool, tapesByPool, type CopiesFigure } from '../../catalog/figures/tape-figures.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { TapeState } from '../../catalog/schema/tape-tables.js';
import type { ExpiryTime, SetRetention } from '../../catalog/sets/set-retention.js';
import { tapeRetention } from '../../catalog/tapes/tape-retention.js';
import { listTapes } from '../../catalog/tapes/tapes.js';

/** The tapes of a pool; bytes. */
export interface ReportedPool extends Omit<CopiesFigure, 'oldestProof'> {
  tapes: number;
  capacity: number;
  free: number;
  /** When the copy was last read back, or else written, of which that was longest ago; null without copies. */
  oldestProof: number | null;
}

/** A tape; bytes, and milliseconds since 1970. */
export interface ReportedTape {
  name: string;
  pool: string;
  state: TapeState;
  capacity: number;
  free: number;
  /** What was committed on it in the period. */
  archives: number;
  bytes: number;
  /** How long something on it is needed: `Infinity` for ever or by count, `-Infinity` when it is empty. */
  until: ExpiryTime;
  /** Nobody knows until when: a count of its pool keeps something on it. */
  isKeptByCount: boolean;
  isRecyclable: boolean;
}

/** Pools and tapes, by name. */
export async function poolsAndTapes(
  db: Catalog,
  { from, to, keeping }: { from: number; to: number; keeping: SetRetention },
): Promise<{ pools: ReportedPool[]; tapes: ReportedTape[] }> {
  const used = new Map((await tapesUsedSince(db, from)).map((use) => [use.tape, use]));
  const tapes: ReportedTape[] = [];
  for (const row of await listTapes(db)) {
    const { until, untilByTime, isRecyclable } = await tapeRetention(db, row, keeping, to);
    const { archives = 0, bytes = 0 } = used.get(row.uuid) ?? {};
    const { name, pool, state, capacity, free } = row;
    const isKeptByCount = until === Infinity && untilByTime < until;
    const kept = { until, isKeptByCount, isRecyclable };
    tapes.push({ name, pool, state, capacity, free, archives, bytes, ...kept });
  }
  return { pools: await poolsOf(db), tapes };
}

async function poolsOf(db: Catalog): Promise<ReportedPool[]> {
  const copies = new Map((await copiesByPool(db)).map((figure) => [figure.pool, figure]));
  const pools = new Map<string, ReportedPool>();
  for (const { pool, count, capacity, free } of await tapesByPool(db)) {
    const { committed = 0, neverVerified = 0, damaged = 0, oldestProof = null } = copies.get(pool) ?? {};
    const sum = pools.get(pool) ?? {
      ...{ pool, tapes: 0, capacity: 0, free: 0 },
      ...{ committed, neverVerified, damaged, oldestProof },
    };
    sum.tapes += count;
    sum.capacity += capacity;
    sum.free += free;
    pools.set(pool, sum);
  }
  return [...pools.values()].sort((a, b) => (a.pool < b.pool ? -1 : 1));
}
