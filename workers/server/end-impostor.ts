import { WorkflowNotFoundError } from '@temporalio/common';
import { queuesOf } from '../../workflows/queues.js';
import type { TemporalServer } from './temporal-target.js';
import { answerWithinMs } from './workflow-trouble.js';

/**
 * Ends what somebody else runs under the id of a workflow of ours: it is on another queue, where none of our workers
 * is, and would keep ours from starting. What they start on our queue ends by itself, since it has no proof.
 */
export async function endImpostor(
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
