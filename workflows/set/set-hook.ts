import { CancellationScope, isCancellation, proxyActivities } from '@temporalio/workflow';
import type { SourceActivities } from '../../activities/index.js';
import type { HookTime } from '../../operations/hooks/set-hook.js';
import { activityOptions } from '../activity-options.js';
import type { PlannedGroup } from '../../activities/set/next-groups.js';
import type { SetRun } from './set-run.js';

/**
 * The hook of a set: its steps come one after the other, and the catalog knows which is due. Only sets that have one
 * ask for any; the histories of others are as they were.
 */

/** Runs the hook's `before`, unless it was run and nothing was closed since. Throws when it fails. */
export function openHook(run: SetRun): Promise<void> {
  const { hook } = run;
  const turn = hook.turn.then(async () => {
    if (hook.isOpen) return;
    await hookSteps(run).openHook(run.input.setId);
    hook.isOpen = true;
  });
  hook.turn = turn.catch(() => undefined);
  return turn;
}

/** Runs the hook's `after`, if it is due; a failure of it is in the catalog, and ends nothing. */
export function closeHook(run: SetRun, time: HookTime): Promise<void> {
  const { hook } = run;
  const turn = hook.turn.then(async () => {
    hook.isOpen = false;
    await hookSteps(run, time === 'failed' || time === 'cancelled').closeHook(run.input.setId, time);
  });
  hook.turn = turn.catch(() => undefined);
  return turn;
}

/**
 * The same for a set that does not end well. Whatever is wrong with it, the end is recorded: what is left then is run
 * by the worker of the host, see workers/starts/left-hooks.ts.
 */
export function closeHookAtEnd(run: SetRun, time: HookTime): Promise<void> {
  return CancellationScope.nonCancellable(() => closeHook(run, time).catch(() => undefined));
}

/** Closes it in the background, for sets whose tapes are waited for; what is wrong is found at the end. */
export function closeHookEarly(run: SetRun): Promise<void> {
  return closeHook(run, 'read').catch((error: unknown) => {
    if (isCancellation(error)) throw error;
  });
}

/** True for a group that goes directly to tape, and is still to be read from the sources. */
export function isReadByDrive({ state, direct }: PlannedGroup): boolean {
  return direct && state !== 'written' && state !== 'committed';
}

/** @param soon the host may be away, and nobody waits for it. */
function hookSteps(run: SetRun, soon = false) {
  const { options, drive, host } = run.input;
  const { hook, hookSoon } = activityOptions(options, drive, host);
  return proxyActivities<SourceActivities>(soon ? hookSoon : hook);
}
