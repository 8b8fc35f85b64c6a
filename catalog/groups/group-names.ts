import { sql } from 'kysely';
import type { Catalog } from '../open-catalog.js';

/** A group's range of member names, first and last included. */
export interface GroupRange {
  setId: string;
  no: number;
  first: Uint8Array;
  last: Uint8Array;
}

/**
 * Indexes the base names of a complete group, in the caller's transaction: all at once and sorted, which costs a
 * quarter of an index maintained per row. Existing names stay.
 */
export async function nameGroup(tx: Catalog, { setId, no, first, last }: GroupRange): Promise<void> {
  await tx
    .insertInto('file_names')
    .columns(['set_id', 'group_no', 'name', 'path'])
    .expression((eb) =>
      eb
        .selectFrom('files')
        .select([
          'set_id',
          'group_no',
          sql<Uint8Array>`substr(path, cast(name_at as integer))`.as('name'),
          'path',
        ])
        .where('set_id', '=', setId)
        .where('path', '>=', first)
        .where('path', '<=', last)
        .where('group_no', '=', no)
        .orderBy('name')
        .orderBy('path'),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Removes a group's names, in the caller's transaction. */
export async function forgetNames(tx: Catalog, setId: string, no: number): Promise<void> {
  await tx.deleteFrom('file_names').where('set_id', '=', setId).where('group_no', '=', no).execute();
}
