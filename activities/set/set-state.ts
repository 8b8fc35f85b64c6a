import { Context } from '@temporalio/activity';
import { closedGroups, maxArchiveBytes } from '../../catalog/groups/groups.js';
import { committedCopiesOf } from '../../catalog/copies/tape-copies.js';
import { parkGroup, unparkGroups } from '../../catalog/groups/group-states.js';
import type { GroupState } from '../../catalog/schema/group-tables.js';
import { finalSetStates, type SetState } from '../../catalog/schema/set-tables.js';
import { type SetSummary, summarizeSet } from '../../catalog/sets/set-summary.js';
import type { GroupRow } from '../../catalog/rows.js';
import { requeueSkipped } from '../../catalog/groups/oversized-groups.js';
import { recordSetState, recordWorkflow, setNamed } from '../../catalog/sets/sets.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { recordCancelled, releaseStaging } from '../../operations/sets/cancel-set.js';
import { removeEmptyFolder } from '../../disk/durable-file.js';
import { finalDir, tempDir } from '../../staging/paths.js';
import { setLimit } from '../../tape/requirements/tape-limit.js';
import { asAttempt, pauseFor } from '../attempt.js';
import type { Deps, GroupRef } from '../deps.js';
import { logStage } from '../../operations/sets/log-stage.js';
import { asStagingAttempt } from './staging-condition.js';

/** A group, as the workflow knows it. */
export interface PlannedGroup {
  group: number;
  bytes: number;
  direct: boolean;
  state: GroupState;
  /**
   * Bytes of staging that it holds or requests, as counted by the catalog; missing in histories of earlier versions.
   */
  stagingBytes?: number;
  /** Numbers of its committed copies; left out if there are none. */
  committed?: number[];
}

export interface GroupPage {
  groups: PlannedGroup[];
  /** True when no further group will come. */
  last: boolean;
}

/** States of groups that need no more work. */
const finished: readonly GroupState[] = ['released', 'skipped', 'failed'];
/** Milliseconds between two checks for the scan's next group. */
const lookEveryMs = 250;
const pageSize = 50;

/** The next groups of a set that need work; waits for the scan when there are none yet. */
export function nextGroups(deps: Deps, setId: string, afterNo: number): Promise<GroupPage> {
  return asAttempt(async (attempt) => {
    let after = afterNo;
    for (;;) {
      const { groups, scanned } = await closedGroups(deps.catalog, setId, after, pageSize);
      const work = groups.filter((group) => !finished.includes(group.state));
      const last = scanned && groups.length < pageSize;
      if (work.length > 0 || last) return { groups: await plannedGroups(deps, setId, work), last };
      after = groups.at(-1)?.no ?? after;
      if (groups.length < pageSize) await pauseFor(attempt, lookEveryMs);
    }
  });
}

async function plannedGroups(
  { catalog }: Deps,
  setId: string,
  groups: readonly GroupRow[],
): Promise<PlannedGroup[]> {
  const numbers = groups.map((group) => group.no);
  const committed = await committedCopiesOf(catalog, setId, numbers);
  return groups.map((group) => {
    const { no, bytes, state } = group;
    const stagingBytes = group.reserved > 0 ? group.reserved : maxArchiveBytes(group);
    const copies = committed.get(no);
    return {
      ...{ group: no, bytes, direct: group.direct === 1, state, stagingBytes },
      ...(copies === undefined ? {} : { committed: copies }),
    };
  });
}

/**
 * Records a set's state, for `status` and for people, and its workflow, since nobody else records it for sets that a
 * schedule starts.
 */
export function recordState(
  deps: Deps,
  setId: string,
  state: SetState,
  reason: string | null,
): Promise<void> {
  return asAttempt(async (attempt) => {
    attempt.throwIfCancelled();
    // A stopped step that continues after the set's end must not make it look unfinished.
    await recordSetState(deps.catalog, setId, state, reason, finalSetStates);
    const { workflowExecution } = Context.current().info;
    if (workflowExecution !== undefined)
      await recordWorkflow(deps.catalog, setId, workflowExecution.workflowId);
    deps.logger.info({ setId, state, reason: reason ?? undefined }, `set is ${state}`);
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

/**
 * Ends a set: its state follows from the catalog, never from what the workflow remembers. An already recorded end stays
 * as it is.
 *
 * @param problem what failed outside the groups' own steps, which may have left groups unfinished.
 */
export function finishSet(deps: Deps, setId: string, problem?: string): Promise<SetSummary> {
  return asStagingAttempt(deps, async (attempt) => {
    const { catalog, settings } = deps;
    const before = await summarizeSet(catalog, setId);
    // Later changes, such as an erase, stay.
    if (finalSetStates.includes(before.status)) return shortSummary(catalog, setId);
    const { released = 0, skipped = 0, failed = 0 } = before.stages;
    const unfinished = before.groups - released - skipped - failed;
    const lost = failed > 0 || unfinished > 0 || !before.scanned;
    const state: SetState = lost ? 'failed' : before.skipped > 0 ? 'completed_with_skips' : 'completed';
    const numbers = before.failedGroups
      .map((group) => group.group)
      .slice(0, 20)
      .join(', ');
    const reason = lost
      ? failed > 0
        ? `${failed} of ${before.groups} groups failed (${numbers}), first: ${before.failedGroups[0]?.reason ?? ''}`
        : `${unfinished} groups are unfinished${problem === undefined ? '' : `: ${problem}`}`
      : null;
    attempt.throwIfCancelled();
    // The state is set last: whoever reads `completed`, or runs the same command again, finds everything done.
    if (!lost) {
      await removeEmptyFolder(tempDir(settings.BACKUP_COMPRESS_DIR, setId));
      await removeEmptyFolder(finalDir(settings.BACKUP_COMPRESS_DIR, setId));
    }
    await recordSetState(catalog, setId, state, reason);
    deps.logger.info({ setId, state, reason: reason ?? undefined }, `set is ${state}`);
    return shortSummary(catalog, setId);
  });
}

/**
 * Ends a cancelled set. What is staged is kept unless `discard` is set. An already recorded end stays as it is.
 *
 * @param left what it leaves behind in a drive or a source that does not answer, as part of a sentence.
 */
export function cancelSet(deps: Deps, setId: string, discard: boolean, left?: string): Promise<SetSummary> {
  return asStagingAttempt(deps, async (attempt) => {
    const { catalog, settings } = deps;
    const { state } = await setNamed(catalog, setId);
    attempt.throwIfCancelled();
    const isWhole = state === 'completed' || state === 'completed_with_skips';
    if (!isWhole && (discard || !finalSetStates.includes(state))) {
      if (discard) await releaseStaging(catalog, settings, setId);
      attempt.throwIfCancelled();
      const end = await recordCancelled(catalog, setId, discard, left);
      deps.logger.info({ setId, state: end, discard, left }, 'set is cancelled');
    }
    return shortSummary(catalog, setId);
  });
}

/** The summary as a workflow's result, without possibly long lists. */
async function shortSummary(catalog: Catalog, setId: string): Promise<SetSummary> {
  const summary = await summarizeSet(catalog, setId);
  return { ...summary, failedGroups: summary.failedGroups.slice(0, 20), sources: [], leftOut: [] };
}
