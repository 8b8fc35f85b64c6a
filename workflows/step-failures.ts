import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/workflow';
import { BackOff, shouldContinueAsNew } from './back-off.js';
import { maxDeaths } from './replay-contract.js';

/** The type of the ApplicationFailure inside an activity's failure. */
export function failureType(error: unknown): string | undefined {
  return error instanceof ActivityFailure && error.cause instanceof ApplicationFailure
    ? (error.cause.type ?? undefined)
    : undefined;
}

/** The details that a step attached to its failure. */
export function failureDetails(error: unknown): Record<string, unknown> {
  const details: unknown =
    error instanceof ActivityFailure && error.cause instanceof ApplicationFailure
      ? error.cause.details?.[0]
      : undefined;
  return typeof details === 'object' && details !== null ? { ...details } : {};
}

/** The sentence inside an activity's failure. */
export function failureReason(error: unknown): string {
  if (error instanceof ActivityFailure) return failureReason(error.cause);
  return error instanceof Error ? error.message : String(error);
}

/** True for a step that a worker shutdown ended in a run with a long history: it is left to the next run. */
export function isLeftToNextRun(error: unknown): boolean {
  return failureType(error) === 'WorkerShutdown';
}

/**
 * Runs a step, and reruns it when its attempts ended with dead workers, which say nothing about the step itself: a day
 * of crashes must not park a healthy group, and orderly shutdowns are no failures. See `isLeftToNextRun`.
 */
export async function rerunAfterWorkerDeath<Result>(step: () => Promise<Result>): Promise<Result> {
  const backOff = new BackOff();
  for (let deaths = 0; ;) {
    try {
      return await step();
    } catch (error) {
      const died = error instanceof ActivityFailure && error.cause instanceof TimeoutFailure;
      if (!died && (!isLeftToNextRun(error) || shouldContinueAsNew())) throw error;
      if (died) deaths += 1;
      if (deaths > maxDeaths) throw error;
      await backOff.pause('its worker has ended: again in a while');
    }
  }
}
