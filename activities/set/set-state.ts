import { Context } from '@temporalio/activity';
import { parkGroup, unparkGroups } from '../../catalog/groups/group-states.js';
import { finalSetStates, type SetState } from '../../catalog/schema/set-tables.js';
import { requeueSkipped } from '../../catalog/groups/oversized-groups.js';
import { recordSetState } from '../../catalog/sets/set-states.js';
import { recordWorkflow, setNamed } from '../../catalog/sets/sets.js';
import { setLimit } from '../../tape/requirements/tape-limit.js';
import { asAttempt } from '../attempt.js';
import type { Deps, GroupRef } from '../../operations/deps.js';
import { logStage } from '../../operations/groups/log-stage.js';

/**
 * Records a set's state, for `status` and for people, and its workflow, since nobody else records it for sets that a
 * schedule starts.
 *
 * @returns `ended` for a set that has ended, which stays as it is.
 */
export function recordState(
  deps: Deps,
  setId: string,
  state: SetState,
  reason: string | null,
): Promise<'ended' | undefined> {
  return asAttempt(async (attempt) => {
    attempt.throwIfCancelled();
    const now = await recordSetState(deps.catalog, setId, state, reason);
    const { workflowExecution } = Context.current().info;
    if (workflowExecution !== undefined)
      await recordWorkflow(deps.catalog, setId, workflowExecution.workflowId);
    deps.logger.info({ setId, state: now, reason: reason ?? undefined }, `set is ${now}`);
    return finalSetStates.includes(now) ? 'ended' : undefined;
  });
}

/** Parks a group that failed permanently: visible, retriable and not blocking others. */
export function parkFailedGroup(deps: Deps, ref: GroupRef, stage: string, reason: string): Promise<void> {
  return asAttempt(async (attempt) => {
    attempt.throwIfCancelled();
    await parkGroup(deps.catalog, ref.setId, ref.group, stage, reason);
    logStage(deps, 'failed', ref, { failedStage: stage, reason });
  });
}

/**
 * Queues parked groups again, and groups skipped because of their size if a tape takes them now; returns how many, and
 * the first. Starts none itself: the set's feed does.
 */
export function retryParkedGroups(deps: Deps, setId: string): Promise<{ groups: number; first: number }> {
  return asAttempt(async () => {
    const { catalog } = deps;
    const set = await setNamed(catalog, setId);
    // `retry` first reopens the set; nothing else may make an ended set unfinished again.
    if (finalSetStates.includes(set.state)) return { groups: 0, first: 0 };
    const parked = await unparkGroups(catalog, setId);
    const limit = await setLimit(catalog, set);
    const taken = await requeueSkipped(catalog, setId, limit?.bytes ?? 0);
    const numbers = [...parked, ...taken].sort((a, b) => a - b);
    return { groups: numbers.length, first: numbers[0] ?? 0 };
  });
}
