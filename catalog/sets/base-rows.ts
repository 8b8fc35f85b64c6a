import { fromBytes } from '../../entry/byte-string.js';
import { treeRows } from '../files/tree-rows.js';
import type { Catalog } from '../open-catalog.js';
import type { FileRow } from '../rows.js';

const treeColumns = [
  ...(['group_no', 'path', 'size', 'mtime_s', 'mtime_ns', 'ctime_s', 'ctime_ns', 'ino'] as const),
  ...(['type', 'state', 'reason', 'mode', 'uid', 'gid', 'nlink'] as const),
  ...([
    'sha256',
    'tar_offset',
    'link_target',
    'held_set',
    'held_group',
    'stored_size',
    'attributes',
  ] as const),
];
const columns = [...treeColumns, 'set_id' as const];

/** What a scan needs to know about a file of its base set. */
export type BaseRow = Pick<FileRow, (typeof columns)[number]>;

/** What a set knows of its entries, in the order of their paths and in pages, behind a path if one is given. */
export function baseRows(
  db: Catalog,
  setId: string,
  after: Uint8Array | undefined,
): AsyncGenerator<BaseRow[]> {
  return treeRows(db, setId, { after }, treeColumns);
}

/**
 * True for a file that a later set may build on: stored completely, or unchanged itself. A row with a reason is not as
 * the scan saw it.
 */
export function mayBeBuiltOn({ type, state, reason }: BaseRow): boolean {
  return type === 'file' && (state === 'packed' || state === 'unchanged') && reason === null;
}

/** A row whose content is known by its SHA-256. */
export type HashedRow = BaseRow & { sha256: string; tar_offset: number };

/** Names per query. */
const namesAtOnce = 500;

/**
 * The files of a set that have some of these names and a content whose SHA-256 is known, by name. Also those whose row
 * has a reason: what their archive holds is what that SHA-256 says, whatever the file was when it was read.
 */
export async function hashedRowsAt(
  db: Catalog,
  setId: string,
  paths: readonly Uint8Array[],
): Promise<Map<string, HashedRow>> {
  const found = new Map<string, HashedRow>();
  for (let from = 0; from < paths.length; from += namesAtOnce) {
    const rows = await db
      .selectFrom('files')
      .select(columns)
      .where('set_id', '=', setId)
      .where('path', 'in', paths.slice(from, from + namesAtOnce))
      .where('type', '=', 'file')
      .where('state', 'in', ['packed', 'unchanged'])
      .execute();
    for (const row of rows) {
      const { sha256, tar_offset } = row;
      if (sha256 !== null && tar_offset !== null)
        found.set(fromBytes(row.path), { ...row, sha256, tar_offset });
    }
  }
  return found;
}
