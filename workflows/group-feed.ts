import { CancellationScope, condition, isCancellation, workflowInfo } from '@temporalio/workflow';
import type { GroupPage, PlannedGroup } from '../activities/set-state.js';
import { beginGroup, isShort } from './file-group.js';
import { isDone } from './lanes.js';
import { tell, type SetRun } from './set-run.js';

/**
 * Events after which the run continues as new. The server suggests it at 4,096; until the window is drained each of its
 * groups adds up to 16.
 */
const eventsPerRun = 3000;

/**
 * The one place that begins groups: one after the other, as long as the window and the staging budget have room and nobody
 * has paused the set. When no more come it waits until all are done; a `retry` sends it back to the first group that was put
 * back into the queue. It alone decides that the set is over, and nothing is begun after that.
 */
export async function feedGroups(run: SetRun): Promise<void> {
  do {
    await feedToTheLast(run);
    run.fed = run.lookAgainAfter === undefined;
    await condition(() => run.lookAgainAfter !== undefined || isOver(run));
    run.fed &&= run.lookAgainAfter === undefined;
    // A run that drains leaves to the next what was put back: `cursorAfter`.
  } while (run.lookAgainAfter !== undefined && !run.draining);
  run.over = true;
  tell(run);
}

/** A set that is paused stays so until it is resumed, also when nothing is left but to write its end down. */
function isOver(run: SetRun): boolean {
  return run.retrying === 0 && isDone(run) && (run.draining || !run.paused);
}

/** Ends early when the run has to drain, or when groups were put back into the queue. */
async function feedToTheLast(run: SetRun): Promise<void> {
  if (run.lookAgainAfter !== undefined) run.cursor = Math.min(run.cursor, run.lookAgainAfter);
  run.lookAgainAfter = undefined;
  const isCalledBack = () => run.lookAgainAfter !== undefined;
  for (let last = false; !last && !run.draining;) {
    const page = await nextPage(run, isCalledBack);
    if (page === undefined) return;
    last = page.last;
    for (const group of page.groups) {
      if (isCalledBack()) return;
      run.draining ||= workflowInfo().historyLength > eventsPerRun || workflowInfo().continueAsNewSuggested;
      if (run.draining) break;
      if (run.taken.has(group.group) || run.staging.has(group.group)) continue;
      run.next = group;
      await condition(() => isCalledBack() || hasRoom(run, group));
      run.next = undefined;
      run.shortOfStaging &&= !isCalledBack();
      if (isCalledBack()) return;
      run.cursor = group.group;
      run.taken.add(group.group);
      beginGroup(run, group);
    }
    if (!last) run.draining ||= workflowInfo().historyLength > eventsPerRun;
  }
  await condition(() => isCalledBack() || run.staging.size === 0);
}

/** The next groups in the catalog, which waits for the scan; undefined when the feed is called back meanwhile. */
async function nextPage(run: SetRun, isCalledBack: () => boolean): Promise<GroupPage | undefined> {
  const scope = new CancellationScope();
  const look = scope.run(() =>
    run.activities.scan.nextGroups.executeWithOptions({ summary: `groups after ${run.cursor}` }, [
      run.input.setId,
      run.cursor,
    ]),
  );
  await Promise.race([look, condition(isCalledBack)]);
  if (!isCalledBack()) return look;
  scope.cancel();
  await look.catch((error: unknown) => {
    if (!isCancellation(error)) throw error;
  });
  return undefined;
}

function hasRoom(run: SetRun, group: PlannedGroup): boolean {
  if (run.paused || run.compressing > run.input.options.parallelGroups) return false;
  run.shortOfStaging = isShort(run, group);
  return !run.shortOfStaging;
}
