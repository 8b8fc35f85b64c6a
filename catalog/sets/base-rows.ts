import { fromBytes } from '../../entry/byte-string.js';
import { treeRows } from '../files/tree-rows.js';
import type { Catalog } from '../open-catalog.js';
import type { FileRow } from '../rows.js';

const contentColumns = ['sha256', 'tar_offset', 'link_target', 'stored_size', 'attributes'] as const;

/** What a row says of a file that no scan sees. */
export type ContentRow = Pick<FileRow, (typeof contentColumns)[number]>;

/** What a set knows of the content of its entries from one path to another, by their paths as byte strings. */
export async function contentBetween(
  db: Catalog,
  setId: string,
  range: { from: Uint8Array; upTo: Uint8Array },
): Promise<Map<string, ContentRow>> {
  const found = new Map<string, ContentRow>();
  for await (const rows of treeRows(db, setId, range, contentColumns))
    for (const row of rows) found.set(fromBytes(row.path), row);
  return found;
}

const hashedColumns = [
  ...(['set_id', 'group_no', 'path', 'size', 'held_set', 'held_group'] as const),
  ...(['sha256', 'tar_offset', 'link_target', 'stored_size'] as const),
];

/** A row whose content is known by its SHA-256. */
export type HashedRow = Pick<FileRow, (typeof hashedColumns)[number]> & {
  sha256: string;
  tar_offset: number;
};

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
      .select(hashedColumns)
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
