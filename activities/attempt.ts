import { CancelledFailure, Context } from '@temporalio/activity';
import { TapeflowFailure, describeError } from '../config/failures.js';
import { fenced } from '../catalog/sqlite/fence.js';
import {
  Silence,
  silentSince,
  waitsForLeft,
  trackDriveWork,
  type Asked,
  type Whom,
  type DriveWork,
} from './asked.js';
import { type Attempt, pauseFor } from '../operations/attempt.js';
import { type Condition, catalogCondition } from './conditions.js';
import { Lease } from './heartbeat-lease.js';
import { toApplicationFailure } from './step-failure.js';

/** Milliseconds between two heartbeats; the worker sends at most one a second. */
const heartbeatEveryMs = 1000;
/** Maximum milliseconds before a step that met a condition is retried; shorter for the first tries. */
const conditionPauseMs = 1000;
const maxConditionPauseMs = 5000;
/**
 * Milliseconds for which the reason of a wait is still shown while the step is retried, so that the display does not
 * flicker.
 */
const reasonStaysMs = 5000;
/**
 * Maximum milliseconds for which a step that its worker's shutdown ends waits for an answer: less than
 * `shutdownForceTime`.
 */
const maxShutdownMs = 10_000;
/** Milliseconds between two checks whether a step that was left behind has ended. */
export const lookAtLeftMs = 500;
/** Tries between log lines about one condition: about a minute and a half. */
const triesPerWarning = 20;

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
  condition: Condition = catalogCondition,
  asks?: Asked,
): Promise<Result> {
  const context = Context.current();
  const { info, cancellationSignal: signal } = context;
  let details: object | undefined;
  let waited: { details: object; until: number } | undefined;
  const lease = new Lease(info.heartbeatTimeoutMs ?? Infinity);
  const work: DriveWork = { name: info.activityType, heard: Date.now(), left: undefined };
  const silence = asks === undefined ? undefined : new Silence(asks, work);
  const throwIfLeft = () => {
    if (work.left !== undefined) throw leftBehind();
  };
  let leave: (error: Error) => void = () => undefined;
  const beat = () => {
    lease.renew();
    const deaf = asks !== undefined && signal.aborted ? silence?.of(silenceLimit(asks, signal)) : undefined;
    if (deaf !== undefined) {
      work.left = deaf;
      asks?.giveUp?.();
      leave(leftFailure(work, deaf, signal));
    }
    // A waiting body calls no drive and has its own reason.
    if (waited !== undefined && Date.now() < waited.until) {
      context.heartbeat(waited.details);
      return;
    }
    const silent = silence?.of();
    const why = `${silentSince(silent, work)}: it is busy with a long step, or hangs`;
    context.heartbeat(silent === undefined ? details : { ...details, why, stuck: true });
  };
  const timer = setInterval(beat, heartbeatEveryMs);
  const throwIfAborted = () => {
    if (signal.aborted) throw signal.reason instanceof Error ? signal.reason : new Error('cancelled');
  };
  const token = `${(info.workflowExecution?.runId ?? '').slice(0, 8)}-${info.activityId}-${info.attempt}`;
  const outlast = async <R>(waitsFor: Condition, step: (round: number) => Promise<R>): Promise<R> => {
    for (let round = 1; ; round += 1) {
      try {
        return await step(round);
      } catch (error) {
        const why = waitsFor(error);
        if (why === undefined || signal.aborted) throw error;
        if (round % triesPerWarning === 1)
          context.log.warn(`waiting: ${why}`, { error: describeError(error) });
        const wait = { details: { ...details, step: 'waiting', why, stuck: true }, until: Infinity };
        waited = wait;
        await pauseFor(attempt, Math.min(round * conditionPauseMs, maxConditionPauseMs));
        work.heard = Date.now();
        // The condition usually still holds, as the next try will find.
        wait.until = work.heard + reasonStaysMs;
      }
    }
  };
  const attempt: Attempt = {
    token,
    signal,
    throwIfCancelled() {
      throwIfAborted();
      lease.check();
    },
    report(next) {
      details = next;
      waited = undefined;
      work.heard = Date.now();
    },
    commit: (step) => outlast(catalogCondition, step),
  };
  try {
    // At once: a delayed start in a stopped process thus learns that another attempt has taken over.
    beat();
    const tries = () =>
      outlast(condition, async (round) => {
        const own = round === 1 ? attempt : { ...attempt, token: `${token}.${round}` };
        if (asks === undefined) return body(own);
        for (let left = asks.before?.(); left !== undefined; left = asks.before?.()) {
          waited = { details: { step: 'waiting', why: waitsForLeft(left), stuck: true }, until: Infinity };
          await pauseFor(attempt, lookAtLeftMs);
          waited = undefined;
          work.heard = Date.now();
        }
        return trackDriveWork(asks.at, work, () => body(own));
      });
    if (asks === undefined) return await tries();
    const left = new Promise<never>((_resolve, reject) => (leave = reject));
    return await Promise.race([fenced(throwIfLeft, tries), left]);
  } catch (error) {
    if (work.left !== undefined) throw error;
    throwIfAborted();
    throw toApplicationFailure(error);
  } finally {
    clearInterval(timer);
  }
}

/** Milliseconds of silence after which a step that has to stop is abandoned. */
function silenceLimit({ answersWithinMs }: Asked, signal: AbortSignal): number {
  return isShutDown(signal) ? Math.min(answersWithinMs, maxShutdownMs) : answersWithinMs;
}

/** The failure of a step whose body is abandoned. Its sentence is for whoever cancelled it. */
function leftFailure(work: DriveWork, deaf: Whom, { reason }: AbortSignal): Error {
  const left = `${silentSince(deaf, work)}: the step ${work.name} is left to end by itself`;
  return new CancelledFailure(reason instanceof Error ? reason.message : 'cancelled', [{ left }]);
}

/** The failure inside an abandoned body when it continues. */
function leftBehind(): TapeflowFailure {
  return new TapeflowFailure(
    'LeftBehind',
    'This step was given up while its drive or its source did not answer.',
    {
      kind: 'transient',
    },
  );
}

/** The same for a step that calls a drive. */
export function asDriveAttempt<Result>(
  asks: Asked,
  condition: Condition,
  body: (attempt: Attempt) => Promise<Result>,
): Promise<Result> {
  return asAttempt(body, condition, asks);
}

/** True when the step was aborted because its worker shuts down. */
export function isShutDown({ aborted, reason }: AbortSignal): boolean {
  return aborted && reason instanceof Error && reason.message === 'WORKER_SHUTDOWN';
}
