import { fromBytes, toBytes } from '../../entry/byte-string.js';
import { GroupStarts } from '../files/group-starts.js';
import { partsOf, type TreePart } from '../files/layers.js';
import { Places } from '../files/places.js';
import { storedNumber } from '../files/entry-rows.js';
import { treeRows } from '../files/tree-rows.js';
import type { Catalog } from '../open-catalog.js';
import { LayerStream, type ComparedRow } from './compared-layer.js';

/** Rows in a page, of all layers together in memory, and of each layer at least. */
const pageSize = 1000;
const rowsAtOnce = 20_000;
const leastPageSize = 20;

const treeColumns = [
  ...(['size', 'mtime_s', 'mtime_ns', 'ctime_s', 'ctime_ns', 'mode', 'uid', 'gid', 'nlink', 'ino'] as const),
];

/**
 * The files of a complete set that a later one may build on, in the order of their names: what `treeRows` has, with no
 * more of each than a scan compares, which takes a quarter of its time but where a layer was read from tapes.
 */
export class ComparedRows {
  private constructor(
    private readonly db: Catalog,
    private readonly setId: string,
    private readonly parts: readonly TreePart[],
    /** First and last name of the set's groups: what a layer below has elsewhere is none of the set. */
    private readonly groups: { first: Uint8Array; last: Uint8Array } | undefined,
    private readonly sets: ReadonlyMap<number, string>,
  ) {}

  static async of(db: Catalog, setId: string): Promise<ComparedRows> {
    const parts = await partsOf(db, setId);
    const groups = await db
      .selectFrom('groups')
      .select(['first_path', 'last_path'])
      .where('set_id', '=', setId)
      .orderBy('no')
      .execute();
    const [first, last] = [groups[0]?.first_path, groups.at(-1)?.last_path];
    const layers = await db.selectFrom('layers').selectAll().execute();
    return new ComparedRows(
      db,
      setId,
      parts,
      first === undefined || last === undefined ? undefined : { first, last },
      new Map(layers.map(({ no, set_id: id }) => [no, id])),
    );
  }

  /** The archive that holds the content of a row. */
  holderOf({ held_layer: layer, held_group: group, group_no: own, part }: ComparedRow): {
    setId: string;
    group: number;
  } {
    const setId = layer === null ? this.parts[part]?.setId : this.sets.get(layer);
    if (setId === undefined) throw new Error('a row is of a layer that the catalog does not know');
    return { setId, group: group ?? own };
  }

  /** Pages of the rows, behind a path if one is given. */
  pages(after: Uint8Array | undefined): AsyncGenerator<ComparedRow[]> {
    return this.parts.some(({ gated }) => gated) ? this.treePages(after) : this.plainPages(after);
  }

  private async *plainPages(after: Uint8Array | undefined): AsyncGenerator<ComparedRow[]> {
    const streams = await this.streams(after);
    const folded = await FoldedHolders.of(this.db, this.parts);
    let page: ComparedRow[] = [];
    for (let first = lowest(streams); first?.head !== undefined; first = lowest(streams)) {
      const { name } = first.head;
      const others = streams.filter((stream) => stream !== first);
      // What lower layers have under that name does not count.
      for (const stream of others) if (stream.head?.name === name) await stream.pass();
      const end = lowest(others)?.head?.name;
      // Most rows are of one layer, one after the other.
      for (let head = first.head; ;) {
        if (this.counts(head)) {
          const isHeld = folded?.hold(head, first.no) ?? true;
          if (typeof isHeld === 'boolean' ? isHeld : await isHeld) page.push(head);
        }
        const loading = first.pass();
        if (loading !== undefined) await loading;
        if (first.head === undefined || (end !== undefined && first.head.name >= end)) break;
        head = first.head;
        if (page.length < pageSize) continue;
        yield page;
        page = [];
      }
    }
    if (page.length > 0) yield page;
  }

  private async streams(after: Uint8Array | undefined): Promise<LayerStream[]> {
    const { db, parts } = this;
    const limit = Math.max(leastPageSize, Math.min(pageSize, Math.floor(rowsAtOnce / parts.length)));
    const streams = parts.map(({ no }, part) => new LayerStream(db, { no, part }, after, limit));
    for (const stream of streams) await stream.load();
    return streams;
  }

  /** False for a row that only hides what is below it, or is of a layer below and none of the set. */
  private counts({ name, builds, nlink, part }: ComparedRow): boolean {
    if (builds === 0 || part === 0) return builds !== 0;
    const { groups } = this;
    if (nlink !== 1 || groups === undefined) return false;
    const path = toBytes(name);
    return path.compare(groups.first) >= 0 && path.compare(groups.last) <= 0;
  }

  private async *treePages(after: Uint8Array | undefined): AsyncGenerator<ComparedRow[]> {
    const layers = new Map([...this.sets].map(([no, setId]) => [setId, no]));
    for await (const rows of treeRows(this.db, this.setId, { after }, treeColumns)) {
      const page: ComparedRow[] = [];
      for (const { path, type, state, reason, held_set: holder, ino, ...row } of rows) {
        if (type !== 'file' || (state !== 'packed' && state !== 'unchanged') || reason !== null) continue;
        const number = storedNumber(ino);
        const isExact = typeof number === 'number';
        page.push({
          ...row,
          ...{ name: fromBytes(path), part: 0, builds: 1 },
          ...{ ino: isExact ? number : null, large_ino: isExact ? null : String(number) },
          held_layer: holder === null ? null : (layers.get(holder) ?? -1),
        });
      }
      if (page.length > 0) yield page;
    }
  }
}

/** What holds the rows that a folded set does not repeat: archives of its own. See `ChainsTable`. */
class FoldedHolders {
  private constructor(
    /** Places of the root and of the folded set in the chain. */
    private readonly root: number,
    private readonly part: number,
    private readonly groups: GroupStarts,
    private readonly places: Places,
  ) {}

  /** Undefined where no set of a chain is a folded one. */
  static async of(db: Catalog, parts: readonly TreePart[]): Promise<FoldedHolders | undefined> {
    const root = parts.findIndex(({ through }) => through !== undefined);
    const part = parts.findIndex(({ no }) => no === parts[root]?.through);
    const [below, set] = [parts[root], parts[part]];
    if (below === undefined || set === undefined) return undefined;
    const places = new Places(db, set.no, below.no);
    return new FoldedHolders(root, part, await GroupStarts.of(db, set.setId), places);
  }

  /**
   * Notes of a row of the root which group of the folded set holds it; false when that set does not have it.
   *
   * @param no as `Places.at` takes it.
   */
  hold(row: ComparedRow, no: number): boolean | Promise<boolean> {
    if (row.part !== this.root) return true;
    const path = toBytes(row.name);
    const place = this.places.at(no, path);
    return typeof place === 'number'
      ? this.holdAt(row, path, place)
      : place.then((found) => this.holdAt(row, path, found));
  }

  private holdAt(row: ComparedRow, path: Buffer, place: number): boolean {
    const group = place === 0 ? undefined : this.groups.at(path);
    if (group === undefined) return false;
    row.group_no = group;
    row.part = this.part;
    return true;
  }
}

/** The stream whose row comes first; of several with the same name the uppermost. */
function lowest(streams: readonly LayerStream[]): LayerStream | undefined {
  let found: LayerStream | undefined;
  for (const stream of streams) {
    if (stream.head === undefined) continue;
    if (found?.head === undefined || stream.head.name < found.head.name) found = stream;
  }
  return found;
}
