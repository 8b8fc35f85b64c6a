import { layOnParts, type TreePart, ownLayer, partsOf } from '../files/layers.js';
import type { Catalog } from '../open-catalog.js';
import type { SetRow } from '../rows.js';
import { findSet } from '../sets/sets.js';
import { isRebuilt } from './rebuilt-sets.js';

/** A set on which one builds that was read from tapes, and that is not there. */
export interface MissingBase {
  setId: string;
  uuid: string;
  /** Names of the tapes that held it when it was built on. */
  tapes: string[];
}

/**
 * Lays a set that was read from tapes on what it builds on, as far as that is known, in the caller's transaction. To be
 * repeated when more of that is known.
 *
 * @returns the base, where nothing is known of it.
 */
export async function layRebuilt(tx: Catalog, set: SetRow): Promise<MissingBase | undefined> {
  const wanted = baseOf(set);
  if (wanted === undefined) return undefined;
  const layer = await ownLayer(tx, set.id);
  const below = await partsOfBase(tx, wanted);
  // Of sets that say that they build on each other.
  const parts = [{ no: layer, gated: true }, ...below.filter(({ no }) => no !== layer)];
  const before = await partsOf(tx, set.id);
  const textOf = (some: readonly Pick<TreePart, 'no' | 'gated'>[]) =>
    some.map(({ no, gated }) => `${no}${gated ? '!' : ''}`).join();
  if (textOf(before) !== textOf(parts)) {
    await tx.deleteFrom('chains').where('layer', '=', layer).execute();
    await tx.insertInto('chains').values({ layer, part: layer, depth: 0, gated: 1 }).execute();
    await layOnParts(tx, layer, parts.slice(1));
  }
  return below.length === 0 ? wanted : undefined;
}

/** What a set builds on, where its manifests list only what is other than there. */
export function baseOf({
  base_id: setId,
  base_uuid: uuid,
  base_tapes: tapes,
}: Pick<SetRow, 'base_id' | 'base_uuid' | 'base_tapes'>): MissingBase | undefined {
  if (setId === null || uuid === null) return undefined;
  return { setId, uuid, tapes: JSON.parse(tapes ?? '[]') as string[] };
}

/** The layers of a base; none when it is another set of that number, or its entries are not known. */
async function partsOfBase(tx: Catalog, { setId, uuid }: MissingBase): Promise<TreePart[]> {
  const base = await findSet(tx, setId);
  if (base?.uuid !== uuid) return [];
  // What is built on had been completed: otherwise this is a catalog from before that.
  const wasDone = ['completed', 'completed_with_skips', 'expired'].includes(base.state);
  return isRebuilt(base) || wasDone ? partsOf(tx, setId) : [];
}

/** The sets read from tapes that build on one, and those that build on them, each after what it builds on. */
export async function setsOn(db: Catalog, setId: string): Promise<string[]> {
  const found = new Set([setId]);
  for (const base of found) {
    const rows = await db
      .selectFrom('sets')
      .select('id')
      .where('base_id', '=', base)
      .where('base_uuid', 'is not', null)
      .orderBy('id')
      .execute();
    for (const { id } of rows) found.add(id);
  }
  return [...found].slice(1);
}
