import { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from '@temporalio/common';
import { snapshotOptions } from '../activities/set-options.js';
import type { RetrievalRow } from '../catalog/retrievals.js';
import type { Settings } from '../config/settings.js';
import { retrievalWorkflowId, type CopyInput, type RetrievalInput } from '../workflows/messages.js';
import { queuesOf } from '../workflows/queues.js';
import { summaryText } from '../workflows/server-limits.js';
import { endImpostor } from './end-impostor.js';
import type { TemporalServer } from './temporal-target.js';

/**
 * Starts a retrieval's workflow, or finds it running.
 *
 * @param onlyNew throws `WorkflowExecutionAlreadyStartedError` where it runs already.
 */
export async function startRetrieval(
  server: TemporalServer,
  settings: Settings,
  row: RetrievalRow,
  onlyNew = false,
): Promise<void> {
  const { heartbeatSeconds, retrySeconds, tapeRetrySeconds, retryAttempts, syncBytes, syncSeconds } =
    snapshotOptions(settings);
  const { id, kind, drive } = row;
  const options = { heartbeatSeconds, retrySeconds, tapeRetrySeconds, retryAttempts };
  const input: RetrievalInput | CopyInput =
    kind === 'copy'
      ? { id, drive, toDrive: row.to_drive ?? drive, options, syncBytes, syncSeconds }
      : { id, kind, drive, options };
  await endImpostor(server, retrievalWorkflowId(id, server.installation));
  const { FAIL, USE_EXISTING } = WorkflowIdConflictPolicy;
  await server.client.workflow.start(kind === 'copy' ? 'copyArchives' : 'retrieveArchives', {
    workflowId: retrievalWorkflowId(id, server.installation),
    taskQueue: queuesOf(server.installation).archive,
    args: [input],
    workflowIdConflictPolicy: onlyNew ? FAIL : USE_EXISTING,
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    staticSummary: summaryText(
      kind === 'restore' ? `${row.subject} → ${row.target ?? ''}` : `${kind} ${row.subject}`,
    ),
  });
}
