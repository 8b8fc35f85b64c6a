import { finalSetStates, waitingSetStates, type SetState } from '../../catalog/schema/set-tables.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { pauseFor } from '../../operations/attempt.js';
import type { Deps } from '../../operations/deps.js';
import { asAttempt } from '../attempt.js';

/** State of a set when a schedule run stops following it. */
export interface SettledSet {
  setId: string;
  status: SetState;
  reason: string | null;
}

/** Milliseconds between checks of the sets of a run. */
const lookEveryMs = 1000;

/** Waits until each of the sets has ended or needs someone to act. */
export function settleSets(deps: Deps, setIds: readonly string[]): Promise<SettledSet[]> {
  return asAttempt(async (attempt) => {
    for (;;) {
      const sets = await Promise.all(setIds.map((id) => setNamed(deps.catalog, id)));
      const active = sets.find(
        ({ state }) => !finalSetStates.includes(state) && !waitingSetStates.includes(state),
      );
      if (active === undefined)
        return sets.map(({ id, state, reason }) => ({ setId: id, status: state, reason }));
      attempt.report({ step: 'following', set: active.id, state: active.state });
      await pauseFor(attempt, lookEveryMs);
    }
  });
}
