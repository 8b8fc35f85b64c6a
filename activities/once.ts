import { randomUUID } from 'node:crypto';
import { ApplicationFailure, Context } from '@temporalio/activity';
import { claimStep } from '../catalog/server/claimed-starts.js';
import { noProof } from '../proof/message-proof.js';
import { asAttempt } from './attempt.js';
import type { Deps } from '../operations/deps.js';
import { english } from '../messages/sentence.js';

/**
 * Runs a step that a user requested and waits for, only once: run again later, it could meet another tape. Throws
 * `NoProof` when it was done before, or when nobody waits for it any more.
 */
export async function once<Result>(
  { catalog }: Pick<Deps, 'catalog'>,
  step: () => Promise<Result>,
): Promise<Result> {
  const { workflowExecution, activityType } = Context.current().info;
  const { workflowId, runId } = workflowExecution ?? { workflowId: '', runId: '' };
  const by = randomUUID();
  const reason = await asAttempt(() => claimStep(catalog, { workflowId, runId, activityType, by }));
  if (reason !== null)
    throw ApplicationFailure.nonRetryable(
      english`The step ${activityType} of ${workflowId} is not valid (${reason}), although it has a proof.`,
      noProof,
    );
  return step();
}
