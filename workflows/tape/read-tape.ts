import { proxyActivities } from '@temporalio/workflow';
import type { DriveActivities } from '../../activities/index.js';
import type { WorkerReading } from '../../operations/rebuild/read-catalog.js';
import { oneTry } from '../activity-options.js';

/** Imports the tape in a drive whose worker runs, in the drive's slot, since one process uses a drive at a time. */
export async function readLoadedTape(drive: string, request: { adopt: boolean }): Promise<WorkerReading> {
  // Archives without a manifest are read completely: a whole tape takes half a day, a damaged one longer.
  const activities = proxyActivities<DriveActivities>(oneTry(drive, '3 days'));
  return activities.readLoadedTape(request);
}
