import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { CancellationScope, proxyActivities, type Headers } from '@temporalio/workflow';
import type { ClaimActivities } from '../../activities/claim-start.js';
import type { StartClaim } from '../../catalog/server/claimed-starts.js';
import { proofHeader, Prover, readHeader, type ProofHeader } from '../../proof/message-proof.js';
import { installationKey } from './own-installation.js';
import { refused } from './refusals.js';

const prover = new Prover(installationKey);

/** What the header of a message says; undefined where it has none, or nonsense. */
export function proofIn(headers: Headers): ProofHeader | undefined {
  const payload: Payload | undefined = headers[proofHeader];
  try {
    return payload === undefined ? undefined : readHeader(defaultPayloadConverter.fromPayload(payload));
  } catch {
    return undefined;
  }
}

/** What one run of a workflow knows of proofs. */
export class RunProof {
  readonly prover = prover;
  /** Fails when the run must go no further: it ends, and is taken up again from the catalog. */
  readonly broken: Promise<never>;
  private fail!: (error: Error) => void;
  /** Until then the run may listen, and begin nothing. */
  claimed: Promise<void> | undefined;

  constructor() {
    this.broken = new Promise((_, reject) => (this.fail = reject));
    this.broken.catch(() => undefined);
  }

  /** Ends the run because of a message that is not ours. Whoever waits for that waits for ever. */
  breakOff(error: Error): Promise<never> {
    this.fail(error);
    return new Promise(() => undefined);
  }

  /** Asks the catalog whether the start counts: one that was used before is somebody's copy. */
  claim(claim: StartClaim): void {
    const { claimStart } = proxyActivities<ClaimActivities>({
      startToCloseTimeout: '10 minutes',
      heartbeatTimeout: '1 minute',
      // Tried for ever: without the catalog there is nothing to do anyway.
      retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
    });
    this.claimed = CancellationScope.nonCancellable(() => claimStart(claim)).then(
      (reason) =>
        reason === null
          ? undefined
          : this.breakOff(
              refused(
                'start',
                `The start of ${claim.workflowId}`,
                `is none that counts (${reason}), although it is proven`,
              ),
            ),
      (error: unknown) => this.breakOff(error instanceof Error ? error : new Error(String(error))),
    );
  }
}
