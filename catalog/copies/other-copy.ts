import type { Catalog } from '../open-catalog.js';
import type { RetrievalArchiveRow } from '../rows.js';
import { copyOf } from './copies.js';

/** A reliable copy: committed, and not known to be damaged. */
export interface GoodCopy {
  copyNo: number;
  tape: string;
  tapeName: string;
}

/** Good copies of a group, by copy number. */
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

/** True while the copy that a retrieval wants is known to be on a tape. */
export async function isOnTape(
  db: Catalog,
  row: Pick<RetrievalArchiveRow, 'set_id' | 'group_no' | 'copy_no'>,
): Promise<boolean> {
  return (await copyOf(db, row.set_id, row.group_no, row.copy_no))?.state === 'committed';
}

/** Makes a retrieval read another copy of an archive, whose tape is loaded. */
export async function switchToCopy(db: Catalog, row: RetrievalArchiveRow, copy: GoodCopy): Promise<void> {
  await db
    .updateTable('retrieval_archives')
    .set({ copy_no: copy.copyNo, tape_uuid: copy.tape })
    .where('retrieval_id', '=', row.retrieval_id)
    .where('no', '=', row.no)
    .where('state', '=', 'pending')
    .execute();
}

/** A copy that a retrieval may read instead of another one. */
export type OtherCopy = GoodCopy;

/**
 * The copy of an archive that was tried before one of which nothing could be read: the last resort of a salvage, going
 * back until one can be read; undefined when there is none.
 */
export async function earlierCopyOf(
  tx: Catalog,
  row: Pick<RetrievalArchiveRow, 'set_id' | 'group_no' | 'copy_no' | 'tried'>,
): Promise<OtherCopy | undefined> {
  const tried = JSON.parse(row.tried) as number[];
  const at = tried.indexOf(row.copy_no);
  for (const copyNo of (at === -1 ? tried : tried.slice(0, at)).reverse()) {
    const copy = await tx
      .selectFrom('copies')
      .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
      .select(['copies.copy_no as copyNo', 'copies.tape_uuid as tape', 'tapes.name as tapeName'])
      .where('copies.set_id', '=', row.set_id)
      .where('copies.group_no', '=', row.group_no)
      .where('copies.copy_no', '=', copyNo)
      .where('copies.state', '=', 'committed')
      .executeTakeFirst();
    if (copy !== undefined) return copy;
  }
  return undefined;
}

/**
 * The copy of an archive that a retrieval reads next after a bad one: one that it has not tried, preferably undamaged;
 * undefined when there is none.
 */
export async function otherCopyOf(
  tx: Catalog,
  row: Pick<RetrievalArchiveRow, 'set_id' | 'group_no' | 'copy_no' | 'tried'>,
): Promise<OtherCopy | undefined> {
  return tx
    .selectFrom('copies')
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select(['copies.copy_no as copyNo', 'copies.tape_uuid as tape', 'tapes.name as tapeName'])
    .where('copies.set_id', '=', row.set_id)
    .where('copies.group_no', '=', row.group_no)
    .where('copies.state', '=', 'committed')
    .where('copies.copy_no', 'not in', [...(JSON.parse(row.tried) as number[]), row.copy_no])
    .orderBy((eb) => eb('copies.damage', 'is not', null))
    .orderBy('copies.copy_no')
    .executeTakeFirst();
}
