import type { Catalog } from '../open-catalog.js';
import type { FileRow } from '../rows.js';

const columns = [
  ...(['set_id', 'group_no', 'path', 'size', 'mtime_s', 'mtime_ns', 'ctime_s', 'ctime_ns', 'ino'] as const),
  ...(['sha256', 'tar_offset', 'link_target', 'held_set', 'held_group'] as const),
];

/** What a scan needs to know about a file of its base set. */
export type BaseRow = Pick<FileRow, (typeof columns)[number]>;

/**
 * The next files of a set from a path on that a later set may build on: stored completely, or unchanged themselves. A
 * row with a reason is not as the scan saw it.
 */
export async function baseRowsFrom(
  db: Catalog,
  setId: string,
  limit: number,
  path: Uint8Array,
): Promise<BaseRow[]> {
  return db
    .selectFrom('files')
    .select(columns)
    .where('set_id', '=', setId)
    .where('path', '>=', path)
    .where('type', '=', 'file')
    .where('state', 'in', ['packed', 'unchanged'])
    .where('reason', 'is', null)
    .orderBy('path')
    .limit(limit)
    .execute();
}
