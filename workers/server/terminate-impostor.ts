import { WorkflowNotFoundError } from '@temporalio/common';
import { queuesOf } from '../../workflows/queues.js';
import type { TemporalServer } from './temporal-target.js';
import { answerWithinMs } from './workflow-trouble.js';

/**
 * Terminates a workflow that somebody else runs under one of our workflow ids: it is on another queue, which our
 * workers do not serve, and would prevent ours from starting. Workflows that they start on our queue end by themselves,
 * since they have no proof.
 */
export async function terminateImpostor(
  { client, installation }: TemporalServer,
  workflowId: string,
): Promise<void> {
  const handle = client.workflow.getHandle(workflowId);
  try {
    const { status, taskQueue, runId } = await client.withDeadline(Date.now() + answerWithinMs, () =>
      handle.describe(),
    );
    if (status.name !== 'RUNNING' || taskQueue === queuesOf(installation).archive) return;
    await client.workflow.getHandle(workflowId, runId).terminate('tapeflow: it is not of this installation');
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}
