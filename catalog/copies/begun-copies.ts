import type { Catalog } from '../open-catalog.js';

/**
 * Records that a write of the group to a tape begins, or that its archive was found there. Stays for as long as the
 * tape has its label, whatever becomes of the copy: what such a write leaves behind lies there until then.
 */
export async function recordBegun(
  tx: Catalog,
  { setId, group, tape }: { setId: string; group: number; tape: string },
): Promise<void> {
  await tx
    .insertInto('begun_copies')
    .values({ set_id: setId, group_no: group, tape_uuid: tape })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/**
 * True when a write of the group to the tape was ever begun, or its archive was found there: files with the group's
 * names there belong to the group and may be overwritten. `holdsOtherCopy` protects intact ones.
 */
export async function wasBegunOn(db: Catalog, setId: string, group: number, tape: string): Promise<boolean> {
  const begun = await db
    .selectFrom('begun_copies')
    .select('set_id')
    .where('set_id', '=', setId)
    .where('group_no', '=', group)
    .where('tape_uuid', '=', tape)
    .executeTakeFirst();
  return begun !== undefined;
}
