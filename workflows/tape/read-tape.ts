import { proxyActivities } from '@temporalio/workflow';
import type { DriveActivities } from '../../activities/index.js';
import type { WorkerReading } from '../../operations/rebuild/read-catalog.js';
import { oneTry } from '../activity-options.js';

/**
 * Reads the tape in the drive whose worker runs into the catalog: in its slot, since one process works on a drive at a
 * time.
 */
export async function readLoadedTape(drive: string, request: { adopt: boolean }): Promise<WorkerReading> {
  // Archives without a manifest are read whole: a tape of them takes half a day, and a damaged one longer.
  const activities = proxyActivities<DriveActivities>(oneTry(drive, '3 days'));
  return activities.readLoadedTape(request);
}
