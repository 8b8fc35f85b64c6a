import type { Selectable } from 'kysely';
import { recordEvents } from '../groups/events.js';
import type { Catalog } from '../open-catalog.js';
import type { CopiesTable, GroupState } from '../schema.js';
import type { SetRow } from '../rows.js';

/** Where a copy of a set is written: pool and drive. */
export interface CopyPlace {
  pool: string;
  drive: string;
}

/** The places of a set's copies; copy number 1 is the first. Pools differ, so that no tape holds two copies. */
export function placesOf(set: Pick<SetRow, 'pool' | 'drive' | 'places'>): CopyPlace[] {
  return set.places === null
    ? [{ pool: set.pool, drive: set.drive }]
    : (JSON.parse(set.places) as CopyPlace[]);
}

/** `places` of a set's row: null for one copy. */
export function placesText(places: readonly CopyPlace[]): string | null {
  return places.length > 1 ? JSON.stringify(places) : null;
}

/** `copy 2 of 3` for a set with several copies; empty for one. */
export function copyText(copyNo: number, copies: number): string {
  return copies === 1 ? '' : `copy ${copyNo} of ${copies}`;
}

/** Group states that copies no longer change. */
const settled: readonly GroupState[] = ['committed', 'released', 'skipped'];

/**
 * Derives a group's state from its copies, in the caller's transaction: `committed` when all of the set's copies are. A
 * parked group stays parked until then.
 * @returns true when the group became committed.
 */
export async function deriveGroupState(tx: Catalog, setId: string, group: number): Promise<boolean> {
  const set = await tx
    .selectFrom('sets')
    .select(['pool', 'drive', 'places'])
    .where('id', '=', setId)
    .executeTakeFirstOrThrow();
  const wanted = placesOf(set).length;
  const before = await tx
    .selectFrom('groups')
    .select('state')
    .where('set_id', '=', setId)
    .where('no', '=', group)
    .executeTakeFirstOrThrow();
  const copies = await tx
    .selectFrom('copies')
    .select('state')
    .where('set_id', '=', setId)
    .where('group_no', '=', group)
    .where('copy_no', '<=', wanted)
    .execute();
  const have = (...states: string[]) => copies.filter((copy) => states.includes(copy.state)).length;
  const state = settled.includes(before.state)
    ? before.state
    : have('committed') === wanted
      ? 'committed'
      : stateBefore(before.state, have('writing') > 0, have('written', 'committed') === wanted);
  if (state === before.state) return false;
  await tx
    .updateTable('groups')
    .set(state === 'committed' ? { state, reason: null } : { state })
    .where('set_id', '=', setId)
    .where('no', '=', group)
    .execute();
  return state === 'committed';
}

/** Parked, or without an archive because its bytes were lost: a write of another copy does not change that. */
const noArchive: readonly GroupState[] = ['open', 'planned', 'compressing', 'failed'];

/** State of a group when not all copies are committed. */
function stateBefore(before: GroupState, writes: boolean, allWritten: boolean): GroupState {
  if (noArchive.includes(before)) return before;
  if (writes) return 'writing';
  if (allWritten) return 'written';
  return before === 'writing' || before === 'written' ? 'queued' : before;
}

/** The same, and records the event when the group became committed. */
export async function deriveStateAfterCommit(
  tx: Catalog,
  copy: { setId: string; group: number; bytes: number },
): Promise<boolean> {
  if (!(await deriveGroupState(tx, copy.setId, copy.group))) return false;
  await recordEvents(tx, [{ ...copy, stage: 'committed' }]);
  return true;
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
