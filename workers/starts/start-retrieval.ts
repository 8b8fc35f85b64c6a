import { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from '@temporalio/common';
import { retrievalStart } from '../../operations/retrievals/retrieval-start.js';
import { withDrivesOfHosts } from '../../catalog/hosts/known-drives.js';
import { hostInQueues } from '../../catalog/hosts/hosts.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { RetrievalRow } from '../../catalog/rows.js';
import type { Settings } from '../../config/settings/settings.js';
import { retrievalWorkflowId } from '../../workflows/workflow-ids.js';
import { queuesOf } from '../../workflows/queues.js';
import { summaryText } from '../../workflows/server-limits.js';
import { terminateImpostor } from '../server/terminate-impostor.js';
import type { TemporalServer } from '../server/temporal-target.js';

/**
 * Starts a retrieval's workflow, or finds it running.
 *
 * @param onlyNew throws `WorkflowExecutionAlreadyStartedError` when it is already running.
 */
export async function startRetrieval(
  server: TemporalServer,
  settings: Settings,
  catalog: Catalog,
  row: RetrievalRow,
  onlyNew = false,
): Promise<void> {
  const { id } = row;
  const { workflow, input, summary } = retrievalStart(
    await withDrivesOfHosts(settings, async () => catalog),
    row,
    row.target_host === null ? undefined : await targetIn(catalog, row.target_host),
  );
  await terminateImpostor(server, retrievalWorkflowId(id, server.installation));
  const { FAIL, USE_EXISTING } = WorkflowIdConflictPolicy;
  await server.client.workflow.start(workflow, {
    workflowId: retrievalWorkflowId(id, server.installation),
    taskQueue: queuesOf(server.installation).archive,
    args: [input],
    workflowIdConflictPolicy: onlyNew ? FAIL : USE_EXISTING,
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    staticSummary: summaryText(summary),
  });
}

async function targetIn(catalog: Catalog, name: string): Promise<{ host?: string }> {
  const host = await hostInQueues(catalog, name);
  return host === undefined ? {} : { host };
}
