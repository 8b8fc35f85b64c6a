import { continueAsNew, isCancellation, proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { DriveActivities, DriveHostActivities } from '../activities/index.js';
import type { NextArchive } from '../activities/retrieval.js';
import type { RetrievalSummary } from '../catalog/retrievals.js';
import { activityOptions } from './activity-options.js';
import type { TargetLack } from '../activities/restore-target.js';
import { BackOff, isLongRun } from './back-off.js';
import type { RetrievalInput } from './messages.js';
import { untilCancelled, waitForPerson } from './retrieval-steps.js';
import { failureDetails, failureReason, failureType, isLeft, outlivingWorkers } from './set-run.js';

/** Priority in the drive's queue (1 is first, 3 is that of backups): whoever restores waits for it; a verify can wait. */
const priorities = { restore: 1, verify: 5 } as const;

/**
 * A restore or a verify: archive after archive in tape order, in the drive's slot. It waits for each tape by name, holds
 * the slot for one archive at a time, and goes on after any crash with the first archive that was not recorded as read.
 */
export async function retrieveArchives(input: RetrievalInput): Promise<RetrievalSummary | null> {
  const { id, kind, drive, options } = input;
  const policies = activityOptions(options, drive);
  const host = proxyActivities<DriveHostActivities>(policies.host);
  const slot = proxyActivities<DriveActivities>({
    ...policies.read,
    priority: { priorityKey: priorities[kind] },
  });
  const watching = proxyActivities<DriveHostActivities>(policies.watchTape);
  /**
   * Reads one archive, however often its tape or its target has to be waited for; `long`: the next run does. `unusable`: no
   * other archive needs to be read either, since the target takes none.
   */
  const readOne = async ({ no, setId, group }: NextArchive): Promise<'done' | 'long' | 'unusable'> => {
    const backOff = new BackOff();
    while (!isLongRun()) {
      setCurrentDetails(`**${id}** · reading group ${group} of set ${setId} (archive ${no})`);
      try {
        const summary = `${setId} group ${group}: ${kind}`;
        await outlivingWorkers(() => slot.readArchive.executeWithOptions({ summary }, [{ id, no }]));
        return 'done';
      } catch (error) {
        if (isCancellation(error)) throw error;
        if (isLeft(error)) return 'long';
        const reason = failureReason(error);
        const type = failureType(error) ?? '';
        if (['TargetUnusable', 'TargetFailed'].includes(type)) {
          await host.recordRetrievalState(id, 'failed', reason);
          return 'unusable';
        }
        if (!['TapeNotReady', 'TargetNotReady'].includes(type)) {
          await host.giveUpArchive({ id, no }, reason);
          return 'done';
        }
        const lack = failureDetails(error)['lack'] as TargetLack | undefined;
        await waitForPerson(host, id, reason, backOff, (summary) =>
          watching.watchForRetrieval.executeWithOptions({ summary }, [{ id, no }, lack]),
        );
      }
    }
    return 'long';
  };
  return untilCancelled(host, id, async () => {
    for (let page = await host.nextArchives(id); page.length > 0; page = await host.nextArchives(id)) {
      for (const next of page) {
        const read = await readOne(next);
        if (read === 'long') return continueAsNew<typeof retrieveArchives>(input);
        if (read === 'unusable') return host.finishRetrieval(id);
      }
    }
    return host.finishRetrieval(id);
  });
}
