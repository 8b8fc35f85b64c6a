import { withDrivesOfHosts } from '../../catalog/hosts/known-drives.js';
import { finalRetrievalStates, retrievalNamed } from '../../catalog/retrievals/retrievals.js';
import { openRepairOf } from '../../catalog/retrievals/slice-repair.js';
import { recordRunSet, scheduleNamed } from '../../catalog/server/schedules.js';
import type { Deps } from '../../operations/deps.js';
import { retrievalStart, type RetrievalStart } from '../../operations/retrievals/retrieval-start.js';
import type { ScheduleCall } from '../../operations/sets/scheduled-work.js';
import { asAttempt } from '../attempt.js';
import { tapesInDrives } from './open-scheduled-reading.js';

/**
 * The copy that writes again what the verify of a schedule's run has found damaged; null: there is nothing to write, or
 * too much is damaged to do so without a person.
 */
export function openScheduledRepair(
  deps: Deps,
  { name, runAt }: ScheduleCall,
  verifyId: string,
): Promise<RetrievalStart | null> {
  return asAttempt(async () => {
    const { catalog } = deps;
    const settings = await withDrivesOfHosts(deps.settings, async () => catalog);
    const { run_at: lastAt, run_set: made } = await scheduleNamed(catalog, name);
    if (lastAt !== runAt || made === null) return null;
    if (made !== verifyId) {
      // An earlier attempt of this step has made it.
      const row = await retrievalNamed(catalog, made);
      return finalRetrievalStates.includes(row.state) ? null : retrievalStart(settings, row);
    }
    const verify = await retrievalNamed(catalog, verifyId);
    const { row } = await openRepairOf(catalog, verify, await tapesInDrives(settings, verify));
    if (row === undefined) return null;
    await recordRunSet(catalog, name, runAt, row.id);
    return retrievalStart(settings, row);
  });
}
