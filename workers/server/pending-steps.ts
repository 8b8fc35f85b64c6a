import type { Client } from '@temporalio/client';
import { timeOfDay } from '../../config/local-time.js';
import { backupWorkflowId, retrievalWorkflowId } from '../../workflows/workflow-ids.js';
import { english } from '../../messages/sentence.js';

/** A pending activity of a set, with the details of its last heartbeat. Sizes are in bytes. */
export interface PendingStep {
  activity: string;
  /** False while it waits in its queue. */
  started: boolean;
  attempt: number;
  /** Why its last attempt failed. */
  lastFailure: string | undefined;
  details: StepDetails;
  /** What holds it up while it is at work, by its own account: a full disk, or a drive or source that is silent. */
  heldUpBy?: string;
}

export interface StepDetails {
  step?: string;
  group?: number;
  bytesIn?: number;
  bytesOut?: number;
  bytesTotal?: number;
  seconds?: number;
  /** Why it waits. */
  why?: string;
  /** True when only a person or time can end that wait, for example on a full disk. */
  stuck?: boolean;
  entries?: number;
  bytes?: number;
  groups?: number;
}

/** A server that is asked, and the short id of our installation there. */
export interface AskedServer {
  client: Client;
  installation: string;
}

/** PENDING_ACTIVITY_STATE_STARTED of Temporal's API (`temporal/api/enums/v1/workflow.proto`). */
const startedState = 2;

/** Milliseconds to wait for the server: a display must not freeze because of a hanging server. */
export const displayWithinMs = 2000;

/** The server's pending activities; empty when it cannot be reached. For people only: no step relies on it. */
export function pendingSteps(server: AskedServer, setId: string): Promise<PendingStep[]> {
  return stepsOf(server, backupWorkflowId(setId, server.installation));
}

/** The same for a restore, verify or copy. */
export function pendingReads(server: AskedServer, id: string): Promise<PendingStep[]> {
  return stepsOf(server, retrievalWorkflowId(id, server.installation));
}

async function stepsOf(server: AskedServer, workflowId: string): Promise<PendingStep[]> {
  try {
    const { raw } = await server.client.withDeadline(Date.now() + displayWithinMs, () =>
      server.client.workflow.getHandle(workflowId).describe(),
    );
    return (raw.pendingActivities ?? []).map((pending) => stepOf(pending, Date.now()));
  } catch {
    return [];
  }
}

type Timestamp = { seconds?: unknown; nanos?: unknown } | null;

/** The fields of a pending activity that are used here. */
export interface PendingActivity {
  activityType?: { name?: string | null } | null;
  state?: unknown;
  attempt?: number | null;
  lastFailure?: { message?: string | null } | null;
  heartbeatDetails?: { payloads?: { data?: Uint8Array | null }[] | null } | null;
  lastHeartbeatTime?: Timestamp;
  lastStartedTime?: Timestamp;
  scheduledTime?: Timestamp;
  nextAttemptScheduleTime?: Timestamp;
  activityOptions?: { heartbeatTimeout?: Timestamp } | null;
}

/** Milliseconds without a heartbeat after which a worker counts as silent; heartbeats come every second. */
const unheardMs = 10_000;

/**
 * Converts a pending activity at time `now` (milliseconds since 1970); says what it waits for when no worker has it.
 */
export function stepOf(pending: PendingActivity, now: number): PendingStep {
  const started = Number(pending.state) === startedState;
  const details = decode(pending.heartbeatDetails?.payloads?.[0]?.data);
  const step: PendingStep = {
    activity: pending.activityType?.name ?? '',
    started,
    attempt: pending.attempt ?? 1,
    lastFailure: pending.lastFailure?.message ?? undefined,
    details,
  };
  const why = started ? unheard(pending, now) : waits(pending, now);
  if (started && why === undefined && details.stuck === true && details.why !== undefined)
    step.heldUpBy = details.why;
  if (why !== undefined) step.details = { ...details, why, stuck: true };
  else if (!started) {
    // The wait of a finished attempt says nothing about the next one.
    const { why: _why, stuck: _stuck, ...rest } = details;
    step.details = rest;
  }
  return step;
}

/**
 * Says that a worker is silent because it was killed, stopped or cut off: the server gives up its attempt after a
 * while.
 */
function unheard(pending: PendingActivity, now: number): string | undefined {
  const since = Math.max(msOf(pending.lastHeartbeatTime) ?? 0, msOf(pending.lastStartedTime) ?? 0);
  const timeout = msOf(pending.activityOptions?.heartbeatTimeout);
  const limit = Math.min(unheardMs, (timeout ?? Infinity) / 2);
  if (since === 0 || now - since <= limit) return undefined;
  const time = timeOfDay(since, now);
  if (timeout === undefined) return english`its worker has not been heard of since ${time}`;
  const next = timeOfDay(since + timeout, now);
  return english`its worker has not been heard of since ${time}; after ${next} it is tried again`;
}

/** Why no worker has a step: its next attempt is still to come, or none has taken it. */
function waits(pending: PendingActivity, now: number): string | undefined {
  const next = msOf(pending.nextAttemptScheduleTime) ?? msOf(pending.scheduledTime) ?? 0;
  if ((pending.attempt ?? 1) > 1 && next > now)
    return english`the next attempt comes at ${timeOfDay(next, now)}`;
  if (next === 0 || now - next <= unheardMs) return undefined;
  return english`no worker has taken it since ${timeOfDay(next, now)}`;
}

function msOf(time: Timestamp | undefined): number | undefined {
  if (time === null || time === undefined) return undefined;
  return Number(time.seconds ?? 0) * 1000 + Number(time.nanos ?? 0) / 1e6;
}

function decode(data: Uint8Array | null | undefined): StepDetails {
  if (data === null || data === undefined) return {};
  try {
    const value: unknown = JSON.parse(Buffer.from(data).toString('utf8'));
    return value !== null && typeof value === 'object' ? value : {};
  } catch {
    return {};
  }
}
