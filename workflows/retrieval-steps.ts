import {
  CancellationScope,
  isCancellation,
  setCurrentDetails,
  type proxyActivities,
} from '@temporalio/workflow';
import type { DriveHostActivities } from '../activities/index.js';
import { outlivingWorkers } from './set-run.js';

/** Events after which the run of a retrieval continues as new: all that it knows is in the catalog. */
export const eventsPerRun = 3000;

type Host = ReturnType<typeof proxyActivities<DriveHostActivities>>;

/** Waits for a person, at no cost: one activity watches the drive. */
export async function waitForPerson(
  host: Host,
  id: string,
  reason: string,
  watch: (summary: string) => Promise<void>,
): Promise<void> {
  setCurrentDetails(`**${id}** · waiting: ${reason}`);
  await host.recordRetrievalState(id, 'waiting_for_tape', reason);
  await outlivingWorkers(() => watch(reason.slice(0, 180)));
  await host.recordRetrievalState(id, 'running', null);
}

/** Runs a retrieval, and writes down when it is cancelled. */
export async function untilCancelled<Result>(
  host: Host,
  id: string,
  run: () => Promise<Result>,
): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    if (isCancellation(error))
      await CancellationScope.nonCancellable(() =>
        host.recordRetrievalState(id, 'cancelled', 'cancelled by a command'),
      );
    throw error;
  }
}
