import type { Catalog } from './open-catalog.js';
import type { RetrievalArchiveRow } from './retrievals.js';
import { copyOf } from './tapes.js';

/** A copy that can be counted on: committed, and not found damaged. */
interface GoodCopy {
  copyNo: number;
  tape: string;
  tapeName: string;
}

/** Good copies of a group, the first of them first. */
export async function goodCopies(db: Catalog, setId: string, group: number): Promise<GoodCopy[]> {
  return db
    .selectFrom('copies')
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select(['copies.copy_no as copyNo', 'copies.tape_uuid as tape', 'tapes.name as tapeName'])
    .where('copies.set_id', '=', setId)
    .where('copies.group_no', '=', group)
    .where('copies.state', '=', 'committed')
    .where('copies.damage', 'is', null)
    .orderBy('copies.copy_no')
    .execute();
}

/** True while the copy that a retrieval wants is one that a tape holds, as far as is known. */
export async function isOnTape(
  db: Catalog,
  row: Pick<RetrievalArchiveRow, 'set_id' | 'group_no' | 'copy_no'>,
): Promise<boolean> {
  return (await copyOf(db, row.set_id, row.group_no, row.copy_no))?.state === 'committed';
}

/** From here on a retrieval reads another copy of an archive, whose tape is at hand. */
export async function readInstead(db: Catalog, row: RetrievalArchiveRow, copy: GoodCopy): Promise<void> {
  await db
    .updateTable('retrieval_archives')
    .set({ copy_no: copy.copyNo, tape_uuid: copy.tape })
    .where('retrieval_id', '=', row.retrieval_id)
    .where('no', '=', row.no)
    .where('state', '=', 'pending')
    .execute();
}

/**
 * Lets a retrieval read another good copy of an archive after all that it has to read else, in place of one that is no good;
 * that one is marked with its damage, if it has one, so that it is not chosen again.
 *
 * @param restored members that the copy has brought back all the same.
 * @returns the name of the other tape; undefined when there is none, and nothing was changed.
 */
export async function goOnWithOther(
  catalog: Catalog,
  row: RetrievalArchiveRow,
  damage: string | null,
  restored = 0,
): Promise<string | undefined> {
  return catalog.transaction().execute(async (tx) => {
    const others = await goodCopies(tx, row.set_id, row.group_no);
    const other = others.find((copy) => copy.copyNo !== row.copy_no);
    if (other === undefined) return undefined;
    if (damage !== null)
      await tx
        .updateTable('copies')
        .set({ damage })
        .where('set_id', '=', row.set_id)
        .where('group_no', '=', row.group_no)
        .where('copy_no', '=', row.copy_no)
        .execute();
    const { last } = await tx
      .selectFrom('retrieval_archives')
      .select((eb) => eb.fn.max<number>('no').as('last'))
      .where('retrieval_id', '=', row.retrieval_id)
      .executeTakeFirstOrThrow();
    await tx
      .deleteFrom('retrieval_problems')
      .where('retrieval_id', '=', row.retrieval_id)
      .where('no', '=', row.no)
      .execute();
    await tx
      .updateTable('retrieval_archives')
      .set({ no: last + 1, copy_no: other.copyNo, tape_uuid: other.tape, restored })
      .where('retrieval_id', '=', row.retrieval_id)
      .where('no', '=', row.no)
      .where('state', '=', 'pending')
      .execute();
    return other.tapeName;
  });
}
