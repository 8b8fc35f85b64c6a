import { isCancellation } from '@temporalio/workflow';
import type { SetRun } from './set-run.js';
import { rerunAfterWorkerDeath } from '../step-failures.js';

/**
 * Writes missing end marks of the set's copies before its end is recorded. Usually a sync has written them, except when
 * the last one came before the end of the scan, or a group was skipped after it. A failed mark costs only the mark.
 */
export async function markEnds(run: SetRun): Promise<void> {
  const { setId } = run.input;
  const copies = await run.activities.bookkeeping.copiesWithoutMark.executeWithOptions(
    { summary: 'does every copy tell the end?' },
    [setId],
  );
  for (const { copyNo } of copies) {
    const writer = run.writers.find(({ lanes }) => lanes.some((lane) => lane.copyNo === copyNo));
    if (writer === undefined) continue;
    try {
      await rerunAfterWorkerDeath(() =>
        writer.slot.markEnd.executeWithOptions({ summary: 'mark the end of the set' }, [setId, copyNo]),
      );
    } catch (error) {
      if (isCancellation(error)) throw error;
    }
  }
}
