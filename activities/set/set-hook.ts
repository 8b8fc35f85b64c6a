import { closeSources, openSources, type HookTime } from '../../operations/hooks/set-hook.js';
import type { Deps } from '../../operations/deps.js';
import { asAttempt } from '../attempt.js';

/** Runs what is to be run on this host before a set's sources are read; once, as far as can be known. */
export function openHook(deps: Deps, setId: string): Promise<void> {
  return asAttempt((attempt) => openSources(deps, setId, attempt));
}

/** Runs what is to be run when nothing reads the sources any more, if that is so, or the set ends. */
export function closeHook(deps: Deps, setId: string, time: HookTime): Promise<void> {
  return asAttempt((attempt) => closeSources(deps, setId, time, attempt));
}
