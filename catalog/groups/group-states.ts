import type { Catalog } from '../open-catalog.js';
import type { GroupRow } from '../rows.js';
import type { GroupState } from '../schema/group-tables.js';
import { placesOf } from '../sets/copy-places.js';
import { type GroupEvent, recordEvents } from './events.js';

/** Group states before the archive is compressed. */
export const notCompressedStates: readonly GroupState[] = ['planned', 'compressing'];

/** Those of a group whose archive is not safely on tape yet. */
const underWay: readonly GroupState[] = ['compressed', 'promoted', 'queued', 'writing', 'written'];

/** Columns that may change together with the state. */
type Along = Partial<Pick<GroupRow, 'reason' | 'token' | 'reserved' | 'needs'>>;

/**
 * Everything that happens to a group after the scan has closed it, except for what its copies make of it
 * (`deriveGroupState`). `begin`: an attempt compresses it. `release`: its staged archive is deleted. `skip`: it makes
 * no archive. `park`: it has failed, until someone retries it. `startOver`: it has no archive, and is to be compressed.
 * `goOn`: it was parked with an archive, which continues. `requeue`: its tape is lost, and its archive is still staged.
 */
export type GroupTransition =
  'begin' | 'compress' | 'promote' | 'queue' | 'release' | 'skip' | 'park' | 'startOver' | 'goOn' | 'requeue';

/** From which states each transition leads where, and the columns that always change with it. */
const moves: Record<GroupTransition, { from: readonly GroupState[]; to: GroupState; along?: Along }> = {
  begin: { from: notCompressedStates, to: 'compressing', along: { reason: null } },
  compress: { from: ['compressing'], to: 'compressed' },
  promote: { from: ['compressed'], to: 'promoted' },
  queue: { from: ['promoted'], to: 'queued' },
  // In the same commit: a kill in between would leave the bytes reserved as long as the set runs.
  release: { from: ['committed'], to: 'released', along: { reserved: 0 } },
  skip: { from: [...notCompressedStates, 'failed'], to: 'skipped', along: { reserved: 0 } },
  park: { from: [...notCompressedStates, ...underWay], to: 'failed' },
  startOver: {
    from: [...notCompressedStates, ...underWay, 'failed', 'skipped'],
    to: 'planned',
    along: { reason: null },
  },
  goOn: { from: ['failed'], to: 'compressed', along: { reason: null } },
  requeue: { from: ['committed'], to: 'queued' },
};

/** An event of one group. */
type TransitionEvent = Omit<GroupEvent, 'setId' | 'group'>;

/**
 * Makes a transition of a group in the caller's transaction, and records its events, if the group is in a state that
 * allows it.
 *
 * @returns false when it is not, for example because the step was done before: nothing was changed.
 */
export async function transitionGroup(
  tx: Catalog,
  setId: string,
  no: number,
  transition: GroupTransition,
  along: Along = {},
  events: readonly TransitionEvent[] = [],
): Promise<boolean> {
  const { from, to: state, along: always } = moves[transition];
  if (!(await putState(tx, setId, no, from, { state, ...always, ...along }))) return false;
  const rows = events.map((event) => ({ setId, group: no, ...event }));
  await recordEvents(tx, rows);
  return true;
}

/** The same in its own transaction. */
export async function advanceGroup(
  catalog: Catalog,
  setId: string,
  no: number,
  transition: GroupTransition,
  ...events: TransitionEvent[]
): Promise<boolean> {
  return catalog.transaction().execute((tx) => transitionGroup(tx, setId, no, transition, {}, events));
}

/** The only statement that changes the state of a group. */
async function putState(
  tx: Catalog,
  setId: string,
  no: number,
  from: readonly GroupState[],
  change: Along & { state: GroupState },
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('groups')
    .set(change)
    .where('set_id', '=', setId)
    .where('no', '=', no)
    .where('state', 'in', from)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Parks a group with the stage and the reason; what is staged stays. */
export async function parkGroup(
  catalog: Catalog,
  setId: string,
  no: number,
  stage: string,
  reason: string,
): Promise<void> {
  await catalog.transaction().execute((tx) => parkGroupIn(tx, setId, no, `${stage}: ${reason}`));
}

/** The same in the caller's transaction; `reason` begins with the stage. */
export async function parkGroupIn(tx: Catalog, setId: string, no: number, reason: string): Promise<void> {
  await transitionGroup(tx, setId, no, 'park', { reason }, [{ stage: 'failed', detail: reason }]);
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
    for (const { no, token } of parked)
      await transitionGroup(tx, setId, no, token === null ? 'startOver' : 'goOn');
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
  const reason = state === 'committed' ? { reason: null } : {};
  await putState(tx, setId, group, [before.state], { state, ...reason });
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
