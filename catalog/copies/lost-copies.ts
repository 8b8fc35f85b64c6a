import { recordEvents } from '../groups/events.js';
import { deriveGroupState, transitionGroup } from '../groups/group-states.js';
import type { Catalog } from '../open-catalog.js';
import type { CopyRow } from '../rows.js';
import type { CopyState } from '../schema/tape-tables.js';

/** One unsynced copy, identified by the attempt that wrote it. */
export type UnsyncedCopy = Pick<CopyRow, 'set_id' | 'group_no' | 'copy_no' | 'token'>;

/**
 * Distrusts the unsynced copies on a tape: their groups go back to `queued` and are written again.
 *
 * @param only one copy, unless another attempt has begun it since; default: all on the tape.
 * @returns the groups that were queued again.
 */
export async function dropUnsynced(
  catalog: Catalog,
  tape: string,
  reason: string,
  only?: UnsyncedCopy,
): Promise<{ setId: string; group: number }[]> {
  return catalog.transaction().execute((tx) => dropUnsyncedIn(tx, tape, reason, only));
}

/** The same in the caller's transaction. */
export async function dropUnsyncedIn(
  tx: Catalog,
  tape: string,
  reason: string,
  only?: UnsyncedCopy,
): Promise<{ setId: string; group: number }[]> {
  const dropped = await moveCopies(tx, tape, ['writing', 'written'], 'lost', only);
  for (const { setId, group } of dropped) {
    await deriveGroupState(tx, setId, group);
    await recordEvents(tx, [{ setId, group, stage: 'lost', detail: reason }]);
  }
  return dropped;
}

/** Moves the copies on a tape from some states to another; `only`: one copy, as the attempt that wrote it left it. */
async function moveCopies(
  tx: Catalog,
  tape: string,
  from: readonly CopyState[],
  to: CopyState,
  only?: UnsyncedCopy,
): Promise<{ setId: string; group: number }[]> {
  let query = tx
    .updateTable('copies')
    .set({ state: to })
    .where('tape_uuid', '=', tape)
    .where('state', 'in', from);
  // A lost copy that was never committed does not come back.
  if (to === 'committed') query = query.where('committed_at', 'is not', null);
  if (only !== undefined) {
    query = query
      .where('set_id', '=', only.set_id)
      .where('group_no', '=', only.group_no)
      .where('copy_no', '=', only.copy_no)
      .where('token', '=', only.token);
  }
  return query.returning(['set_id as setId', 'group_no as group']).execute();
}

/**
 * The committed copies on a lost tape no longer count. Groups that waited for their release are still staged, and are
 * written again.
 */
export async function loseCommitted(tx: Catalog, tape: string, reason: string): Promise<void> {
  for (const { setId, group } of await moveCopies(tx, tape, ['committed'], 'lost')) {
    await transitionGroup(tx, setId, group, 'requeue');
    await deriveGroupState(tx, setId, group);
    await recordEvents(tx, [{ setId, group, stage: 'tape_lost', detail: reason }]);
  }
}

/** The copies committed on a tape that was lost count again; returns their number. */
export async function regainCommitted(tx: Catalog, tape: string): Promise<number> {
  const back = await moveCopies(tx, tape, ['lost'], 'committed');
  for (const { setId, group } of back) await deriveGroupState(tx, setId, group);
  return back.length;
}

/** The committed copies on a tape no longer count: it is about to be erased. */
export async function eraseCommitted(tx: Catalog, tape: string): Promise<void> {
  await moveCopies(tx, tape, ['committed'], 'erased');
}

/**
 * The copies of a forgotten archive, none of which is committed. The rows are kept; if a lost tape is found again, it
 * holds a different archive.
 */
export async function loseCopiesOf(tx: Catalog, setId: string, group: number): Promise<void> {
  await tx
    .updateTable('copies')
    .set({ state: 'lost', committed_at: null })
    .where('set_id', '=', setId)
    .where('group_no', '=', group)
    .where('state', '!=', 'committed')
    .execute();
}
