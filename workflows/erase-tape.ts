import { proxyActivities } from '@temporalio/workflow';
import type { DriveActivities } from '../activities/index.js';
import type { EraseWish } from '../catalog/erase.js';
import type { Erased } from '../tape/erase-tape.js';
import { driveQueue } from './queues.js';

/** Erases the tape in a drive whose worker runs: in its slot, because one process writes to a drive at a time. */
export async function eraseLoadedTape(drive: string, wish: EraseWish): Promise<Erased> {
  const activities = proxyActivities<DriveActivities>({
    taskQueue: driveQueue(drive),
    // Deleting takes a call to the drive for each archive.
    startToCloseTimeout: '6 hours',
    heartbeatTimeout: '1 minute',
    // A person waits for the answer: told at once, never tried again behind their back.
    retry: { maximumAttempts: 1 },
  });
  return activities.eraseLoadedTape(wish);
}
