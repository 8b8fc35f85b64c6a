import type { Catalog } from '../open-catalog.js';
import { isRebuilt } from '../rebuilt/rebuilt-sets.js';
import { findSet } from '../sets/sets.js';
import { layerFor } from './entry-rows.js';

/** The number of the layer that a set's own rows are in; made when it has none; in the caller's transaction. */
export async function ownLayer(tx: Catalog, setId: string): Promise<number> {
  const layer = await layerFor(tx, setId);
  await tx
    .insertInto('chains')
    .values({ layer, part: layer, depth: 0 })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return layer;
}

/** Layers of a tree at most: to read one row looks into each of them. The set after that begins anew. */
const mostLayers = 100;

/**
 * Lays a set that has no rows yet on those of its base: what is unchanged needs no row of its own. Not on a set that
 * was read from tapes, whose rows may still be replaced.
 *
 * @returns false for a set that has a row for each of its entries.
 */
export async function layOn(
  catalog: Catalog,
  setId: string,
  baseId: string,
  most = mostLayers,
): Promise<boolean> {
  return catalog.transaction().execute(async (tx) => {
    const layer = await layerFor(tx, setId);
    const parts = await partsOf(tx, setId);
    if (parts.length > 0) return parts.length > 1;
    const base = await findSet(tx, baseId);
    await ownLayer(tx, setId);
    if (base?.scanned !== 1 || isRebuilt(base)) return false;
    const below = await partsOf(tx, baseId);
    if (below.length >= most) return false;
    await layOnParts(tx, layer, below);
    return below.length > 0;
  });
}

/** Lays a layer, which is in `chains`, on parts, the uppermost first; in the caller's transaction. */
export async function layOnParts(
  tx: Catalog,
  layer: number,
  below: readonly Omit<TreePart, 'setId'>[],
): Promise<void> {
  for (const [at, { no: part, gated, through = null }] of below.entries())
    await tx
      .insertInto('chains')
      .values({ layer, part, depth: at + 1, gated: gated ? 1 : 0, through })
      .execute();
}

/** A layer of a set's tree. */
export interface TreePart {
  no: number;
  setId: string;
  /** What is below counts only under names of groups that say so; see `ChainsTable`. */
  gated: boolean;
  /** Of the root of a folded set: the layer of that set; see `ChainsTable`. */
  through?: number;
}

/** The layers that make the tree of a set, its own first: of several rows of a path the first counts. */
export async function partsOf(db: Catalog, setId: string): Promise<TreePart[]> {
  const rows = await db
    .selectFrom('layers')
    .innerJoin('chains', 'chains.layer', 'layers.no')
    .innerJoin('layers as parts', 'parts.no', 'chains.part')
    .select(['parts.no', 'parts.set_id', 'gated', 'through'])
    .where('layers.set_id', '=', setId)
    .orderBy('chains.depth')
    .execute();
  return rows.map(({ no, set_id: id, gated, through }) => ({
    ...{ no, setId: id, gated: gated === 1 },
    ...(through === null ? {} : { through }),
  }));
}

/** True when a layer is that of a folded set, or of one that is being folded. */
export async function isFolded(db: Catalog, layer: number): Promise<boolean> {
  const root = await db
    .selectFrom('chains')
    .select('part')
    .where('layer', '=', layer)
    .where('through', '=', layer)
    .executeTakeFirst();
  return root !== undefined;
}
