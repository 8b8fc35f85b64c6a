import { proxyActivities } from '@temporalio/workflow';
import type { DriveActivities } from '../../activities/index.js';
import type { LabelRequest } from '../../operations/tapes/label-tape.js';
import { singleAttempt } from '../activity-options.js';

/**
 * Labels the tape in a drive whose worker runs, in the drive's slot, because one process writes to a drive at a time.
 */
export async function labelLoadedTape(drive: string, request: LabelRequest): Promise<string> {
  const activities = proxyActivities<DriveActivities>(singleAttempt(drive, '1 hour'));
  return activities.labelLoadedTape(request);
}
