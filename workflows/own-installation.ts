import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import { formerArchiveQueue, formerQueues, installationIn, queuesOf, type Queues } from './queues.js';

/** Short id of the installation that this workflow belongs to: its queue bears it, and only that one's workers poll it. */
export function ownInstallation(): string {
  const { taskQueue } = workflowInfo();
  const installation = installationIn(taskQueue);
  if (installation !== undefined) return installation;
  throw ApplicationFailure.nonRetryable(
    `The queue ${taskQueue} belongs to no installation of tapeflow.`,
    'WrongQueue',
  );
}

/** The queues of this workflow's installation. */
export function ownQueues(): Queues {
  return workflowInfo().taskQueue === formerArchiveQueue ? formerQueues : queuesOf(ownInstallation());
}
