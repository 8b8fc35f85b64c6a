import type { Catalog } from '../open-catalog.js';
import type { FileRow } from '../rows.js';
import type { StoredState } from '../schema/file-tables.js';
import { GroupStarts } from './group-starts.js';
import { KnownSpans } from './known-spans.js';
import { partsOf, type TreePart } from './layers.js';

/** Rows per page of a tree. */
const pageSize = 1000;

/** Rows of all layers together that are in memory, and of each at least. */
const rowsAtOnce = 20_000;
const leastPageSize = 20;

/** A range of paths. */
export interface PathRange {
  /** The first path, or with `after` the one before it. */
  from?: Uint8Array | undefined;
  after?: Uint8Array | undefined;
  /** The path behind the last one, or with `upTo` the last one. */
  before?: Uint8Array | undefined;
  upTo?: Uint8Array | undefined;
}

type LayerRow = Omit<FileRow, 'set_id' | 'state'> & { state: StoredState };

/** Columns of a row as it is seen in a set. */
export type TreeRow<Column extends keyof LayerRow> = Pick<FileRow, Column | 'set_id' | NeededColumn>;

/** What tells whether a row counts, and what it says in a later set. */
const neededColumns = [
  ...(['path', 'type', 'state', 'reason', 'nlink', 'group_no', 'held_set', 'held_group'] as const),
] as const;
type NeededColumn = (typeof neededColumns)[number];

const allColumns: readonly (keyof LayerRow)[] = [
  ...neededColumns,
  ...(['size', 'mtime_s', 'mtime_ns', 'ctime_s', 'ctime_ns', 'mode', 'uid', 'gid', 'dev', 'ino'] as const),
  ...(['link_target', 'hard_link_of', 'sha256', 'tar_offset', 'stored_size', 'attributes'] as const),
];

/** The same in its own set: it may be missing there, since its base's row says all of it. */
export function isInherited(row: Pick<LayerRow, 'type' | 'state' | 'reason' | 'nlink'>): boolean {
  const { type, state, reason, nlink } = row;
  return type === 'file' && (state === 'packed' || state === 'unchanged') && reason === null && nlink === 1;
}

/**
 * The rows of a set's tree in the order of their paths, in pages that are never empty, but not always full: one pass
 * over its layers, with a page of each in memory.
 */
