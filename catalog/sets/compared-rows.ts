import { fromBytes, toBytes } from '../../entry/byte-string.js';
import { FoldedRows, type FoldedPlace } from '../files/folded-rows.js';
import { partsOf, type TreePart } from '../files/layers.js';
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
    const folded = await FoldedRows.of(this.db, this.parts);
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
          if (folded === undefined || head.part !== folded.root) page.push(head);
          else {
            const found = folded.find(toBytes(head.name), first.no);
            const place = found instanceof Promise ? await found : found;
            if (place !== undefined) page.push(heldBy(head, folded.part, place));
          }
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

/** Notes of a row of the root that a folded set holds it, in place: nobody else has the row. */
function heldBy(row: ComparedRow, part: number, { group }: FoldedPlace): ComparedRow {
  row.group_no = group;
  row.part = part;
  return row;
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
