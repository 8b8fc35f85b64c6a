import { proxyActivities } from '@temporalio/workflow';
import type { DriveActivities } from '../activities/index.js';
import type { LabelRequest } from '../tape/label-tape.js';
import { driveQueue } from './queues.js';

/** Labels the tape in a drive whose worker runs: in its slot, because one process writes to a drive at a time. */
export async function labelLoadedTape(drive: string, request: LabelRequest): Promise<string> {
  const activities = proxyActivities<DriveActivities>({
    taskQueue: driveQueue(drive),
    startToCloseTimeout: '1 hour',
    heartbeatTimeout: '1 minute',
    // A person waits for the answer: told at once, never tried again behind their back.
    retry: { maximumAttempts: 1 },
  });
  return activities.labelLoadedTape(request);
}
