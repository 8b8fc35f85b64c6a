import { proxyActivities } from '@temporalio/workflow';
import type { DriveActivities } from '../../activities/index.js';
import type { EraseRequest } from '../../catalog/tapes/erase.js';
import type { Erased } from '../../operations/tapes/erase-tape.js';
import { singleAttempt } from '../activity-options.js';

/**
 * Erases the tape in a drive whose worker runs, in the drive's slot, because one process writes to a drive at a time.
 */
export async function eraseLoadedTape(drive: string, wish: EraseRequest): Promise<Erased> {
  // Deleting takes one drive call per archive.
  const activities = proxyActivities<DriveActivities>(singleAttempt(drive, '6 hours'));
  return activities.eraseLoadedTape(wish);
}
