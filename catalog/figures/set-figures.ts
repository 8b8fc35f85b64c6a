import type { Catalog } from '../open-catalog.js';
import type { GroupState } from '../schema/group-tables.js';
import { finalSetStates, type SetState } from '../schema/set-tables.js';

/** How many sets are in each state. */
export async function setsByState(db: Catalog): Promise<{ state: SetState; count: number }[]> {
  return db
    .selectFrom('sets')
    .select((eb) => ['state', eb.fn.countAll<number>().as('count')])
    .groupBy('state')
    .execute();
}

/** How many unfinished sets were taken up too often without progress, and are left alone. */
export async function setsLeftAlone(db: Catalog): Promise<number> {
  const { count } = await db
    .selectFrom('sets')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('state', 'not in', finalSetStates)
    .where('left_alone', '=', 1)
    .executeTakeFirstOrThrow();
  return count;
}

/**
 * How many groups of unfinished and of failed sets are in each state, and how many bytes of files they hold. Those of
 * other sets are released, and many: they are not read.
 */
export async function groupsByState(
  db: Catalog,
): Promise<{ state: GroupState; count: number; bytes: number }[]> {
  const open: SetState[] = ['scanning', 'running', 'waiting_for_tape', 'paused', 'failed'];
  const rows = await db
    .selectFrom('groups')
    .innerJoin('sets', 'sets.id', 'groups.set_id')
    .select((eb) => [
      'groups.state',
      eb.fn.countAll<number>().as('count'),
      eb.fn.sum<number | null>('groups.bytes').as('bytes'),
    ])
    .where('sets.state', 'in', open)
    .groupBy('groups.state')
    .execute();
  return rows.map((row) => ({ ...row, bytes: Number(row.bytes ?? 0) }));
}
