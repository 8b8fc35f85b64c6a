import { archiveOf, bytesWithManifest, groupOf, maxArchiveBytes } from '../../catalog/groups/groups.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { copyText, placesOf } from '../../catalog/sets/copy-places.js';
import { setNamed } from '../../catalog/sets/sets.js';

/** Requirements for the tape that takes the next archive, or that is to be synced. */
export interface TapeRequirements {
  setId: string;
  pool: string;
  /** UUID of the only acceptable tape: it holds unsynced archives. */
  wanted?: string | undefined;
  /** The next archive; if undefined, the tape is only needed for its sync, which needs no space. */
  next?: { group: number; copyNo: number; bytes: number } | undefined;
  /** Which of several copies it is for, and why that one is next, such as `copy 2 of 2, since …`. */
  because?: string | undefined;
}

/**
 * What the set requires of the tape in its drive. The write and the wait before it use the same requirements; otherwise
 * a wait could end for a tape that the write refuses.
 */
export async function tapeRequirements(
  catalog: Catalog,
  { setId, group, copyNo = 1 }: { setId: string; group?: number | undefined; copyNo?: number | undefined },
  wanted: string | undefined,
  because?: string,
): Promise<TapeRequirements> {
  const set = await setNamed(catalog, setId);
  const places = placesOf(set);
  const pool = places[copyNo - 1]?.pool ?? set.pool;
  if (group === undefined) return { setId, pool, wanted };
  const row = await groupOf(catalog, setId, group);
  const archive = row.direct === 1 ? undefined : await archiveOf(catalog, setId, group);
  const bytes = archive === undefined ? maxArchiveBytes(row) : bytesWithManifest(archive);
  const which = copyText(copyNo, places.length);
  const why = [which, because ?? ''].filter((part) => part !== '').join(', ');
  return { setId, pool, wanted, next: { group, copyNo, bytes }, because: why === '' ? undefined : why };
}
