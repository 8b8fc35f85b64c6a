import { withDrivesOfHosts } from '../../catalog/hosts/known-drives.js';
import { finalRetrievalStates } from '../../catalog/retrievals/retrievals.js';
import { endVerifyOf } from '../../catalog/sets/end-verify.js';
import { setNamed } from '../../catalog/sets/sets.js';
import type { Deps } from '../../operations/deps.js';
import { retrievalStart, type RetrievalStart } from '../../operations/retrievals/retrieval-start.js';
import { asAttempt } from '../attempt.js';

/** How to start the verify that the end of a set has made; null: none was asked for, or it has ended. */
export function endVerify(deps: Deps, setId: string): Promise<RetrievalStart | null> {
  return asAttempt(async () => {
    const { catalog } = deps;
    const row = await endVerifyOf(catalog, await setNamed(catalog, setId));
    if (row === undefined || finalRetrievalStates.includes(row.state)) return null;
    return retrievalStart(await withDrivesOfHosts(deps.settings, async () => catalog), row);
  });
}
