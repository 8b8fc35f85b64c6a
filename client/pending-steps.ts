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
  why?: string;
  entries?: number;
  bytes?: number;
  groups?: number;
}

/** PENDING_ACTIVITY_STATE_STARTED of Temporal's API (`temporal/api/enums/v1/workflow.proto`). */
const startedState = 2;

/** What the server says is under way; nothing when it cannot be asked now. For people only: no step trusts it. */
export async function pendingSteps(server: Server, setId: string): Promise<PendingStep[]> {
  try {
    const { raw } = await setHandle(server, setId).describe();
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
