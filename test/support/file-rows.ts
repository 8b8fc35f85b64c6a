import type { SelectQueryBuilder } from 'kysely';
import {
  entryColumns,
  entryValues,
  hashBytes,
  layerFor,
  stateCode,
  type NewFile,
} from '../../catalog/files/entry-rows.js';
import { ownLayer } from '../../catalog/files/layers.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { FileColumns } from '../../catalog/schema/file-tables.js';
import type { Tables } from '../../catalog/schema/tables.js';
import { executeMany } from '../../catalog/execute-many.js';

type FilesQuery = SelectQueryBuilder<Tables, 'files', Pick<FileColumns, 'set_id' | 'path'>>;
type Changes = Partial<Pick<FileColumns, 'state' | 'reason' | 'sha256' | 'tar_offset'>>;

/** Changes the rows of the view `files` that a condition finds, in what they are made of. */
export async function changeFiles(
  catalog: Catalog,
  which: (files: FilesQuery) => FilesQuery,
  changes: Changes | ((row: Pick<FileColumns, 'set_id' | 'path'>) => Changes),
): Promise<void> {
  const rows = await which(catalog.selectFrom('files').select(['set_id', 'path'])).execute();
  await catalog.transaction().execute(async (tx) => {
    for (const row of rows) {
      const { state, sha256, ...others } = typeof changes === 'function' ? changes(row) : changes;
      await tx
        .updateTable('entries')
        .set({
          ...others,
          ...(state === undefined ? {} : { state: stateCode(state) }),
          ...(sha256 === undefined ? {} : { sha256: hashBytes(sha256) }),
        })
        .where('layer', '=', await layerFor(tx, row.set_id))
        .where('path', '=', row.path)
        .execute();
    }
  });
}

/** Adds an entry of a set. */
export async function addFile(catalog: Catalog, row: NewFile): Promise<void> {
  const own = await ownLayer(catalog, row.set_id);
  const held = row.held_set === null ? null : await layerFor(catalog, row.held_set);
  const values = Object.fromEntries(entryColumns.map((column) => [column, null]));
  const insert = catalog
    .insertInto('entries')
    .values(values as never)
    .compile();
  await catalog.transaction().execute((tx) => executeMany(tx, insert, [entryValues(row, { own, held })]));
}
