import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { ParentClosePolicy, executeChild, proxyActivities } from '@temporalio/workflow';
import type { ArchiveActivities } from '../activities/index.js';
import type { ScheduledBackup } from '../activities/open-scheduled-set.js';
import { backupSet } from './backup-set.js';
import { backupWorkflowId, firstAttributes } from './messages.js';
import { archiveQueue } from './queues.js';

/**
 * One run of a schedule: makes a set and backs it up. It lasts as long as its set, also one that waits for a tape, so that
 * the schedule skips the runs that would overlap.
 */
export async function scheduledBackup(backup: ScheduledBackup): Promise<string> {
  const { openScheduledSet } = proxyActivities<ArchiveActivities>({
    taskQueue: archiveQueue,
    startToCloseTimeout: '10 minutes',
    heartbeatTimeout: '1 minute',
    // Tried for ever: without the catalog there is nothing else to do.
    retry: { maximumInterval: '1 minute' },
  });
  const { setId, pool, drive, places, scanned, options } = await openScheduledSet(backup);
  const { sources } = backup;
  try {
    await executeChild(backupSet, {
      workflowId: backupWorkflowId(setId),
      args: [
        {
          ...{ setId, pool, drive, options, cursor: 0, scanned, retry: false, paused: false },
          ...(places === undefined ? {} : { places }),
        },
      ],
      // A schedule that is removed, or a run of it that is ended, leaves the set alone.
      parentClosePolicy: ParentClosePolicy.ABANDON,
      staticSummary: `schedule ${backup.name}: ${sources.join(' ')} → pool ${pool}`.slice(0, 180),
      typedSearchAttributes: firstAttributes({ setId, sources, pool, drive }),
    });
  } catch (error) {
    // A person has taken the unfinished set up already.
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
  return setId;
}
