import type { TapeRow } from '../../catalog/rows.js';

/** The row of a tape that can be written to, for a catalog whose tapes are in no drive. */
export function tapeRow(uuid: string, name: string, pool: string): TapeRow {
  return {
    ...{ uuid, name, pool, volume: null, state: 'usable', reason: null },
    ...{ before: null, erased_to: null, read_only: 0 },
    ...{ capacity: 0, free: 0, labelled_at: 0, seen_at: 0 },
  };
}
