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
  /** Its UUID; null: nothing is to be read, or written, any more. */
  tape: string | null;
}

/** One of the drives that are looked at, each by its own worker. */
type Looking = ReturnType<typeof proxyActivities<DriveHostActivities>>;

/**
 * Waits until the archive's tape is in any of several drives.
 *
 * @param writes of a copy, the drive that writes now.
 */
export function findTape(
  { id, options }: Pick<RetrievalInput, 'id' | 'options'>,
  drives: readonly string[],
  { no, setId, group }: NextArchive,
  writes?: string,
): Promise<Found> {
  setCurrentDetails(
    `**${id}** · looking for the tape of group ${group} of set ${setId} in ${drives.join(', ')}`,
  );
  const search = { at: Date.now(), drives, ...(writes === undefined ? {} : { writes }) };
  const summary = summaryText(`${setId} group ${group}: its tape, in any of ${drives.join(', ')}`);
  return inAnyOf(options, drives, ({ watchForRetrieval }) =>
    watchForRetrieval.executeWithOptions({ summary }, [{ id, no }, undefined, search]),
  );
}

/**
 * Waits until a tape that an archive of a copy may be written to is in one of several drives.
 *
 * @param wanted UUID of the only tape that will do.
 */
export function findTapeToWrite(
  { id, options }: Pick<RetrievalInput, 'id' | 'options'>,
  drives: readonly string[],
  { no, setId, group }: NextArchive,
  wanted: string | undefined,
): Promise<Found> {
  const search = { at: Date.now(), drives, half: 'writing' as const };
  const summary = summaryText(`${setId} group ${group}: a tape for it, in any of ${drives.join(', ')}`);
  return inAnyOf(options, drives, ({ watchForCopy }) =>
    watchForCopy.executeWithOptions({ summary }, [{ id, no }, wanted, search]),
  );
}

/** Looks at every drive at once; one that hangs, or has no worker, holds up none. The first that is told of ends it. */
async function inAnyOf(
  options: RetrievalInput['options'],
  drives: readonly string[],
  look: (at: Looking) => Promise<string | null>,
): Promise<Found> {
  const scope = new CancellationScope();
  const looks = drives.map(async (drive) => {
    const at = proxyActivities<DriveHostActivities>({
      ...activityOptions(options, drive).watchTape,
      // A check in a hanging drive never ends.
      cancellationType: ActivityCancellationType.TRY_CANCEL,
    });
    return { drive, tape: await scope.run(() => rerunAfterWorkerDeath(() => look(at))) };
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
