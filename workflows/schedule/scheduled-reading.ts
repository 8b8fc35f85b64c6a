import {
  ActivityCancellationType,
  ApplicationFailure,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';
import type { ArchiveActivities } from '../../activities/index.js';
import type { SettledReading } from '../../activities/schedule/open-scheduled-reading.js';
import type { RetrievalStart } from '../../operations/retrievals/retrieval-start.js';
import type { ScheduleCall } from '../../operations/sets/scheduled-work.js';
import { retrievalWorkflowId } from '../workflow-ids.js';
import { ownInstallation, ownQueues } from '../proof/own-installation.js';
import { startDetached } from '../start-detached.js';
import { scheduledSteps } from './scheduled-run.js';
import { summaryText } from '../server-limits.js';
import { english } from '../../messages/sentence.js';

/**
 * One run of a schedule that verifies or copies tapes. It continues what an earlier run left, or starts its own verify
 * or copy, and lasts until that has ended or waits for a person; then it writes again what is damaged, if it may.
 * Ending the run does not end that.
 *
 * @returns null when there was nothing to do.
 */
export async function scheduledReading({ name }: Pick<ScheduleCall, 'name'>): Promise<SettledReading | null> {
  const steps = scheduledSteps(ownQueues);
  const { openScheduledReading, openScheduledRepair } = proxyActivities<ArchiveActivities>(steps.short);
  const { settleReading } = proxyActivities<ArchiveActivities>({
    ...steps.long,
    cancellationType: ActivityCancellationType.TRY_CANCEL,
  });
  const call: ScheduleCall = { name, runAt: workflowInfo().startTime.getTime() };
  const opened = await openScheduledReading(call);
  if (opened === null) return null;
  await start(name, opened);
  let run = await settleReading(opened.input.id);
  const repair =
    opened.repairs === true && run.status === 'incomplete' ? await openScheduledRepair(call, run.id) : null;
  if (repair !== null) {
    await start(name, repair);
    run = await settleReading(repair.input.id);
  }
  const { id, status, reason } = run;
  if (status === 'failed' || status === 'incomplete')
    throw ApplicationFailure.nonRetryable(
      status === 'failed'
        ? english`${id} has failed: ${reason ?? ''}`
        : english`${id} has ended incomplete: ${reason ?? ''}`,
      'ReadingFailed',
      run,
    );
  return run;
}

async function start(name: string, { workflow, input, summary }: RetrievalStart): Promise<void> {
  await startDetached(workflow, {
    workflowId: retrievalWorkflowId(input.id, ownInstallation),
    args: [input],
    staticSummary: summaryText(`schedule ${name}: ${summary}`),
  });
}
