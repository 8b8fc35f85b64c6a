import { finalRetrievalStates, retrievalNamed } from '../../catalog/retrievals/retrievals.js';
import type { Deps } from '../../operations/deps.js';
import { readyTarget } from '../../operations/retrievals/ready-target.js';
import { asDriveAttempt } from '../attempt.js';
import { usualCondition } from '../conditions.js';
import { askedTarget } from './asked-target.js';

/** Looks at the target of a restore on the host that has it, before anything is read from tape elsewhere. */
export function prepareTarget(deps: Deps, id: string): Promise<void> {
  return asDriveAttempt(askedTarget(deps.settings, id), usualCondition, async (attempt) => {
    const retrieval = await retrievalNamed(deps.catalog, id);
    if (!finalRetrievalStates.includes(retrieval.state)) await readyTarget(deps, attempt, retrieval);
  });
}
