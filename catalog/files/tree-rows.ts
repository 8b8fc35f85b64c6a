import type { Catalog } from '../open-catalog.js';
import type { FileRow } from '../rows.js';
import { FoldedRows } from './folded-rows.js';
import { GroupStarts } from './group-starts.js';
import { KnownSpans } from './known-spans.js';
import { layerRows, type LayerRow, type NeededColumn, type PathRange } from './layer-rows.js';
import { isFolded, partsOf, type TreePart } from './layers.js';
import { Merge } from './merge.js';

/** Rows per page of a tree. */
const pageSize = 1000;

/** Rows of all layers together that are in memory, and of each at least. */
const rowsAtOnce = 20_000;
const leastPageSize = 20;

/** Columns of a row as it is seen in a set. */
export type TreeRow<Column extends keyof LayerRow> = Pick<FileRow, Column | 'set_id' | NeededColumn>;

/** The same in its own set: it may be missing there, since its base's row says all of it. */
export function isInherited(row: Pick<LayerRow, 'type' | 'state' | 'reason' | 'nlink'>): boolean {
  const { type, state, reason, nlink } = row;
  return type === 'file' && (state === 'packed' || state === 'unchanged') && reason === null && nlink === 1;
}

/**
 * The rows of a set's tree in the order of their paths, in pages that are never empty, but not always full: one pass
 * over its layers, with a page of each in memory.
 *
 * @param most rows of a page.
 */
export async function* treeRows<Column extends keyof LayerRow = keyof LayerRow>(
  db: Catalog,
  setId: string,
  range: PathRange,
  columns?: readonly Column[],
  most = pageSize,
): AsyncGenerator<TreeRow<Column>[]> {
  const parts = await partsOf(db, setId);
  const [own] = parts;
  if (own === undefined) return;
  if (parts.length > 1) {
    yield* mergedRows(db, setId, parts, { range, columns, most });
    return;
  }
  let { after } = range;
  for await (const page of layerRows(db, own, range, { columns, first: most, limit: most })) {
    if (await isFolded(db, own.no)) break;
    after = page.at(-1)?.path;
    for (const row of page) Object.assign(row, { set_id: setId });
    // One that was read from tapes can lie on none, and tell what is gone.
    const rows = own.gated ? page.filter(({ state }) => state !== 'gone') : page;
    if (rows.length > 0) yield rows as unknown as TreeRow<Column>[];
  }
  // Meanwhile it ends, and some of its rows have gone.
  if (await isFolded(db, own.no)) yield* treeRows(db, setId, { ...range, after }, columns, most);
}

/** The rows of several layers. */
async function* mergedRows<Column extends keyof LayerRow>(
  db: Catalog,
  setId: string,
  parts: readonly TreePart[],
  { range, columns, most }: { range: PathRange; columns: readonly Column[] | undefined; most: number },
): AsyncGenerator<TreeRow<Column>[]> {
  const limit = Math.max(leastPageSize, Math.min(pageSize, Math.floor(rowsAtOnce / parts.length)));
  const groups = await GroupStarts.of(db, setId);
  const known = await KnownSpans.of(db, parts);
  const folded = await FoldedRows.of(db, parts);
  const pages = { columns, first: leastPageSize, limit };
  const merge = await Merge.of(parts.map((part) => layerRows(db, part, range, pages)));
  let page: TreeRow<Column>[] = [];
  for (let head = merge.head; head !== undefined; head = merge.head) {
    const { row, no, at } = head;
    const part = parts[at];
    let seen: TreeRow<Column> | undefined;
    if (at === 0 || part === undefined) seen = ownRow(row, setId);
    else if (known.has(at, row.path)) {
      if (part.through === undefined) seen = inheritedRow(row, setId, part.setId, groups);
      else if (folded !== undefined) {
        const found = folded.find(row.path, no);
        const place = found instanceof Promise ? await found : found;
        if (place !== undefined) {
          // In place: nobody else has the row, and a copy of each takes half as long as all else.
          row.group_no = place.group;
          row.tar_offset = place.offset;
          seen = folded.setId === setId ? ownRow(row, setId) : inheritedRow(row, setId, folded.setId, groups);
        }
      }
    }
    if (seen !== undefined) page.push(seen);
    const loading = merge.pass();
    if (loading !== undefined) await loading;
    if (page.length < most) continue;
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
  holder: string,
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
    held_set: row.held_set ?? holder,
    held_group: row.held_group ?? row.group_no,
  };
}
