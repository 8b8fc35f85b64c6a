import type { Catalog } from '../open-catalog.js';
import type { FileRow } from '../rows.js';
import type { StoredState } from '../schema/file-tables.js';
import type { TreePart } from './layers.js';

/** A range of paths. */
export interface PathRange {
  /** The first path, or with `after` the one before it. */
  from?: Uint8Array | undefined;
  after?: Uint8Array | undefined;
  /** The path behind the last one, or with `upTo` the last one. */
  before?: Uint8Array | undefined;
  upTo?: Uint8Array | undefined;
}

/** A row as its own set has it. */
export type LayerRow = Omit<FileRow, 'set_id' | 'state'> & { state: StoredState };

/** What tells whether a row counts, and what it says in a later set. */
const neededColumns = [
  ...(['path', 'type', 'state', 'reason', 'nlink', 'group_no', 'held_set', 'held_group'] as const),
] as const;
export type NeededColumn = (typeof neededColumns)[number];

const allColumns: readonly (keyof LayerRow)[] = [
  ...neededColumns,
  ...(['size', 'mtime_s', 'mtime_ns', 'ctime_s', 'ctime_ns', 'mode', 'uid', 'gid', 'dev', 'ino'] as const),
  ...(['link_target', 'hard_link_of', 'sha256', 'tar_offset', 'stored_size', 'attributes'] as const),
];

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
