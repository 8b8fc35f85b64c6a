import { sql } from 'kysely';
import type { Catalog } from '../open-catalog.js';

/** Damaged archives on a tape. */
export interface DamagedTape {
  uuid: string;
  name: string;
  archives: number;
  /** How many of them no other good copy has. */
  alone: number;
  /** What is wrong with one of them. */
  damage: string;
}

/** A good copy of the same archive, other than `copies`. */
const otherGood = sql<boolean>`exists (
  select 1 from copies as other where other.set_id = copies.set_id and other.group_no = copies.group_no
  and other.copy_no <> copies.copy_no and other.state = 'committed' and other.damage is null)`;

/** The tapes with archives that are known to be damaged. */
export async function damagedTapes(db: Catalog): Promise<DamagedTape[]> {
  const rows = await db
    .selectFrom('copies')
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select((eb) => [
      'tapes.uuid',
      'tapes.name',
      eb.fn.countAll<number>().as('archives'),
      sql<number>`sum(case when ${otherGood} then 0 else 1 end)`.as('alone'),
      eb.fn.min<string>('copies.damage').as('damage'),
    ])
    .where('copies.damage', 'is not', null)
    .where('copies.state', '=', 'committed')
    .groupBy(['tapes.uuid', 'tapes.name'])
    .orderBy('tapes.name')
    .execute();
  return rows.map((row) => ({ ...row, alone: Number(row.alone) }));
}

/** A set with archives of which one good copy is left, though there were several. */
export interface ThinSet {
  setId: string;
  archives: number;
}

/**
 * Sets with archives that had several copies, of which one good one is left; what was erased on purpose was not meant
 * to stay.
 */
export async function setsWithOneCopyLeft(db: Catalog): Promise<ThinSet[]> {
  const { rows } = await sql<ThinSet>`
    select thin.set_id as "setId", count(*) as archives from (
      select set_id, group_no from copies
      where state = 'committed' or (state = 'lost' and committed_at is not null)
      group by set_id, group_no
      having count(*) > 1
        and sum(case when state = 'committed' and damage is null then 1 else 0 end) = 1) as thin
    group by thin.set_id order by thin.set_id`.execute(db);
  return rows.map(({ setId, archives }) => ({ setId, archives: Number(archives) }));
}
