import type { Catalog } from '../open-catalog.js';
import type { GroupState } from '../schema/group-tables.js';
import { isLaterAttempt, staleAttempt } from './attempt-tokens.js';
import { transitionGroup } from './group-states.js';
import { groupOf } from './groups.js';
import { fitsBudget } from './staging-budget.js';

/**
 * Assigns the group to one attempt, like `beginCompressing`, and reserves staging if that fits the budget: the sum over
 * all groups of unfinished sets and unfinished copies from tape to tape. Parked and cancelled archives do not count, or
 * they would block every other set for good.
 *
 * @returns `full` when it does not fit now, `done` when the group is past this step; in both cases nothing was changed.
 */
export async function reserveAndBegin(
  catalog: Catalog,
  { setId, group, token }: { setId: string; group: number; token: string },
  bytes: number,
  budget: number,
): Promise<'begun' | 'full' | 'done'> {
  return catalog.transaction().execute(async (tx) => {
    if (!(await fitsBudget(tx, { setId, group }, bytes, budget))) return 'full';
    return (await begin(tx, setId, group, { token, reserved: bytes })) ? 'begun' : 'done';
  });
}

/**
 * Assigns the group to one attempt: from now on only `token` may publish its archive. Returns false if it is past this
 * step.
 */
export async function beginCompressing(
  catalog: Catalog,
  setId: string,
  no: number,
  token: string,
): Promise<boolean> {
  return catalog.transaction().execute((tx) => begin(tx, setId, no, { token }));
}

async function begin(
  tx: Catalog,
  setId: string,
  no: number,
  taken: { token: string; reserved?: number },
): Promise<boolean> {
  const owner = await tx
    .selectFrom('groups')
    .select('token')
    .where('set_id', '=', setId)
    .where('no', '=', no)
    .executeTakeFirst();
  // A delayed start from a stopped process must not take the group from a later attempt.
  if (isLaterAttempt(owner?.token ?? '', taken.token)) return false;
  return transitionGroup(tx, setId, no, 'begin', taken, [{ stage: 'compressing', detail: taken.token }]);
}

/**
 * Throws `StaleAttempt` when another attempt has taken over the group or it was parked, so that nobody compresses it.
 */
export async function requireCompressing(
  db: Catalog,
  setId: string,
  no: number,
  token: string,
): Promise<void> {
  const row = await groupOf(db, setId, no);
  if (row.token !== token || row.state !== 'compressing') throw staleAttempt(setId, no);
}

/**
 * Renames or deletes a group's staged files while no other attempt can take over: in a transaction, which holds the
 * catalog's write lock, and only if the group is in `state` with the attempt's token. Staged files have the same name
 * in every attempt, so a process that was stopped before such a call must not reach a later attempt's files.
 *
 * @param act synchronous and short: every other transaction waits for it.
 * @returns false when the group no longer belongs to the attempt; then nothing was done.
 */
export async function whileOwned(
  catalog: Catalog,
  owner: { setId: string; group: number; token: string; state: GroupState },
  act: () => void,
): Promise<boolean> {
  return catalog.transaction().execute(async (tx) => {
    const row = await groupOf(tx, owner.setId, owner.group);
    if (row.token !== owner.token || row.state !== owner.state) return false;
    act();
    return true;
  });
}
