import type { Selectable } from 'kysely';
import type { Catalog } from '../open-catalog.js';
import type { CopyRow } from '../rows.js';
import type { CopiesTable } from '../schema/tape-tables.js';

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

/** Numbers of the copies that are committed, by group. */
export async function committedCopiesOf(
  db: Catalog,
  setId: string,
  groups: readonly number[],
): Promise<Map<number, number[]>> {
  const found = new Map<number, number[]>();
  if (groups.length === 0) return found;
  const rows = await db
    .selectFrom('copies')
    .select(['group_no', 'copy_no'])
    .where('set_id', '=', setId)
    .where('group_no', 'in', groups)
    .where('state', '=', 'committed')
    .execute();
  for (const { group_no: group, copy_no: copy } of rows)
    found.set(group, [...(found.get(group) ?? []), copy]);
  return found;
}

/** Every copy of a group, by its number, whatever its state. */
export async function allCopiesOf(
  db: Catalog,
  setId: string,
  group: number,
): Promise<Selectable<CopiesTable>[]> {
  return db
    .selectFrom('copies')
    .selectAll()
    .where('set_id', '=', setId)
    .where('group_no', '=', group)
    .orderBy('copy_no')
    .execute();
}
