import type { WorkflowExecutionDescription } from '@temporalio/client';
import { describeError } from '../../config/failures.js';
import { queuesOf } from '../../workflows/queues.js';
import { english } from '../../messages/sentence.js';
import type { TemporalServer } from './temporal-target.js';

/** Why something unfinished makes no progress, according to its server. */
export interface WorkflowTrouble {
  /** `unknown` to the server, `ended` there, or `stuck`: its next task fails again and again. */
  kind: 'unknown' | 'ended' | 'stuck';
  /** A sentence without its subject, such as `the server does not know it`. */
  finding: string;
  /** The run that has ended or is stuck. */
  runId?: string;
}

/** Milliseconds to wait for the server: a stopped one keeps its connections open and says nothing. */
export const answerWithinMs = 10_000;
/** Attempts of a workflow task after which it counts as stuck: one or two may be lost with a dying worker. */
const stuckAttempts = 3;
/** How many of the last events are searched for the failure of a stuck workflow task. */
const eventsLookedAt = 20;

/** What the server says about a workflow that cannot continue on its own; undefined when it can. */
export async function workflowTrouble(
  server: TemporalServer,
  workflowId: string,
): Promise<WorkflowTrouble | undefined> {
  let description: WorkflowExecutionDescription;
  try {
    description = await server.client.withDeadline(Date.now() + answerWithinMs, () =>
      server.client.workflow.getHandle(workflowId).describe(),
    );
  } catch (error) {
    const { WorkflowNotFoundError } = await import('./temporal-client.js');
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    return { kind: 'unknown', finding: english`the server does not know it` };
  }
  const { runId } = description;
  if (description.status.name !== 'RUNNING') {
    const reason = await lastFailure(server, description);
    const state = description.status.name.toLowerCase().replaceAll('_', ' ');
    const finding =
      reason === undefined
        ? english`its workflow has ended (${state})`
        : english`its workflow has ended (${state}: ${reason})`;
    return { kind: 'ended', finding, runId };
  }
  if (description.taskQueue !== queuesOf(server.installation).archive) {
    const finding = english`somebody else runs a workflow of its name, on the queue ${description.taskQueue}`;
    return { kind: 'ended', finding, runId };
  }
  const attempt = description.raw.pendingWorkflowTask?.attempt ?? 1;
  if (attempt < stuckAttempts) return undefined;
  const reason = await lastFailure(server, description);
  if (reason === undefined) return undefined;
  const finding = english`its workflow makes no progress: its task was tried ${attempt} times, the last
    failure: ${reason}`;
  return { kind: 'stuck', finding, runId };
}

/** The message of the last failure in the history, unless it made progress afterwards. */
async function lastFailure(
  server: TemporalServer,
  { workflowId, runId }: WorkflowExecutionDescription,
): Promise<string | undefined> {
  const { history } = await server.client.workflowService.getWorkflowExecutionHistoryReverse({
    namespace: server.target.namespace,
    execution: { workflowId, runId },
    maximumPageSize: eventsLookedAt,
  });
  for (const event of history?.events ?? []) {
    if (event.workflowTaskCompletedEventAttributes != null) return undefined;
    const terminated = event.workflowExecutionTerminatedEventAttributes;
    if (terminated != null) return terminated.reason ?? undefined;
    const failed = event.workflowExecutionFailedEventAttributes ?? event.workflowTaskFailedEventAttributes;
    if (failed != null) return describeError(failed.failure?.message ?? 'unknown');
  }
  return undefined;
}
