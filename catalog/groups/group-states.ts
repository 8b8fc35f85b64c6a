import type { Catalog } from '../open-catalog.js';
import type { GroupState } from '../schema/group-tables.js';
import { placesOf } from '../sets/copy-places.js';
import { type GroupEvent, recordEvents } from './events.js';

/** Group states before the archive is compressed. */
export const notCompressedStates: readonly GroupState[] = ['planned', 'compressing'];

/**
 * Moves a group to its next state if it is in one of the states `from`, and records the events in the same transaction.
 * A released group frees its staging reservation.
 * @returns false when the group was not in such a state: the step was done before.
 */
export async function advanceGroup(
  catalog: Catalog,
  setId: string,
  no: number,
  from: readonly GroupState[],
  to: GroupState,
  ...events: Omit<GroupEvent, 'setId' | 'group'>[]
): Promise<boolean> {
  return catalog.transaction().execute((tx) => advance(tx, setId, no, from, to, events));
}

/** The same in the caller's transaction. */
export async function advance(
  tx: Catalog,
  setId: string,
  no: number,
  from: readonly GroupState[],
  to: GroupState,
  events: readonly Omit<GroupEvent, 'setId' | 'group'>[],
): Promise<boolean> {
  const result = await tx
    .updateTable('groups')
    // In the same commit: a kill in between would leave the bytes reserved as long as the set runs.
    .set(to === 'released' ? { state: to, reserved: 0 } : { state: to })
    .where('set_id', '=', setId)
    .where('no', '=', no)
    .where('state', 'in', from)
    .executeTakeFirst();
  if (result.numUpdatedRows === 0n) return false;
  const rows = events.map((event) => ({ setId, group: no, ...event }));
  await recordEvents(tx, rows);
  return true;
}

/** Parks a group with the stage and the reason; what is staged stays. */
export async function parkGroup(
  catalog: Catalog,
  setId: string,
  no: number,
  stage: string,
  reason: string,
): Promise<void> {
  await catalog.transaction().execute(async (tx) => {
    const result = await tx
      .updateTable('groups')
      .set({ state: 'failed', reason: `${stage}: ${reason}` })
      .where('set_id', '=', setId)
      .where('no', '=', no)
      .where('state', 'not in', ['failed', 'committed', 'released', 'skipped'])
      .executeTakeFirst();
    if (result.numUpdatedRows === 0n) return;
    await recordEvents(tx, [{ setId, group: no, stage: 'failed', detail: `${stage}: ${reason}` }]);
  });
}

/** Puts every parked group back to work: to be written if it has an archive, or else to be compressed. */
export async function unparkGroups(catalog: Catalog, setId: string): Promise<number[]> {
  return catalog.transaction().execute(async (tx) => {
    const parked = await tx
      .selectFrom('groups')
      .leftJoin('archives', (join) =>
        join.onRef('archives.set_id', '=', 'groups.set_id').onRef('archives.group_no', '=', 'groups.no'),
      )
      .select(['groups.no', 'archives.token'])
      .where('groups.set_id', '=', setId)
      .where('groups.state', '=', 'failed')
      .orderBy('groups.no')
      .execute();
    for (const { no, token } of parked) {
      await tx
        .updateTable('groups')
        .set({ state: token === null ? 'planned' : 'compressed', reason: null })
        .where('set_id', '=', setId)
        .where('no', '=', no)
        .execute();
    }
    return parked.map((row) => row.no);
  });
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
