import { sql } from 'kysely';
import type { Catalog } from '../open-catalog.js';
import type { GroupRow } from '../rows.js';
import { recordEvents } from './events.js';
import { groupOf } from './groups.js';
import { notCompressedStates } from './group-states.js';

/**
 * Marks a group and all its entries as skipped for one reason; it makes no archive. A group that has an archive or is
 * parked stays as it is.
 */
export async function skipGroup(catalog: Catalog, setId: string, no: number, reason: string): Promise<void> {
  await catalog.transaction().execute(async (tx) => {
    const group = await groupOf(tx, setId, no);
    if (notCompressedStates.includes(group.state)) await skipGroupIn(tx, group, reason, null);
  });
}

/**
 * The same in the caller's transaction, for a group that has no archive.
 *
 * @param needs bytes that a tape would need to hold it, if no tape of its pool is large enough.
 */
export async function skipGroupIn(
  tx: Catalog,
  { set_id: setId, no, first_path: first, last_path: last }: GroupRow,
  reason: string,
  needs: number | null,
): Promise<void> {
  await tx
    .updateTable('files')
    .set({ state: 'skipped', reason: sql<string>`coalesce(reason, ${reason})` })
    .where('set_id', '=', setId)
    .where('path', '>=', first)
    .where('path', '<=', last)
    .where('state', '!=', 'unchanged')
    .execute();
  await tx
    .updateTable('groups')
    .set({ state: 'skipped', reason, reserved: 0, needs })
    .where('set_id', '=', setId)
    .where('no', '=', no)
    .execute();
  await recordEvents(tx, [{ setId, group: no, stage: 'failed', detail: reason }]);
}
