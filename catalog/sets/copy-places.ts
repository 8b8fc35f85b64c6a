import { english } from '../../messages/sentence.js';
import type { SetRow } from '../rows.js';

/** Where a copy of a set is written: pool and drive. */
export interface CopyPlace {
  pool: string;
  drive: string;
}

/** The places of a set's copies; copy number 1 is the first. Pools differ, so that no tape holds two copies. */
export function placesOf(set: Pick<SetRow, 'pool' | 'drive' | 'places'>): CopyPlace[] {
  return set.places === null
    ? [{ pool: set.pool, drive: set.drive }]
    : (JSON.parse(set.places) as CopyPlace[]);
}

/** `places` of a set's row: null for one copy. */
export function placesText(places: readonly CopyPlace[]): string | null {
  return places.length > 1 ? JSON.stringify(places) : null;
}

/** `copy 2 of 3` for a set with several copies; empty for one. */
export function copyText(copyNo: number, copies: number): string {
  return copies === 1 ? '' : english`copy ${copyNo} of ${copies}`;
}
