import { partsOf } from '../../catalog/files/layers.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { baseOf } from '../../catalog/rebuilt/rebuilt-layers.js';
import { isRebuilt } from '../../catalog/rebuilt/rebuilt-sets.js';
import type { GroupRow, SetRow } from '../../catalog/rows.js';
import { tapesOf } from '../../catalog/sets/set-summary.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { fromBytes } from '../../entry/byte-string.js';
import type { ManifestChanges } from '../../entry/manifest-content.js';

/**
 * What the manifest of a group is added to when it lists only what is other than in the base of its set; undefined
 * where the set has a row for each entry, so that the manifest lists them all.
 */
export async function manifestChanges(
  catalog: Catalog,
  set: SetRow,
  { first_path, last_path, on_base: isOnBase }: GroupRow,
): Promise<ManifestChanges | undefined> {
  const names = { first: fromBytes(first_path), last: fromBytes(last_path) };
  if (isRebuilt(set)) {
    const told = isOnBase === 1 ? baseOf(set) : undefined;
    return told === undefined ? undefined : { baseUuid: told.uuid, baseTapes: told.tapes, ...names };
  }
  if (set.base_id === null || (await partsOf(catalog, set.id)).length < 2) return undefined;
  const base = await setNamed(catalog, set.base_id);
  return { baseUuid: base.uuid, baseTapes: await tapesOf(catalog, base.id), ...names };
}
