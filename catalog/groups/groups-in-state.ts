import type { Catalog } from '../open-catalog.js';
import type { GroupState } from '../schema/group-tables.js';

/** Numbers of a set's groups in some states, ascending. */
export async function groupsIn(db: Catalog, setId: string, states: readonly GroupState[]): Promise<number[]> {
  const rows = await db
    .selectFrom('groups')
    .select('no')
    .where('set_id', '=', setId)
    .where('state', 'in', states)
    .orderBy('no')
    .execute();
  return rows.map((row) => row.no);
}

/** Number of groups of a set that wait for their drive. */
export async function queueDepth(db: Catalog, setId: string): Promise<number> {
  const { depth } = await db
    .selectFrom('groups')
    .select((eb) => eb.fn.countAll<number>().as('depth'))
    .where('set_id', '=', setId)
    .where('state', '=', 'queued')
    .executeTakeFirstOrThrow();
  return depth;
}

/** True once an archive of the set is complete. */
export async function hasArchive(db: Catalog, setId: string): Promise<boolean> {
  const row = await db
    .selectFrom('archives')
    .select('group_no')
    .where('set_id', '=', setId)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
