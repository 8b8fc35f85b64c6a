import { CancellationScope, isCancellation } from '@temporalio/workflow';
import type { SetSummary } from '../../catalog/sets/set-summary.js';
import { ownInstallation } from '../proof/own-installation.js';
import { startDetached } from '../start-detached.js';
import { summaryText } from '../server-limits.js';
import { retrievalWorkflowId } from '../workflow-ids.js';
import type { SetRun } from './set-run.js';

/**
 * Starts the verify that the end of a set has made, if one was asked for. It does not depend on the set's run, and
 * nothing here can change the set's end: where this fails, workers find the verify in the catalog.
 */
export async function startEndVerify({ input, activities }: SetRun, { status }: SetSummary): Promise<void> {
  const isComplete = status === 'completed' || status === 'completed_with_skips';
  if (input.options.verify !== true || !isComplete) return;
  await CancellationScope.nonCancellable(async () => {
    try {
      const start = await activities.bookkeeping.endVerify.executeWithOptions(
        { summary: 'is it to be verified?' },
        [input.setId],
      );
      if (start === null) return;
      await startDetached(start.workflow, {
        workflowId: retrievalWorkflowId(start.input.id, ownInstallation),
        args: [start.input],
        staticSummary: summaryText(`at the end of the set: ${start.summary}`),
      });
    } catch (error) {
      if (isCancellation(error)) throw error;
    }
  });
}
