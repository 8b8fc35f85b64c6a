import {
  ActivityCancellationType,
  CancellationScope,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
} from '@temporalio/workflow';
import type { DriveHostActivities } from '../../activities/index.js';
import type { NextArchive } from '../../activities/retrieval/retrieval.js';
import { activityOptions } from '../activity-options.js';
import type { RetrievalInput } from '../../activities/retrieval/retrieval-input.js';
import { summaryText } from '../server-limits.js';
import { outlivingWorkers } from '../step-failures.js';

/** Where the tape of an archive is. */
export interface Found {
  drive: string;
  /** Its UUID; null: nothing is to be read of it any more. */
  tape: string | null;
}

/**
 * Waits until the archive's tape is in one of several drives, whichever that is. Each is looked at by its own worker,
 * and one that hangs, or has no worker, holds up none.
 */
export async function findTape(
  { id, options }: Pick<RetrievalInput, 'id' | 'options'>,
  drives: readonly string[],
  { no, setId, group }: NextArchive,
): Promise<Found> {
  setCurrentDetails(
    `**${id}** · looking for the tape of group ${group} of set ${setId} in ${drives.join(', ')}`,
  );
  const search = { at: Date.now(), drives };
  const summary = summaryText(`${setId} group ${group}: its tape, in any of ${drives.join(', ')}`);
  const scope = new CancellationScope();
  const looks = drives.map(async (drive) => {
    const { watchForRetrieval } = proxyActivities<DriveHostActivities>({
      ...activityOptions(options, drive).watchTape,
      // One in a drive that hangs never says that it has ended.
      cancellationType: ActivityCancellationType.TRY_CANCEL,
    });
    const tape = await scope.run(() =>
      outlivingWorkers(() =>
        watchForRetrieval.executeWithOptions({ summary }, [{ id, no }, undefined, search]),
      ),
    );
    return { drive, tape };
  });
  try {
    return await Promise.any(looks);
  } catch (error) {
    const errors: unknown[] = error instanceof AggregateError ? error.errors : [error];
    throw errors.find(isCancellation) ?? errors[0];
  } finally {
    scope.cancel();
  }
}
