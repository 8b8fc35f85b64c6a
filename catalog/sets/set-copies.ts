import type { Selectable } from 'kysely';
import { recordEvents } from '../groups/events.js';
import type { Catalog } from '../open-catalog.js';
import type { CopiesTable, GroupState } from '../schema.js';
import type { SetRow } from '../rows.js';

/** Where one of a set's copies is written: to tapes of this pool, in this drive. */
export interface CopyPlace {
  pool: string;
  drive: string;
}

/** The places of a set's copies; copy number 1 is the first. Never two of one pool, so that no tape holds both. */
export function placesOf(set: Pick<SetRow, 'pool' | 'drive' | 'places'>): CopyPlace[] {
  return set.places === null
    ? [{ pool: set.pool, drive: set.drive }]
    : (JSON.parse(set.places) as CopyPlace[]);
}

/** `places` of a set's row: null for one copy. */
export function placesText(places: readonly CopyPlace[]): string | null {
  return places.length > 1 ? JSON.stringify(places) : null;
}

/** `copy 2 of 3` where a set has several copies; empty where it has one. */
export function copyText(copyNo: number, copies: number): string {
  return copies === 1 ? '' : `copy ${copyNo} of ${copies}`;
}

/** Group states that no copy changes any more. */
const settled: readonly GroupState[] = ['committed', 'released', 'skipped'];

/**
 * Gives a group the state that its copies have together, in the caller's transaction: `committed` when each of the
 * set's copies is. A parked group stays parked until then.
 * @returns true when this made it committed.
 */
export async function settleGroup(tx: Catalog, setId: string, group: number): Promise<boolean> {
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

/**
 * Parked, or without an archive, since its bytes were lost: the write of another copy that goes on does not change
 * that.
 */
const noArchive: readonly GroupState[] = ['open', 'planned', 'compressing', 'failed'];

/** State of a group of which not every copy is committed. */
function stateBefore(before: GroupState, writes: boolean, allWritten: boolean): GroupState {
  if (noArchive.includes(before)) return before;
  if (writes) return 'writing';
  if (allWritten) return 'written';
  return before === 'writing' || before === 'written' ? 'queued' : before;
}

/** The same, with the event of a group that has become committed. */
export async function settleAfterCommit(
  tx: Catalog,
  copy: { setId: string; group: number; bytes: number },
): Promise<boolean> {
  if (!(await settleGroup(tx, copy.setId, copy.group))) return false;
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
