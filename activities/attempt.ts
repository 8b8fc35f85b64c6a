import { ApplicationFailure, Context } from '@temporalio/activity';
import { TapeflowFailure, describeError, systemErrorCode } from '../config/failures.js';

/** One attempt of an activity, captured before any callback runs outside its context. */
export interface Attempt {
  /** Unique over all attempts of all runs; `.part` files and catalog rows are named after it. */
  token: string;
  /** Aborted when the server has given the attempt up, or the worker shuts down. */
  signal: AbortSignal;
  /** Throws when the attempt must stop. Cheap: asked for every chunk. */
  throwIfCancelled(): void;
  /** What the next heartbeat tells: progress for people, never read back by any step. */
  report(details: unknown): void;
}

/** Milliseconds between two heartbeats; the worker sends at most one a second. */
const heartbeatEveryMs = 1000;

/**
 * Runs the body of an activity with a heartbeat every second, and turns its failures into ones that Temporal's retry
 * policy understands: the failure's code becomes the type, and only transient ones are tried again.
 */
export async function asAttempt<Result>(body: (attempt: Attempt) => Promise<Result>): Promise<Result> {
  const context = Context.current();
  const { info, cancellationSignal: signal } = context;
  let details: unknown;
  const beat = () => context.heartbeat(details);
  const timer = setInterval(beat, heartbeatEveryMs);
  const attempt: Attempt = {
    token: `${(info.workflowExecution?.runId ?? '').slice(0, 8)}-${info.activityId}-${info.attempt}`,
    signal,
    throwIfCancelled() {
      if (signal.aborted) throw signal.reason instanceof Error ? signal.reason : new Error('cancelled');
    },
    report(next) {
      details = next;
    },
  };
  try {
    beat();
    return await body(attempt);
  } catch (error) {
    attempt.throwIfCancelled();
    throw toApplicationFailure(error);
  } finally {
    clearInterval(timer);
  }
}

/** The ApplicationFailure of any error; its message is a sentence without a stack. */
export function toApplicationFailure(error: unknown): unknown {
  if (error instanceof TapeflowFailure) {
    return ApplicationFailure.create({
      type: error.code,
      message: error.sentence,
      nonRetryable: error.kind !== 'transient',
      details: [error.details],
    });
  }
  const code = systemErrorCode(error);
  if (error instanceof Error && code !== undefined && error.name !== 'ApplicationFailure') {
    const where = 'path' in error && typeof error.path === 'string' ? `${error.path}: ` : '';
    return ApplicationFailure.create({
      type: code,
      message: `${where}${describeError(error)}`,
      nonRetryable: false,
    });
  }
  return error;
}

/** Waits some milliseconds, or until the attempt is cancelled: then it throws. */
export async function pause(attempt: Attempt, ms: number): Promise<void> {
  attempt.throwIfCancelled();
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      attempt.signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    attempt.signal.addEventListener('abort', done);
  });
  attempt.throwIfCancelled();
}
