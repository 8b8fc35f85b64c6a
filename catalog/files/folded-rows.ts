import type { Catalog } from '../open-catalog.js';
import { tarBlockBytes } from '../schema/places.js';
import { GroupStarts } from './group-starts.js';
import type { LayerRow } from './layer-rows.js';
import type { TreePart } from './layers.js';
import { Places } from './places.js';

/** The rows that a folded set does not repeat: those of its root, with where its own archives have what they say. */
export class FoldedRows {
  private constructor(
    /** The set's. */
    private readonly groups: GroupStarts,
    private readonly places: Places,
    readonly setId: string,
  ) {}

  /** Undefined where no set of a chain is a folded one. */
  static async of(db: Catalog, parts: readonly TreePart[]): Promise<FoldedRows | undefined> {
    const root = parts.find(({ through }) => through !== undefined);
    const set = parts.find(({ no }) => no === root?.through);
    if (root === undefined || set === undefined) return undefined;
    const groups = await GroupStarts.of(db, set.setId);
    return new FoldedRows(groups, new Places(db, set.no, root.no), set.setId);
  }

  /**
   * The row that the folded set would have itself; undefined when it is not as in the root.
   *
   * @param no as `Places.at` takes it.
   */
  rowOf(row: LayerRow, no: number): LayerRow | undefined | Promise<LayerRow | undefined> {
    const place = this.places.at(no, row.path);
    return typeof place === 'number' ? this.rowAt(row, place) : place.then((found) => this.rowAt(row, found));
  }

  private rowAt(row: LayerRow, place: number): LayerRow | undefined {
    const group = place === 0 ? undefined : this.groups.at(row.path);
    if (group === undefined) return undefined;
    // In place: nobody else has it, and a copy of each takes half as long as all else.
    row.group_no = group;
    row.tar_offset = (place - 1) * tarBlockBytes;
    return row;
  }
}
