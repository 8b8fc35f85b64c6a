import { continueAsNew, isCancellation, proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { ArchiveActivities, DriveActivities, DriveHostActivities } from '../../activities/index.js';
import type { NextArchive } from '../../activities/retrieval/retrieval.js';
import type { RetrievalSummary } from '../../catalog/retrievals/retrievals.js';
import { activityOptions } from '../activity-options.js';
import type { TargetLack } from '../../activities/retrieval/restore-target.js';
import { BackOff, isLongRun } from '../back-off.js';
import { findTape } from './find-tape.js';
import type { RetrievalInput } from '../../activities/retrieval/retrieval-input.js';
import { untilCancelled, waitForPerson } from './retrieval-steps.js';
import { failureDetails, failureReason, failureType, isLeft, outlivingWorkers } from '../step-failures.js';

/**
 * Priority in the drive's queue (1 is first, 3 is that of backups): whoever restores waits for it; a verify can wait.
 */
const priorities = { restore: 1, verify: 5 } as const;

/** How one drive is asked. */
function readerOf({ kind, options }: RetrievalInput, drive: string) {
  const policies = activityOptions(options, drive);
  return {
    slot: proxyActivities<DriveActivities>({
      ...policies.read,
      priority: { priorityKey: priorities[kind] },
    }),
    host: proxyActivities<DriveHostActivities>(policies.host),
    watching: proxyActivities<DriveHostActivities>(policies.watchTape),
  };
}

/**
 * A restore or a verify: archive after archive in tape order, in the slot of whichever drive has the tape. It waits for
 * each tape by name, holds the slot for one archive at a time, and goes on after any crash with the first archive that
 * was not recorded as read.
 */
export async function retrieveArchives(input: RetrievalInput): Promise<RetrievalSummary | null> {
  const { id, kind, options, drives = [input.drive] } = input;
  const steps = proxyActivities<ArchiveActivities>(activityOptions(options, input.drive).bookkeeping);
  const readers = new Map(drives.map((drive) => [drive, readerOf(input, drive)]));
  const readerIn = (drive: string) => readers.get(drive) ?? readerOf(input, drive);
  /** The drive that reads, and of several the tape that is in it, as far as is known. */
  let { drive } = input;
  let loaded: string | null = null;
  /**
   * Reads one archive, however often its tape or its target has to be waited for; `long`: the next run does.
   * `unusable`: no other archive needs to be read either, since the target takes none.
   */
  const readOne = async (next: NextArchive): Promise<'done' | 'long' | 'unusable'> => {
    const { no, setId, group } = next;
    const backOff = new BackOff();
    while (!isLongRun()) {
      if (drives.length > 1 && loaded !== next.tape) {
        ({ drive, tape: loaded } = await findTape(input, drives, next));
        if (loaded === null) return 'done';
      }
      setCurrentDetails(
        `**${id}** · reading group ${group} of set ${setId} (archive ${no}) in drive ${drive}`,
      );
      const { slot, watching } = readerIn(drive);
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
          await steps.recordRetrievalState(id, 'failed', reason);
          return 'unusable';
        }
        if (!['TapeNotReady', 'TargetNotReady'].includes(type)) {
          await steps.giveUpArchive({ id, no }, reason);
          return 'done';
        }
        if (drives.length > 1 && type === 'TapeNotReady') {
          loaded = null;
          await backOff.pause(`again in a while: ${reason}`);
          continue;
        }
        const lack = failureDetails(error)['lack'] as TargetLack | undefined;
        const among = drives.length > 1 ? { at: 0, drives } : undefined;
        await waitForPerson(steps, id, reason, backOff, async (summary) => {
          await watching.watchForRetrieval.executeWithOptions({ summary }, [{ id, no }, lack, among]);
        });
      }
    }
    return 'long';
  };
  const finish = () => readerIn(drive).host.finishRetrieval(id);
  return untilCancelled(steps, id, async () => {
    for (let page = await steps.nextArchives(id); page.length > 0; page = await steps.nextArchives(id)) {
      for (const next of page) {
        const read = await readOne(next);
        if (read === 'long') return continueAsNew<typeof retrieveArchives>({ ...input, drive });
        if (read === 'unusable') return finish();
      }
    }
    return finish();
  });
}
