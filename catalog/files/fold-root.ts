import type { Catalog } from '../open-catalog.js';
import { isRebuilt } from '../rebuilt/rebuilt-sets.js';
import type { SetRow } from '../rows.js';
import { isOfHost } from '../sets/set-host.js';
import { partsOf } from './layers.js';

/**
 * The layer on to which a full set may be folded: that of the newest full set of the same sources that has all of its
 * own rows, and keeps them. Undefined: there is none, or the set is none of that kind.
 */
export async function rootFor(db: Catalog, set: SetRow): Promise<number | undefined> {
  if (set.base_id !== null || isRebuilt(set)) return undefined;
  const sets = await db
    .selectFrom('sets')
    .select(['id', 'state', 'options'])
    .where('sources', '=', set.sources)
    .where(isOfHost(set.host))
    .where('base_id', 'is', null)
    .where('scanned', '=', 1)
    .where('state', 'in', ['completed', 'completed_with_skips', 'expired'])
    .where('id', '!=', set.id)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
  for (const { id, state, options } of sets) {
    const [own, ...below] = await partsOf(db, id);
    if (own === undefined || below.length > 0) continue;
    // The rows of an expired set stay as long as others lie on it.
    if (state === 'expired' ? await isRoot(db, own.no) : !isRebuilt({ options })) return own.no;
  }
  return undefined;
}

/** True when a set was folded on to a layer. */
export async function isRoot(db: Catalog, layer: number): Promise<boolean> {
  const folded = await db
    .selectFrom('chains')
    .select('layer')
    .where('part', '=', layer)
    .where('through', 'is not', null)
    .limit(1)
    .executeTakeFirst();
  return folded !== undefined;
}
