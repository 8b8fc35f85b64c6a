import type { WorkflowExecutionDescription } from '@temporalio/client';
import { WorkflowNotFoundError, defaultPayloadConverter } from '@temporalio/common';
import type { Catalog } from '../../catalog/open-catalog.js';
import { recordWorkflow } from '../../catalog/sets/sets.js';
import type { SetRow } from '../../catalog/rows.js';
import { searchAttributes, type BackupSetInput } from '../../workflows/messages.js';
import { backupWorkflowId } from '../../workflows/workflow-ids.js';
import { legacyArchiveQueue } from '../../workflows/queues.js';
import type { TemporalServer } from './temporal-target.js';
import { answerWithinMs } from './workflow-trouble.js';

/** Milliseconds by which the server's clock may be behind ours; a set's workflow begins after the set. */
const clockSkewMs = 5000;

/**
 * Terminates the workflow of a set from before this version, or from another `TAPEFLOW_INSTALLATION`: nobody serves its
 * queues any more, and the set continues from the catalog under its current id. Leaves workflows of other sets alone,
 * since two installations on one server used to have the same ids. Idempotent.
 */
export async function retireLegacyWorkflow(server: TemporalServer, set: SetRow): Promise<void> {
  const former = set.workflow_id;
  if (former === null || former === backupWorkflowId(set.id, server.installation)) return;
  try {
    const described = await server.client.withDeadline(Date.now() + answerWithinMs, () =>
      server.client.workflow.getHandle(former).describe(),
    );
    if (described.status.name !== 'RUNNING' || !(await isOf(server, set, described))) return;
    await server.client.workflow
      .getHandle(former, described.runId)
      .terminate('tapeflow: the set goes on under another workflow id');
  } catch (error) {
    // Lost with the server's database, or just ended.
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}

/** Records the workflow id under which a set runs now. */
export async function rememberWorkflow(server: TemporalServer, catalog: Catalog, set: SetRow): Promise<void> {
  await recordWorkflow(catalog, set.id, backupWorkflowId(set.id, server.installation));
}

/**
 * Terminates all workflows on the queue whose name was the same in every installation: nobody serves it, and what the
 * catalog knows of them continues under new ids. Only on an embedded server, which belongs to this installation alone.
 */
export async function terminateLegacyWorkflows({ client, target }: TemporalServer): Promise<void> {
  if (!target.embedded) return;
  const query = `TaskQueue = '${legacyArchiveQueue}' AND ExecutionStatus = 'Running'`;
  for await (const { workflowId, runId } of client.workflow.list({ query })) {
    try {
      await client.workflow
        .getHandle(workflowId, runId)
        .terminate('tapeflow: what it works on goes on under another workflow id');
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }
}

/** Whether a workflow was started for this set, and not for another installation's set of the same number. */
async function isOf(
  server: TemporalServer,
  set: SetRow,
  { workflowId, runId, startTime, typedSearchAttributes }: WorkflowExecutionDescription,
): Promise<boolean> {
  if (startTime.getTime() < set.created_at - clockSkewMs) return false;
  const sources = JSON.parse(set.sources) as string[];
  // The server has each source, or the end of a long one.
  const told = typedSearchAttributes.get(searchAttributes.source) ?? [];
  if (!told.every((end) => sources.some((source) => source.endsWith(end)))) return false;
  const { history } = await server.client.workflowService.getWorkflowExecutionHistory({
    namespace: server.target.namespace,
    execution: { workflowId, runId },
    maximumPageSize: 1,
  });
  const payload = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0];
  if (payload == null) return false;
  const input = defaultPayloadConverter.fromPayload<Partial<BackupSetInput>>(payload);
  return (
    input.setId === set.id &&
    input.pool === set.pool &&
    input.drive === set.drive &&
    JSON.stringify(input.options) === JSON.stringify(JSON.parse(set.options))
  );
}
