import { sql } from 'kysely';
import type { Catalog } from '../open-catalog.js';
import type { GroupRow } from '../rows.js';
import { layerOf, stateCode } from '../files/entry-rows.js';
import { transitionGroup } from './group-states.js';

/**
 * Marks a group that has no archive and all its entries as skipped for one reason, in the caller's transaction.
 *
 * @param needs bytes that a tape would need to hold it, if no tape of its pool is large enough.
 */
export async function skipGroup(
  tx: Catalog,
  { set_id: setId, no, first_path: first, last_path: last }: GroupRow,
  reason: string,
  needs: number | null,
): Promise<void> {
  await tx
    .updateTable('entries')
    .set({ state: stateCode('skipped'), reason: sql<string>`coalesce(reason, ${reason})` })
    .where('layer', '=', layerOf(setId))
    .where('path', '>=', first)
    .where('path', '<=', last)
    .where('state', 'not in', [stateCode('unchanged'), stateCode('gone')])
    .execute();
  await transitionGroup(tx, setId, no, 'skip', { reason, needs }, [{ stage: 'failed', detail: reason }]);
}
