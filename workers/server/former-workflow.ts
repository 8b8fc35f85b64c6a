import type { WorkflowExecutionDescription } from '@temporalio/client';
import { WorkflowNotFoundError, defaultPayloadConverter } from '@temporalio/common';
import type { Catalog } from '../../catalog/open-catalog.js';
import { recordWorkflow } from '../../catalog/sets/sets.js';
import type { SetRow } from '../../catalog/rows.js';
import { backupWorkflowId, searchAttributes, type BackupSetInput } from '../../workflows/messages.js';
import { formerArchiveQueue } from '../../workflows/queues.js';
import type { TemporalServer } from './temporal-target.js';
import { answerWithinMs } from './workflow-trouble.js';

/** Milliseconds by which the server's clock may be behind ours: a set's workflow began after the set. */
const clockSkewMs = 5000;

/**
 * Ends the workflow under which a set ran before this version, or under another `TAPEFLOW_INSTALLATION`: nobody serves
 * its queues any more, and the set goes on from the catalog under its present id. Leaves one alone that is not this
 * set's: before, two installations on one server had the same ids. Can be repeated.
 */
export async function retireFormerWorkflow(server: TemporalServer, set: SetRow): Promise<void> {
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
    // Lost with the server's database, or ended this moment.
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}

/** Remembers under which id a set runs now. */
export async function rememberWorkflow(server: TemporalServer, catalog: Catalog, set: SetRow): Promise<void> {
  await recordWorkflow(catalog, set.id, backupWorkflowId(set.id, server.installation));
}

/**
 * Ends every workflow on the queue that was alike in every installation: nobody serves it, and what the catalog knows
 * of them goes on under its new id. Only on an embedded server, which is this installation's alone.
 */
export async function endFormerWorkflows({ client, target }: TemporalServer): Promise<void> {
  if (!target.embedded) return;
  const query = `TaskQueue = '${formerArchiveQueue}' AND ExecutionStatus = 'Running'`;
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

/** Whether a workflow was started for this set, and not for one of the same number of another installation. */
async function isOf(
  server: TemporalServer,
  set: SetRow,
  { workflowId, runId, startTime, typedSearchAttributes }: WorkflowExecutionDescription,
): Promise<boolean> {
  if (startTime.getTime() < set.created_at - clockSkewMs) return false;
  const sources = JSON.parse(set.sources) as string[];
  // What the server was told of each source is its end, or all of it.
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
