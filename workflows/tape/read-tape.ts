import { proxyActivities } from '@temporalio/workflow';
import type { DriveActivities } from '../../activities/index.js';
import type { WorkerTapeImport } from '../../operations/rebuild/import-tape.js';
import { singleAttempt } from '../activity-options.js';

/** Imports the tape in a drive whose worker runs, in the drive's slot, since one process uses a drive at a time. */
export async function readLoadedTape(
  drive: string,
  request: { adopt: boolean; identity?: string },
): Promise<WorkerTapeImport> {
  // Archives without a manifest are read completely: a whole tape takes half a day, a damaged one longer.
  const activities = proxyActivities<DriveActivities>(singleAttempt(drive, '3 days'));
  return activities.readLoadedTape(request);
}
