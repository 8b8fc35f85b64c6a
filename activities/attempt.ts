import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';
import { catalogFailure, isCatalogOutOfReach } from '../catalog/catalog-failure.js';
import { TapeflowFailure, describeError, systemErrorCode } from '../config/failures.js';
import { fenced } from '../catalog/fence.js';
import { SideError, type Side } from '../config/sides.js';
import { Silence, silentSince, waitsForLeft, working, type Asked, type Whom, type Work } from './asked.js';

/** One attempt of an activity, captured before any callback runs outside its context. */
export interface Attempt {
  /**
   * Unique over all attempts of all runs, and over the runs of a body; `.part` files and catalog rows are named after
   * it.
   */
  token: string;
  /** Aborted when the server has given the attempt up, or the worker shuts down. */
  signal: AbortSignal;
  /** Throws when the attempt must stop: the server has given it up, or must have. Cheap: asked for every chunk. */
  throwIfCancelled(): void;
  /** What the next heartbeat tells: progress for people, never read back by any step. */
  report(details: object): void;
  /**
   * Runs a step in the catalog, and again when the catalog was out of reach: for a commit after long work, which would
   * else begin anew. The step must be one transaction.
   */
  commit<Result>(step: () => Promise<Result>): Promise<Result>;
}

/**
 * Says why an error is a condition of the machine that time or a person mends; undefined when it is the step's own.
 * Such a condition is waited for, as long as it lasts: it uses up no attempts and parks nothing.
 */
export type Condition = (error: unknown) => string | undefined;

/** The catalog is out of reach: busy, its disk full, failing or read-only; never damage. */
export const catalogCondition: Condition = (error) => {
  if (!isCatalogOutOfReach(error)) return undefined;
  const failure = catalogFailure(error, 'of this installation');
  return failure instanceof TapeflowFailure ? failure.message : describeError(error);
};

/** The same, or another drive is at work on the same tape: two paths lead to it, and one at a time writes. */
export const driveCondition: Condition = (error) =>
  error instanceof TapeflowFailure && error.code === 'TapeBusy' ? error.message : catalogCondition(error);

/** Milliseconds between two heartbeats; the worker sends at most one a second. */
const heartbeatEveryMs = 1000;
/** Milliseconds before a step that met a condition is tried again: as many as the tries so far, up to the second. */
const conditionPauseMs = 1000;
const mostConditionPauseMs = 5000;
/** Milliseconds for which the reason of a wait still shows while the step is tried again: no display is to flicker. */
const reasonStaysMs = 5000;
/**
 * Most milliseconds for which a step that its worker's shutdown ends waits for an answer: less than
 * `shutdownForceTime`.
 */
const mostShutdownMs = 10_000;
/** Milliseconds between two looks whether a step that was left behind has ended. */
export const lookAtLeftMs = 500;
/** Tries between two log lines about one condition: about a minute and a half. */
const triesPerWarning = 20;

/**
 * The time for which the server believes in an attempt without a heartbeat. A process that was stopped for longer and
 * goes on hears of its abort only some milliseconds later; by its own clock it knows at once.
 */
class Lease {
  private renewedAt = performance.now();
  private lapsed = false;

  constructor(private readonly ms: number) {}

  renew(): void {
    const now = performance.now();
    this.lapsed ||= now - this.renewedAt > this.ms;
    this.renewedAt = now;
  }

  check(): void {
    if (!this.lapsed && performance.now() - this.renewedAt <= this.ms) return;
    this.lapsed = true;
    throw new TapeflowFailure(
      'AttemptLapsed',
      `The process was stopped for longer than the heartbeat timeout of ${this.ms / 1000} s.`,
      { kind: 'transient' },
    );
  }
}

/**
 * Runs the body of an activity with a heartbeat every second, and turns its failures into ones that Temporal's retry
 * policy understands: the failure's code becomes the type, and only transient ones are tried again. A condition of the
 * machine is waited for here, and the body run again: it is safe to repeat, like the activity.
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
  const work: Work = { name: info.activityType, heard: Date.now(), left: undefined };
  const silence = asks === undefined ? undefined : new Silence(asks, work);
  const throwIfLeft = () => {
    if (work.left !== undefined) throw leftBehind();
  };
  let leave: (error: Error) => void = () => undefined;
  const beat = () => {
    lease.renew();
    const deaf = asks !== undefined && signal.aborted ? silence?.of(mostSilence(asks, signal)) : undefined;
    if (deaf !== undefined) {
      work.left = deaf;
      asks?.giveUp?.();
      leave(leftFailure(work, deaf, signal));
    }
    // What waits for a person, or for time, asks nobody, and has its own reason.
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
        await pause(attempt, Math.min(round * conditionPauseMs, mostConditionPauseMs));
        work.heard = Date.now();
        // What it waited for is mostly there still, as the next try finds after a moment.
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
    // At once: a start that waited in a process that was stopped is thus told that another attempt has its step by now.
    beat();
    const tries = () =>
      outlast(condition, async (round) => {
        const own = round === 1 ? attempt : { ...attempt, token: `${token}.${round}` };
        if (asks === undefined) return body(own);
        for (let left = asks.before?.(); left !== undefined; left = asks.before?.()) {
          waited = { details: { step: 'waiting', why: waitsForLeft(left), stuck: true }, until: Infinity };
          await pause(attempt, lookAtLeftMs);
          waited = undefined;
          work.heard = Date.now();
        }
        return working(asks.at, work, () => body(own));
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

/** The milliseconds of silence after which a step that is to end is left behind. */
function mostSilence({ answersWithinMs }: Asked, signal: AbortSignal): number {
  return isShutDown(signal) ? Math.min(answersWithinMs, mostShutdownMs) : answersWithinMs;
}

/** What a step says of which the body is left behind. Its sentence is for whoever has cancelled it. */
function leftFailure(work: Work, deaf: Whom, { reason }: AbortSignal): Error {
  const left = `${silentSince(deaf, work)}: the step ${work.name} is left to end by itself`;
  return new CancelledFailure(reason instanceof Error ? reason.message : 'cancelled', [{ left }]);
}

/** What the body meets that was left behind, when it goes on. */
function leftBehind(): TapeflowFailure {
  return new TapeflowFailure(
    'LeftBehind',
    'This step was given up while its drive or its source did not answer.',
    {
      kind: 'transient',
    },
  );
}

/** The same for a step that asks a drive. */
export function inDrive<Result>(
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

const typeOfSide: Record<Side, string> = {
  source: 'SourceFailed',
  staging: 'StagingFailed',
  tape: 'TapeFailed',
  target: 'TargetFailed',
  catalog: 'DataFolderFailed',
};

const nameOfSide: Record<Side, string> = {
  source: 'the source',
  staging: 'staging',
  tape: 'the tape',
  target: 'the target',
  catalog: 'the data folder',
};

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
  if (error instanceof SideError) {
    const where = error.path === undefined ? '' : ` at ${error.path}`;
    return ApplicationFailure.create({
      type: typeOfSide[error.side],
      message: `An error of ${nameOfSide[error.side]}${where}: ${describeError(error)}.`,
      nonRetryable: false,
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
