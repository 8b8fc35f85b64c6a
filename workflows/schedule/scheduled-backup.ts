import {
  ActivityCancellationType,
  ApplicationFailure,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';
import type { ArchiveActivities, SourceActivities } from '../../activities/index.js';
import type { ScheduledSet } from '../../activities/schedule/open-scheduled-set.js';
import type { SettledSet } from '../../activities/schedule/settle-sets.js';
import type { ScheduleCall } from '../../operations/sets/scheduled-work.js';
import { backupSet } from '../set/backup-set.js';
import { firstAttributes } from '../messages.js';
import { backupWorkflowId } from '../workflow-ids.js';
import { ownInstallation, ownQueues } from '../proof/own-installation.js';
import { startDetached } from '../start-detached.js';
import { scheduledSteps } from './scheduled-run.js';
import { summaryText } from '../server-limits.js';
import { english } from '../../messages/sentence.js';

/** Result of a schedule run. */
export interface ScheduledRun extends SettledSet {
  /** Unfinished sets of earlier runs that it resumed or found running, and their state afterwards. */
  earlier: SettledSet[];
  /** Notes on the set: its base, and other unfinished sets of its sources. */
  notes: string[];
}

/**
 * One run of a schedule. It resumes unfinished sets of earlier runs and lets running ones finish; then it makes its own
 * set, even while an earlier one waits for a tape. It lasts until its set has ended or waits for a person, so that the
 * next run never meets a running one. Ending the run never ends a set.
 */
export async function scheduledBackup({
  name,
  host,
}: Pick<ScheduleCall, 'name'> & { host?: string }): Promise<ScheduledRun> {
  const call: ScheduleCall = { name, runAt: workflowInfo().startTime.getTime() };
  const steps = scheduledSteps(ownQueues, host);
  const { earlierSets, openScheduledSet } = proxyActivities<SourceActivities>(steps.sources);
  const { settleSets } = proxyActivities<ArchiveActivities>({
    ...steps.long,
    cancellationType: ActivityCancellationType.TRY_CANCEL,
  });
  const before = await earlierSets(call);
  for (const set of before) await start(name, set);
  const earlier = before.length === 0 ? [] : await settleSets(before.map(({ setId }) => setId));
  const { notes, ...set } = await openScheduledSet(call, workflowInfo().runId);
  await start(name, set);
  const [settled] = await settleSets([set.setId]);
  const { status, reason } = settled ?? { status: 'running', reason: null };
  const run: ScheduledRun = { setId: set.setId, status, reason, earlier, notes };
  if (status === 'failed')
    throw ApplicationFailure.nonRetryable(
      english`The set ${set.setId} has failed: ${reason ?? ''}`,
      'SetFailed',
      run,
    );
  return run;
}

async function start(name: string, set: ScheduledSet): Promise<void> {
  const { setId, host, sources, pool, drive, places, scanned, paused, options, hook } = set;
  await startDetached(backupSet, {
    workflowId: backupWorkflowId(setId, ownInstallation),
    args: [
      {
        ...{ setId, pool, drive, options, cursor: 0, scanned, retry: false, paused },
        ...(host === undefined ? {} : { host }),
        ...(places === undefined ? {} : { places }),
        ...(hook === undefined ? {} : { hook }),
      },
    ],
    staticSummary: summaryText(`schedule ${name} → pool ${pool}: ${sources.join(' ')}`),
    typedSearchAttributes: firstAttributes({
      ...{ setId, sources, pool, drive },
      installation: ownInstallation,
    }),
  });
}
