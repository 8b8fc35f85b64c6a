import type { Attempt } from '../operations/attempt.js';
import type { Asked } from './asked.js';
import { type Condition, usualCondition } from './conditions.js';
import { RunningStep } from './running-step.js';
import { toApplicationFailure } from './step-failure.js';

/** Milliseconds between two heartbeats; the worker sends at most one a second. */
const heartbeatEveryMs = 1000;

/**
 * Runs the body of an activity with a heartbeat every second, and converts its failures for Temporal's retry policy:
 * the code becomes the type, and only transient failures are retried. Conditions of the machine are waited for here,
 * and the body is run again: like the activity, it is safe to repeat.
 *
 * A body that asks a drive or a source is left behind when it is to end and gets no answer: the attempt ends, and no
 * other step begins there before the body has ended too. What it does in the catalog by then is refused, as of a dead
 * process.
 */
export async function asAttempt<Result>(
  body: (attempt: Attempt) => Promise<Result>,
  condition: Condition = usualCondition,
  asks?: Asked,
): Promise<Result> {
  const step = new RunningStep(asks);
  const timer = setInterval(() => step.beat(), heartbeatEveryMs);
  try {
    // At once: a delayed start in a stopped process thus learns that another attempt has taken over.
    step.beat();
    return await step.run(body, condition);
  } catch (error) {
    if (step.isLeft) throw error;
    step.throwIfAborted();
    throw toApplicationFailure(error);
  } finally {
    clearInterval(timer);
  }
}

/** The same for a step that calls a drive. */
export function asDriveAttempt<Result>(
  asks: Asked,
  condition: Condition,
  body: (attempt: Attempt) => Promise<Result>,
): Promise<Result> {
  return asAttempt(body, condition, asks);
}
