import type { Catalog } from '../open-catalog.js';
import { tarBlockBytes } from '../schema/places.js';
import { GroupStarts } from './group-starts.js';
import type { TreePart } from './layers.js';
import { Places } from './places.js';

/** Where a folded set's own archives have what a row of its root says. */
export interface FoldedPlace {
  /** The folded set's group. */
  group: number;
  /** Offset of the member's header in that group's tar, in bytes. */
  offset: number;
}

/** The rows that a folded set does not repeat: those of its root, with where its own archives have what they say. */
export class FoldedRows {
  private constructor(
    /** The set's. */
    private readonly groups: GroupStarts,
    private readonly places: Places,
    readonly setId: string,
    /** Places of the root and of the folded set in the chain. */
    readonly root: number,
    readonly part: number,
  ) {}

  /** Undefined where no set of a chain is a folded one. */
  static async of(db: Catalog, parts: readonly TreePart[]): Promise<FoldedRows | undefined> {
    const root = parts.findIndex(({ through }) => through !== undefined);
    const part = parts.findIndex(({ no }) => no === parts[root]?.through);
    const [below, set] = [parts[root], parts[part]];
    if (below === undefined || set === undefined) return undefined;
    const places = new Places(db, set.no, below.no);
    return new FoldedRows(await GroupStarts.of(db, set.setId), places, set.setId, root, part);
  }

  /**
   * Where the folded set has what a row of its root says; undefined when it is not as in the root.
   *
   * @param no as `Places.at` takes it.
   */
  find(path: Uint8Array, no: number): FoldedPlace | undefined | Promise<FoldedPlace | undefined> {
    const place = this.places.at(no, path);
    return typeof place === 'number' ? this.inGroup(path, place) : place.then((at) => this.inGroup(path, at));
  }

  private inGroup(path: Uint8Array, place: number): FoldedPlace | undefined {
    const group = place === 0 ? undefined : this.groups.at(path);
    return group === undefined ? undefined : { group, offset: (place - 1) * tarBlockBytes };
  }
}
