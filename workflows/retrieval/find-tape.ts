import {
  ActivityCancellationType,
  CancellationScope,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
} from '@temporalio/workflow';
import type { DriveHostActivities } from '../../activities/index.js';
import type { NextArchive } from '../../activities/retrieval/retrieval-state.js';
import { activityOptions } from '../activity-options.js';
import type { RetrievalInput } from '../../operations/retrievals/retrieval-start.js';
import { summaryText } from '../server-limits.js';
import { rerunAfterWorkerDeath } from '../step-failures.js';

/** Where the tape of an archive is. */
export interface Found {
  drive: string;
  /** Its UUID; null: nothing is left to read from it. */
  tape: string | null;
}

/**
 * Waits until the archive's tape is in any of several drives. Each drive is checked by its own worker, and a hanging
 * drive or one without a worker does not block the others.
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
      // A check in a hanging drive never ends.
      cancellationType: ActivityCancellationType.TRY_CANCEL,
    });
    const tape = await scope.run(() =>
      rerunAfterWorkerDeath(() =>
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
