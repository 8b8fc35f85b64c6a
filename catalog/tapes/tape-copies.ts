import type { Catalog } from '../open-catalog.js';
import type { CopyRow } from '../rows.js';
import type { TapeState } from '../schema.js';

/** The copy of a group on a tape, according to the catalog. */
export async function copyOnTape(
  db: Catalog,
  setId: string,
  group: number,
  tape: string,
): Promise<Pick<CopyRow, 'copy_no' | 'state' | 'damage'> | undefined> {
  return (
    db
      .selectFrom('copies')
      .select(['copy_no', 'state', 'damage'])
      .where('set_id', '=', setId)
      .where('group_no', '=', group)
      .where('tape_uuid', '=', tape)
      // A copy that replaced a damaged one comes first.
      .orderBy((eb) => eb('state', '=', 'committed'), 'desc')
      .executeTakeFirst()
  );
}

/** Records what is wrong with the committed copy of a group on a tape; null when it turned out to be intact. */
export async function noteCopyDamage(
  db: Catalog,
  setId: string,
  group: number,
  tape: string,
  damage: string | null,
): Promise<void> {
  await db
    .updateTable('copies')
    .set({ damage })
    .where('set_id', '=', setId)
    .where('group_no', '=', group)
    .where('tape_uuid', '=', tape)
    .where('state', '=', 'committed')
    .execute();
}

/** True when some copy of a group, in any state, has no known damage. */
export async function hasUndamagedCopy(db: Catalog, setId: string, group: number): Promise<boolean> {
  const copy = await db
    .selectFrom('copies')
    .select('copy_no')
    .where('set_id', '=', setId)
    .where('group_no', '=', group)
    .where('damage', 'is', null)
    .executeTakeFirst();
  return copy !== undefined;
}

/** Groups of a set that have a copy on a tape, in any state. */
export async function groupsOnTape(db: Catalog, setId: string, tape: string): Promise<number[]> {
  const copies = await db
    .selectFrom('copies')
    .select('group_no')
    .where('set_id', '=', setId)
    .where('tape_uuid', '=', tape)
    .execute();
  return copies.map((copy) => copy.group_no);
}

/** Sets that have a committed copy on a tape, by id. */
export async function setsOnTape(db: Catalog, tape: string): Promise<string[]> {
  const rows = await db
    .selectFrom('copies')
    .select('set_id')
    .distinct()
    .where('tape_uuid', '=', tape)
    .where('state', '=', 'committed')
    .orderBy('set_id')
    .execute();
  return rows.map((row) => row.set_id);
}

/** True when a tape holds a committed copy of anything. */
export async function holdsCommitted(db: Catalog, tape: string): Promise<boolean> {
  const committed = await db
    .selectFrom('copies')
    .select('group_no')
    .where('tape_uuid', '=', tape)
    .where('state', '=', 'committed')
    .limit(1)
    .executeTakeFirst();
  return committed !== undefined;
}

/** Capacity in bytes and LTFS volume of each tape of a pool, except those in some states. */
export async function capacitiesIn(
  db: Catalog,
  pool: string,
  except: readonly TapeState[],
): Promise<{ capacity: number; volume: string | null }[]> {
  return db
    .selectFrom('tapes')
    .select(['capacity', 'volume'])
    .where('pool', '=', pool)
    .where('state', 'not in', except)
    .execute();
}