export async function* treeRows<Column extends keyof LayerRow = keyof LayerRow>(
  db: Catalog,
  setId: string,
  range: PathRange,
  columns?: readonly Column[],
): AsyncGenerator<TreeRow<Column>[]> {
  const parts = await partsOf(db, setId);
  const [own] = parts;
  if (own === undefined) return;
  if (parts.length === 1) {
    for await (const page of layerRows(db, own, range, { columns, first: pageSize, limit: pageSize })) {
      for (const row of page) Object.assign(row, { set_id: setId });
      // One that was read from tapes can lie on none, and tell what is gone.
      const rows = own.gated ? page.filter(({ state }) => state !== 'gone') : page;
      if (rows.length > 0) yield rows as unknown as TreeRow<Column>[];
    }
    return;
  }
  const limit = Math.max(leastPageSize, Math.min(pageSize, Math.floor(rowsAtOnce / parts.length)));
  const groups = await GroupStarts.of(db, setId);
  const known = await KnownSpans.of(db, parts);
  const pages = { columns, first: leastPageSize, limit };
  const merge = await Merge.of(parts.map((part) => layerRows(db, part, range, pages)));
  let page: TreeRow<Column>[] = [];
  for (let head = merge.head; head !== undefined; head = merge.head) {
    const { row, at } = head;
    const part = parts[at];
    let seen: TreeRow<Column> | undefined;
    if (at === 0 || part === undefined) seen = ownRow(row, setId);
    else if (known.has(at, row.path)) seen = inheritedRow(row, setId, part, groups);
    if (seen !== undefined) page.push(seen);
    const loading = merge.pass();
    if (loading !== undefined) await loading;
    if (page.length < pageSize) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

function ownRow(row: LayerRow, setId: string): FileRow | undefined {
  const { state } = row;
  return state === 'gone' ? undefined : { ...row, state, set_id: setId };
}

/** A row of an earlier set as that of an unchanged entry of a later one. */
function inheritedRow(
  row: LayerRow,
  setId: string,
  part: TreePart,
  groups: GroupStarts,
): FileRow | undefined {
  if (!isInherited(row)) return undefined;
  const group = groups.at(row.path);
  if (group === undefined) return undefined;
  return {
    ...row,
    set_id: setId,
    group_no: group,
    state: 'unchanged',
    held_set: row.held_set ?? part.setId,
    held_group: row.held_group ?? row.group_no,
  };
}

/** Pages of the rows of one layer. */
export async function* layerRows(
  db: Catalog,
  part: TreePart,
  { from, after, before, upTo }: PathRange,
  {
    columns,
    first,
    limit,
  }: { columns: readonly (keyof LayerRow)[] | undefined; first: number; limit: number },
): AsyncGenerator<LayerRow[]> {
  const wanted = columns === undefined ? allColumns : [...new Set([...columns, ...neededColumns])];
  let last = after;
  // Whoever wants few rows reads few of each layer.
  for (let size = first; ; size = Math.min(2 * size, limit)) {
    let query = db.selectFrom('layer_files').select(wanted).where('layer', '=', part.no);
    if (last !== undefined) query = query.where('path', '>', last);
    else if (from !== undefined) query = query.where('path', '>=', from);
    if (before !== undefined) query = query.where('path', '<', before);
    if (upTo !== undefined) query = query.where('path', '<=', upTo);
    const rows = (await query.orderBy('path').limit(size).execute()) as LayerRow[];
    if (rows.length > 0) yield rows;
    last = rows.at(-1)?.path;
    if (rows.length < size) return;
  }
}

/** The rows of a layer, one after the other. */
class Stream {
  private page: LayerRow[] = [];
  private place = 0;

  constructor(
    private readonly pages: AsyncGenerator<LayerRow[]>,
    readonly at: number,
  ) {}

  get row(): LayerRow | undefined {
    return this.page[this.place];
  }

  /** Goes to the next row; false: a page has to be loaded. */
  pass(): boolean {
    this.place += 1;
    return this.place < this.page.length;
  }

  async load(): Promise<void> {
    const next = await this.pages.next();
    this.page = next.done === true ? [] : next.value;
    this.place = 0;
  }
}

/** The rows of several layers in the order of their paths, of each path that of the first layer that has it. */
class Merge {
  /** Those that have a row, by its path and their place. */
  private readonly streams: Stream[] = [];

  static async of(layers: AsyncGenerator<LayerRow[]>[]): Promise<Merge> {
    const merge = new Merge();
    for (const [at, pages] of layers.entries()) {
      const stream = new Stream(pages, at);
      await stream.load();
      merge.enter(stream);
    }
    return merge;
  }

  /** The next row, and the place of its layer; undefined: there is none. */
  get head(): { row: LayerRow; at: number } | undefined {
    const [stream] = this.streams;
    return stream?.row === undefined ? undefined : { row: stream.row, at: stream.at };
  }

  /** Goes on behind the path of the next row. Returns a promise only when a page has to be loaded. */
  pass(): Promise<void> | undefined {
    const [first, second] = this.streams;
    if (first?.row === undefined) return undefined;
    const { path } = first.row;
    const unloaded: Stream[] = [];
    if (second?.row === undefined || Buffer.compare(path, second.row.path) < 0) {
      this.streams.shift();
      if (first.pass()) this.enter(first);
      else unloaded.push(first);
    } else {
      const same = this.streams.filter(
        ({ row }) => row !== undefined && Buffer.compare(row.path, path) === 0,
      );
      this.streams.splice(0, same.length);
      for (const stream of same)
        if (stream.pass()) this.enter(stream);
        else unloaded.push(stream);
    }
    return unloaded.length === 0 ? undefined : this.load(unloaded);
  }

  private async load(streams: readonly Stream[]): Promise<void> {
    for (const stream of streams) {
      await stream.load();
      this.enter(stream);
    }
  }

  /** Puts a stream where its row belongs; one that has ended is left out. */
  private enter(stream: Stream): void {
    const { row, at } = stream;
    if (row === undefined) return;
    let place = 0;
    for (; place < this.streams.length; place += 1) {
      const other = this.streams[place];
      const order = other?.row === undefined ? 1 : Buffer.compare(row.path, other.row.path);
      if (order < 0 || (order === 0 && at < (other?.at ?? 0))) break;
    }
    this.streams.splice(place, 0, stream);
  }
}
