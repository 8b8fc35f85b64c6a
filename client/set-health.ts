import type { WorkflowExecutionDescription } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { describeError } from '../config/failures.js';
import { backupWorkflowId } from '../workflows/messages.js';
import { unfinishedSets } from '../catalog/sets.js';
import { answerWithinMs, findServer, setHandle, type Server, type Session } from './session.js';

/** Why an unfinished set gets nowhere, and what to do about it. */
export interface SetTrouble {
  kind: 'unknown' | 'ended' | 'stuck';
  /** A sentence without its subject, such as `the server does not know it`. */
  finding: string;
  advice: string;
}

/** Tries of a workflow task after which it counts as stuck: one or two are lost with a worker that dies. */
const stuckAttempts = 3;
/** Events, from the last one back, among which the failure of a stuck workflow task is. */
const eventsLookedAt = 20;

/** What the server says of an unfinished set's workflow, when that cannot go on by itself; undefined when it can. */
export async function troubleOf(server: Server, setId: string): Promise<SetTrouble | undefined> {
  const advice = `\`tapeflow resume ${setId}\` takes it up again from the catalog.`;
  let description: WorkflowExecutionDescription;
  try {
    description = await server.client.withDeadline(Date.now() + answerWithinMs, () =>
      setHandle(server, setId).describe(),
    );
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    return { kind: 'unknown', finding: 'the server does not know it', advice };
  }
  if (description.status.name !== 'RUNNING') {
    const reason = await lastFailure(server, description);
    const state = description.status.name.toLowerCase().replaceAll('_', ' ');
    const finding = `its workflow has ended (${state}${reason === undefined ? '' : `: ${reason}`}), but the set has not`;
    return { kind: 'ended', finding, advice };
  }
  const attempt = description.raw.pendingWorkflowTask?.attempt ?? 1;
  if (attempt < stuckAttempts) return undefined;
  const reason = await lastFailure(server, description);
  if (reason === undefined) return undefined;
  const finding = `its workflow makes no progress: its task was tried ${attempt} times, the last failure: ${reason}`;
  return { kind: 'stuck', finding, advice };
}

/** The sentence of the last failure in the history, unless something was done after it. */
async function lastFailure(
  server: Server,
  { workflowId, runId }: WorkflowExecutionDescription,
): Promise<string | undefined> {
  const { history } = await server.client.workflowService.getWorkflowExecutionHistoryReverse({
    namespace: server.target.namespace,
    execution: { workflowId, runId },
    maximumPageSize: eventsLookedAt,
  });
  for (const event of history?.events ?? []) {
    if (event.workflowTaskCompletedEventAttributes != null) return undefined;
    const failed = event.workflowExecutionFailedEventAttributes ?? event.workflowTaskFailedEventAttributes;
    if (failed != null) return describeError(failed.failure?.message ?? 'unknown');
  }
  return undefined;
}

/** Ends the stuck workflow of a set, so that another can be started. Its steps stop at their next heartbeat. */
export async function endStuck(server: Server, setId: string, trouble: SetTrouble): Promise<void> {
  const handle = server.client.workflow.getHandle(backupWorkflowId(setId));
  await handle.terminate(`tapeflow: ${trouble.finding}`);
}

/** Unfinished sets that the running server does not work on, or in vain. */
export async function troubledSets(session: Session): Promise<{ setId: string; trouble: SetTrouble }[]> {
  const unfinished = await unfinishedSets(await session.catalog());
  if (unfinished.length === 0) return [];
  const server = await findServer(session);
  if (server === undefined) return [];
  try {
    const troubled: { setId: string; trouble: SetTrouble }[] = [];
    for (const { id } of unfinished) {
      const trouble = await troubleOf(server, id);
      if (trouble !== undefined) troubled.push({ setId: id, trouble });
    }
    return troubled;
  } finally {
    await server.close();
  }
}
