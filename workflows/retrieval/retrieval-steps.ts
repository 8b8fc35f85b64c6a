import {
  CancellationScope,
  isCancellation,
  setCurrentDetails,
  setHandler,
  type proxyActivities,
} from '@temporalio/workflow';
import type { ArchiveActivities } from '../../activities/index.js';
import type { BackOff } from '../back-off.js';
import { summaryText } from '../server-limits.js';
import { cancelRetrievalUpdate } from '../messages.js';
import { rerunAfterWorkerDeath } from '../step-failures.js';
import { english } from '../../messages/sentence.js';

type Steps = ReturnType<typeof proxyActivities<ArchiveActivities>>;

/**
 * Waits for a person: a single activity watches the drive. If it ends at once but the condition is still not met, the
 * next wait begins with a pause.
 */
export async function waitForPerson(
  steps: Steps,
  id: string,
  reason: string,
  backOff: BackOff,
  watch: (summary: string) => Promise<void>,
): Promise<void> {
  setCurrentDetails(`**${id}** · waiting: ${reason}`);
  await steps.recordRetrievalState(id, 'waiting_for_tape', reason);
  await backOff.pause(`again in a while: ${reason}`);
  await rerunAfterWorkerDeath(() => watch(summaryText(reason)));
  await steps.recordRetrievalState(id, 'running', null);
}

/** Runs a retrieval until a command cancels it, which is recorded; null: it was cancelled. */
export async function untilCancelled<Result>(
  steps: Steps,
  id: string,
  run: () => Promise<Result>,
): Promise<Result | null> {
  const work = new CancellationScope();
  setHandler(cancelRetrievalUpdate, () => work.cancel(), { validator: () => undefined });
  try {
    return await work.run(run);
  } catch (error) {
    if (!isCancellation(error) || !work.consideredCancelled) throw error;
    await steps.recordRetrievalState(id, 'cancelled', english`by a command`);
    return null;
  }
}
