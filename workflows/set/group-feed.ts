import { condition } from '@temporalio/workflow';
import type { GroupPage, PlannedGroup } from '../../activities/set/next-groups.js';
import { waitUnlessAborted } from '../wait-unless-aborted.js';
import { beginGroup, isShort } from './file-group.js';
import { isDone } from '../drive/lanes.js';
import { closeHookEarly, isReadByDrive, openHook } from './set-hook.js';
import { drains, track, type SetRun } from './set-run.js';
import { updateDetails } from './set-phase.js';

/**
 * The only place that starts groups: one after another, while the window and the staging budget have room and the set
 * is not paused. When no more come it waits until all are done; a `retry` sends it back to the first group that was
 * queued again. It alone decides that the set is over, and nothing is started after that.
 */
export async function feedGroups(run: SetRun): Promise<void> {
  for (;;) {
    await feedToTheLast(run);
    run.fed = !isCalledBack(run);
    // As soon as nothing is read any more: the tapes may be waited for.
    if (run.input.hook === true && run.fed && !run.draining) void track(run, closeHookEarly(run));
    await condition(() => isCalledBack(run) || isOver(run));
    if (isOver(run) && !isCalledBack(run)) break;
    run.fed = false;
  }
  run.over = true;
  updateDetails(run);
  if (run.input.hook === true) await run.hook.turn;
}

/** True when groups were queued again. A draining run leaves them to the next run: `cursorAfter`. */
function isCalledBack(run: SetRun): boolean {
  return run.lookAgainAfter !== undefined && !run.draining;
}

/** True when the set is over. A paused set stays paused until resumed, even when only its end has to be recorded. */
function isOver(run: SetRun): boolean {
  return run.retrying === 0 && isDone(run) && (run.draining || !run.paused);
}

/** Returns early when the run has to drain, or when groups were queued again. */
async function feedToTheLast(run: SetRun): Promise<void> {
  if (run.lookAgainAfter !== undefined) run.cursor = Math.min(run.cursor, run.lookAgainAfter);
  run.lookAgainAfter = undefined;
  for (let last = false; !last && !run.draining;) {
    const page = await nextPage(run);
    if (page === undefined) break;
    last = page.last;
    for (const group of page.groups) {
      if (isCalledBack(run)) return;
      if (drains(run)) break;
      if (run.taken.has(group.group) || run.staging.has(group.group)) continue;
      run.next = group;
      await condition(() => isCalledBack(run) || run.draining || hasRoom(run, group));
      run.next = undefined;
      run.shortOfStaging &&= !isCalledBack(run) && !run.draining;
      if (isCalledBack(run)) return;
      if (run.draining) break;
      run.cursor = group.group;
      run.taken.add(group.group);
      if (run.input.hook === true && isReadByDrive(group)) await openHook(run);
      beginGroup(run, group);
    }
    if (!last) drains(run);
  }
  await condition(() => isCalledBack(run) || run.staging.size === 0);
}

/**
 * The next groups from the catalog, waiting for the scan; undefined when the feed is called back meanwhile, or the run
 * drains.
 */
async function nextPage(run: SetRun): Promise<GroupPage | undefined> {
  const isAborted = () => isCalledBack(run) || run.draining;
  const page = await waitUnlessAborted(isAborted, () =>
    run.activities.lookout.nextGroups.executeWithOptions({ summary: `groups after ${run.cursor}` }, [
      run.input.setId,
      run.cursor,
    ]),
  );
  return isAborted() ? undefined : page;
}

function hasRoom(run: SetRun, group: PlannedGroup): boolean {
  if (run.paused || run.compressing > run.input.options.parallelGroups) return false;
  run.shortOfStaging = isShort(run, group);
  return !run.shortOfStaging;
}
