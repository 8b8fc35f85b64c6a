import { lastProof } from '../copies/last-proof.js';
import type { Catalog } from '../open-catalog.js';
import type { TapeState } from '../schema/tape-tables.js';

/** The tapes of a pool in one state; bytes. `free` is what each had when it was last seen. */
export interface TapesFigure {
  pool: string;
  state: TapeState;
  count: number;
  capacity: number;
  free: number;
}

/** How many tapes each pool has in each state, and their room. */
export async function tapesByPool(db: Catalog): Promise<TapesFigure[]> {
  const rows = await db
    .selectFrom('tapes')
    .select((eb) => [
      ...(['pool', 'state'] as const),
      eb.fn.countAll<number>().as('count'),
      eb.fn.sum<number | null>('capacity').as('capacity'),
      eb.fn.sum<number | null>('free').as('free'),
    ])
    .groupBy(['pool', 'state'])
    .execute();
  return rows.map((row) => ({ ...row, capacity: Number(row.capacity ?? 0), free: Number(row.free ?? 0) }));
}

/** What is known of the copies on the tapes of a pool. */
export interface CopiesFigure {
  pool: string;
  committed: number;
  neverVerified: number;
  damaged: number;
  /** When the copy was last read back, or else written, of which that was longest ago; milliseconds since 1970. */
  oldestProof: number;
}

/** The committed copies of each pool, and how long ago they were read back. Reads all copies: not for every second. */
export async function copiesByPool(db: Catalog): Promise<CopiesFigure[]> {
  const rows = await db
    .selectFrom('copies')
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select((eb) => [
      'tapes.pool',
      eb.fn.countAll<number>().as('committed'),
      eb.fn.count<number>('copies.verified_at').as('verified'),
      eb.fn.count<number>('copies.damage').as('damaged'),
      eb.fn.min<number>(lastProof).as('oldestProof'),
    ])
    .where('copies.state', '=', 'committed')
    .groupBy('tapes.pool')
    .execute();
  return rows.map(({ verified, ...row }) => ({
    ...row,
    neverVerified: row.committed - verified,
    oldestProof: Number(row.oldestProof),
  }));
}
