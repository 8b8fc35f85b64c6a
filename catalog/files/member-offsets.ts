import type { Catalog } from '../open-catalog.js';
import { layerOf } from './entry-rows.js';
import { partsOf } from './layers.js';
import { treeRows } from './tree-rows.js';

/** Offset of a member in its archive, in bytes of the tar; null when it is not known. */
export async function tarOffsetOf(db: Catalog, setId: string, path: Uint8Array): Promise<number | null> {
  const row = await db
    .selectFrom('files')
    .select('tar_offset')
    .where('set_id', '=', setId)
    .where('path', '=', path)
    .executeTakeFirst();
  return row?.tar_offset ?? null;
}

/** Offset of the member after a path in an archive, in bytes of the tar; undefined when it is the last. */
export async function offsetAfter(
  db: Catalog,
  { setId, group, last }: { setId: string; group: number; last: Uint8Array },
  path: Uint8Array,
): Promise<number | undefined> {
  if ((await partsOf(db, setId))[1]?.through !== undefined) {
    for await (const rows of treeRows(db, setId, { after: path, upTo: last }, ['tar_offset'], 1))
      for (const { tar_offset: offset } of rows) if (offset !== null) return offset;
    return undefined;
  }
  const row = await db
    .selectFrom('entries')
    .select('tar_offset')
    .where('layer', '=', layerOf(setId))
    .where('group_no', '=', group)
    .where('held_layer', 'is', null)
    .where('tar_offset', 'is not', null)
    .where('path', '>', path)
    .where('path', '<=', last)
    .orderBy('path')
    .limit(1)
    .executeTakeFirst();
  return row?.tar_offset ?? undefined;
}
