import { fromBytes } from '../../entry/byte-string.js';
import { filePageSize, type PlannedRow } from './files.js';
import type { Catalog } from '../open-catalog.js';

/**
 * Of rows that an earlier archive holds as hard links, those of which it has no member: their offset is that of the
 * file that they are links to.
 */
export async function newNames(db: Catalog, rows: readonly PlannedRow[]): Promise<Set<PlannedRow>> {
  const bySet = new Map<string, { row: PlannedRow; of: Uint8Array }[]>();
  for (const row of rows) {
    const { held_set: setId, link_target: of } = row;
    if (setId === null || of === null) continue;
    const links = bySet.get(setId) ?? [];
    links.push({ row, of });
    bySet.set(setId, links);
  }
  const found = new Set<PlannedRow>();
  for (const [setId, links] of bySet) {
    const offsets = await offsetsIn(
      db,
      setId,
      links.map(({ of }) => of),
    );
    for (const { row, of } of links)
      if (row.tar_offset !== null && offsets.get(fromBytes(of)) === row.tar_offset) found.add(row);
  }
  return found;
}

/** Offsets of members, by name. */
async function offsetsIn(
  db: Catalog,
  setId: string,
  paths: readonly Uint8Array[],
): Promise<Map<string, number | null>> {
  const offsets = new Map<string, number | null>();
  for (let from = 0; from < paths.length; from += filePageSize) {
    const rows = await db
      .selectFrom('files')
      .select(['path', 'tar_offset'])
      .where('set_id', '=', setId)
      .where('path', 'in', paths.slice(from, from + filePageSize))
      .execute();
    for (const { path, tar_offset: offset } of rows) offsets.set(fromBytes(path), offset);
  }
  return offsets;
}
