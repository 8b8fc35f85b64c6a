import {
  CancellationScope,
  isCancellation,
  setCurrentDetails,
  type proxyActivities,
} from '@temporalio/workflow';
import type { DriveHostActivities } from '../activities/index.js';
import type { BackOff } from './back-off.js';
import { summaryText } from './server-limits.js';
import { outlivingWorkers } from './set-run.js';

type Host = ReturnType<typeof proxyActivities<DriveHostActivities>>;

/**
 * Waits for a person, at no cost: one activity watches the drive. Where that ends at once, and what it waited for is not there
 * all the same, the next wait begins with a pause.
 */
export async function waitForPerson(
  host: Host,
  id: string,
  reason: string,
  backOff: BackOff,
  watch: (summary: string) => Promise<void>,
): Promise<void> {
  setCurrentDetails(`**${id}** · waiting: ${reason}`);
  await host.recordRetrievalState(id, 'waiting_for_tape', reason);
  await backOff.pause(`again in a while: ${reason}`);
  await outlivingWorkers(() => watch(summaryText(reason)));
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
