import { ApplicationFailure, defaultPayloadConverter, type Payload } from '@temporalio/common';
import { CancellationScope, proxyActivities, type Headers } from '@temporalio/workflow';
import type { ClaimActivities } from '../../activities/claim-start.js';
import type { StartClaim, StartRefusal } from '../../catalog/server/claimed-starts.js';
import { proofHeader, Prover, readHeader, type ProofHeader } from '../../proof/message-proof.js';
import { installationKey } from './own-installation.js';
import { refused } from './refusals.js';

const prover = new Prover(installationKey);

/** The proof in a message's header; undefined when it is missing or malformed. */
export function proofIn(headers: Headers): ProofHeader | undefined {
  const payload: Payload | undefined = headers[proofHeader];
  try {
    return payload === undefined ? undefined : readHeader(defaultPayloadConverter.fromPayload(payload));
  } catch {
    return undefined;
  }
}

/** State of a workflow run concerning proofs. */
export class RunProof {
  readonly prover = prover;
  /** Rejects when the run must stop: it ends, and is resumed from the catalog. */
  readonly broken: Promise<never>;
  private fail!: (error: Error) => void;
  /** Until then the run may only listen and start nothing. */
  claimed: Promise<void> | undefined;

  constructor() {
    this.broken = new Promise((_, reject) => (this.fail = reject));
    this.broken.catch(() => undefined);
  }

  /** Ends the run because of a forged message. The returned promise never settles. */
  breakOff(error: Error): Promise<never> {
    this.fail(error);
    return new Promise(() => undefined);
  }

  /** Asks the catalog whether the start counts: a start used before is a copy. */
  claim(claim: StartClaim): void {
    const { claimStart } = proxyActivities<ClaimActivities>({
      startToCloseTimeout: '10 minutes',
      heartbeatTimeout: '1 minute',
      // Retried for ever: without the catalog there is nothing to do anyway.
      retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
    });
    this.claimed = CancellationScope.nonCancellable(() => claimStart(claim)).then(
      (reason) => (reason === null ? undefined : this.breakOff(failureOf(claim, reason))),
      (error: unknown) => this.breakOff(error instanceof Error ? error : new Error(String(error))),
    );
  }
}

/** Why a run ends at its start. What nobody has forged is no news for the operator. */
function failureOf({ workflowId }: StartClaim, reason: StartRefusal): ApplicationFailure {
  if (typeof reason === 'object') return ApplicationFailure.nonRetryable(reason.isPaused, 'SchedulePaused');
  return refused('start', `The start of ${workflowId}`, `is not valid (${reason}), although it has a proof`);
}
