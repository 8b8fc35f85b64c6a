import type { Catalog } from '../open-catalog.js';
import type { CopyRow } from '../rows.js';

/** The copy of a group on a tape, if writing it has begun. */
export async function copyOf(
  db: Catalog,
  setId: string,
  no: number,
  copyNo = 1,
): Promise<CopyRow | undefined> {
  return db
    .selectFrom('copies')
    .selectAll()
    .where('set_id', '=', setId)
    .where('group_no', '=', no)
    .where('copy_no', '=', copyNo)
    .executeTakeFirst();
}

/**
 * The newest committed archive on a tape: a tape without it is not that tape. A damaged archive may be truncated, so it
 * is used only when there is no other.
 */
export async function lastCommittedOn(
  db: Catalog,
  tape: string,
): Promise<{ set_id: string; name: string; size: number } | undefined> {
  const newest = db
    .selectFrom('copies')
    .innerJoin('archives', (join) =>
      join.onRef('archives.set_id', '=', 'copies.set_id').onRef('archives.group_no', '=', 'copies.group_no'),
    )
    .select(['copies.set_id', 'archives.name', 'archives.size'])
    .where('copies.tape_uuid', '=', tape)
    .where('copies.state', '=', 'committed')
    .orderBy('copies.committed_at', 'desc')
    .limit(1);
  return (await newest.where('copies.damage', 'is', null).executeTakeFirst()) ?? newest.executeTakeFirst();
}

/** The query of `writtenCopies`. Unordered: with an order, SQLite would read every copy of the set. */
export function writtenCopiesOn(db: Catalog, tape: string, setId?: string) {
  const query = db
    .selectFrom('copies')
    .innerJoin('archives', (join) =>
      join.onRef('archives.set_id', '=', 'copies.set_id').onRef('archives.group_no', '=', 'copies.group_no'),
    )
    .select([
      'copies.set_id',
      'copies.group_no',
      'copies.copy_no',
      'copies.token',
      'copies.written_at',
      'archives.name',
      'archives.size',
      'archives.manifest_name',
    ])
    .select((eb) => eb.fn.coalesce('copies.manifest_size', 'archives.manifest_size').as('manifest_size'))
    .where('copies.tape_uuid', '=', tape)
    .where('copies.state', '=', 'written');
  return setId === undefined ? query : query.where('copies.set_id', '=', setId);
}

/** Written but uncommitted copies on a tape, with what their archives must look like there; of one set or of all. */
export async function writtenCopies(db: Catalog, tape: string, setId?: string) {
  const rows = await writtenCopiesOn(db, tape, setId).execute();
  return rows.sort((a, b) => a.set_id.localeCompare(b.set_id) || a.group_no - b.group_no);
}

/** True when the tape already holds another copy of the group that is intact or being written. */
export async function holdsOtherCopy(
  db: Catalog,
  copy: { setId: string; group: number; copyNo: number },
  tape: string,
): Promise<boolean> {
  const other = await db
    .selectFrom('copies')
    .select('copy_no')
    .where('set_id', '=', copy.setId)
    .where('group_no', '=', copy.group)
    .where('copy_no', '!=', copy.copyNo)
    .where('tape_uuid', '=', tape)
    .where('state', '!=', 'lost')
    .where('damage', 'is', null)
    .executeTakeFirst();
  return other !== undefined;
}

/** Names of the tapes that hold a committed copy of a group. */
export async function tapesOfGroup(db: Catalog, setId: string, group: number): Promise<string[]> {
  const rows = await tapesWithCopies(db, setId, group).where('copies.state', '=', 'committed').execute();
  return rows.map((row) => row.name);
}

/** Names of lost tapes that held a group. */
export async function lostTapesOf(db: Catalog, setId: string, group: number): Promise<string[]> {
  const rows = await tapesWithCopies(db, setId, group).where('tapes.state', '=', 'lost').execute();
  return [...new Set(rows.map((row) => row.name))];
}

/** The names of the tapes of a group's copies, in the order of the copies; a caller says which. */
function tapesWithCopies(db: Catalog, setId: string, group: number) {
  return db
    .selectFrom('copies')
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select('tapes.name')
    .where('copies.set_id', '=', setId)
    .where('copies.group_no', '=', group)
    .orderBy('copies.copy_no');
}
