import type { Server } from './session.js';
import { setHandle } from './session.js';

/** An activity of a set that is under way, with what its last heartbeat told. Bytes are bytes. */
export interface PendingStep {
  activity: string;
  /** False while it waits in its queue. */
  started: boolean;
  attempt: number;
  /** Why its last attempt failed. */
  lastFailure: string | undefined;
  details: StepDetails;
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
  /** True when only a person or time can end that wait, such as a full disk. */
  stuck?: boolean;
  entries?: number;
  bytes?: number;
  groups?: number;
}

/** PENDING_ACTIVITY_STATE_STARTED of Temporal's API (`temporal/api/enums/v1/workflow.proto`). */
const startedState = 2;

/** Milliseconds that the server has for its answer: a display must not stand still because of a server that hangs. */
const answerWithinMs = 2000;

/** What the server says is under way; nothing when it cannot be asked now. For people only: no step trusts it. */
export async function pendingSteps(server: Server, setId: string): Promise<PendingStep[]> {
  try {
    const { raw } = await server.client.withDeadline(Date.now() + answerWithinMs, () =>
      setHandle(server, setId).describe(),
    );
    return (raw.pendingActivities ?? []).map((pending) => ({
      activity: pending.activityType?.name ?? '',
      started: Number(pending.state) === startedState,
      attempt: pending.attempt ?? 1,
      lastFailure: pending.lastFailure?.message ?? undefined,
      details: decode(pending.heartbeatDetails?.payloads?.[0]?.data),
    }));
  } catch {
    return [];
  }
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
