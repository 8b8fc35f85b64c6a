import { claimStart, type StartClaim } from '../catalog/server/claimed-starts.js';
import { asAttempt } from './attempt.js';
import type { Deps } from '../operations/deps.js';

/** The first step of every workflow. */
export function claimActivities({ catalog }: Pick<Deps, 'catalog'>) {
  return { claimStart: (claim: StartClaim) => asAttempt(() => claimStart(catalog, claim)) };
}

export type ClaimActivities = ReturnType<typeof claimActivities>;
