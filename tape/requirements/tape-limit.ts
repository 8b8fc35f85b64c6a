import { english } from '../../messages/sentence.js';
import type { TapeState } from '../../catalog/schema/tape-tables.js';
import { capacitiesIn } from '../../catalog/tapes/tapes.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { placesOf } from '../../catalog/sets/copy-places.js';
import type { SetRow } from '../../catalog/rows.js';
import { TapeflowFailure } from '../../config/failures.js';
import { formatBytes } from '../../config/sizes.js';
import { defaultReserve } from '../drives/drive.js';
import { ltfsReserve } from '../ltfs/ltfs.js';

/** Tape states ignored for the size limit of a pool: another installation's, or lost. */
const notCounted: readonly TapeState[] = ['foreign', 'lost'];

/**
 * Bytes of the largest archive with manifest that fits a known tape of the pool when empty; undefined: no tape is
 * known.
 */
export async function poolLimit(db: Catalog, pool: string): Promise<number | undefined> {
  const tapes = await capacitiesIn(db, pool, notCounted);
  const largest = Math.max(
    ...tapes.map(
      ({ capacity, volume }) =>
        capacity - (volume === null ? defaultReserve(capacity) : ltfsReserve(capacity)),
    ),
  );
  // A tape of unknown size sets no limit.
  return largest > 0 ? largest : undefined;
}

/** A pool and the largest archive that its tapes take. */
export interface TapeLimit {
  pool: string;
  bytes: number;
}

/** The limit for all copies of a set: the smallest of its pools' limits; undefined while none is known. */
export async function setLimit(
  db: Catalog,
  set: Pick<SetRow, 'pool' | 'drive' | 'places'>,
): Promise<TapeLimit | undefined> {
  let smallest: TapeLimit | undefined;
  for (const { pool } of placesOf(set)) {
    const bytes = await poolLimit(db, pool);
    if (bytes !== undefined && bytes < (smallest?.bytes ?? Infinity)) smallest = { pool, bytes };
  }
  return smallest;
}

/** Says that an archive is larger than any tape of a pool, as part of a sentence. */
export function tooLargeText(needs: number, { pool, bytes }: TapeLimit): string {
  return english`larger than any tape of pool ${pool} (it needs
      ${formatBytes(needs)}, and the largest takes ${formatBytes(bytes)})`;
}

/**
 * Throws `ArchiveTooLarge` when no known tape of the pool could take that many bytes, so that waiting for a tape is
 * pointless.
 */
export async function requireFits(db: Catalog, pool: string, what: string, needs: number): Promise<void> {
  const bytes = await poolLimit(db, pool);
  if (bytes === undefined || needs <= bytes) return;
  throw new TapeflowFailure(
    'ArchiveTooLarge',
    english`${what} is larger than any tape of pool ${pool} (it needs
 ${formatBytes(needs)}, and the largest takes ${formatBytes(bytes)}).`,
    {
      advice: english`Label a larger tape of pool ${pool}.`,
      details: { needs, pool, largest: bytes },
    },
  );
}

/** True for the failure of an archive that no tape of its pool has room for. */
export function isTooLarge(error: unknown): error is TapeflowFailure {
  return error instanceof TapeflowFailure && error.code === 'ArchiveTooLarge';
}
