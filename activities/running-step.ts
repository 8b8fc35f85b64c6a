import { CancelledFailure, Context } from '@temporalio/activity';
import { TapeflowFailure, describeError } from '../config/failures.js';
import { fenced } from '../catalog/sqlite/fence.js';
import { type Attempt, pauseFor } from '../operations/attempt.js';
import { english } from '../messages/sentence.js';
import {
  Silence,
  silentSince,
  waitsForLeft,
  trackDriveWork,
  type Asked,
  type Whom,
  type DriveWork,
} from './asked.js';
import { type Condition, usualCondition } from './conditions.js';
import { HeartbeatLease } from './heartbeat-lease.js';
import { MovedBytes } from './moved-bytes.js';

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

/** One attempt of an activity while it runs: what its heartbeat says, what it waits for, and whether it was left. */
export class RunningStep {
  private readonly context = Context.current();
  private readonly signal = this.context.cancellationSignal;
  private readonly lease = new HeartbeatLease(this.context.info.heartbeatTimeoutMs ?? Infinity);
  private readonly work: DriveWork;
  private readonly moved = new MovedBytes();
  private readonly silence: Silence | undefined;
  private readonly attempt: Attempt;
  private details: object | undefined;
  private waited: { details: object; until: number } | undefined;
  private leave: (error: Error) => void = () => undefined;

  constructor(private readonly asks: Asked | undefined) {
    const { info } = this.context;
    this.work = { name: info.activityType, heard: Date.now(), left: undefined };
    this.silence = asks === undefined ? undefined : new Silence(asks, this.work);
    this.attempt = {
      token: `${(info.workflowExecution?.runId ?? '').slice(0, 8)}-${info.activityId}-${info.attempt}`,
      signal: this.signal,
      throwIfCancelled: () => {
        this.throwIfAborted();
        this.lease.check();
      },
      report: (details) => {
        this.details = details;
        this.moved.tell(details);
        this.goOn();
      },
      commit: (step) => this.outlast(usualCondition, step),
    };
  }

  /** True when the body was left behind, because it is to end and gets no answer. */
  get isLeft(): boolean {
    return this.work.left !== undefined;
  }

  throwIfAborted(): void {
    const { aborted, reason } = this.signal as { aborted: boolean; reason: unknown };
    if (aborted) throw reason instanceof Error ? reason : new Error('cancelled');
  }

  /** Sends a heartbeat, and leaves the body behind when it has to end and nobody answers it. */
  beat(): void {
    this.lease.renew();
    this.leaveIfDeaf();
    // A waiting body calls no drive and has its own reason.
    if (this.waited !== undefined && Date.now() < this.waited.until) {
      this.context.heartbeat(this.waited.details);
      return;
    }
    const silent = this.silence?.of();
    const why = english`${silentSince(silent, this.work)}: it is busy with a long step, or hangs`;
    this.context.heartbeat(silent === undefined ? this.details : { ...this.details, why, stuck: true });
  }

  /** Runs the body, again and again while it meets the condition. */
  run<Result>(body: (attempt: Attempt) => Promise<Result>, condition: Condition): Promise<Result> {
    const { asks } = this;
    if (asks === undefined) return this.outlast(condition, (round) => body(this.attemptOf(round)));
    const tries = () =>
      this.outlast(condition, async (round) => {
        await this.untilNoneIsLeft(asks);
        return trackDriveWork(asks.at, this.work, () => body(this.attemptOf(round)));
      });
    const left = new Promise<never>((_resolve, reject) => (this.leave = reject));
    return Promise.race([fenced(() => this.throwIfLeft(), tries), left]);
  }

  /** Each round has a token of its own: what an earlier one left is not its work. */
  private attemptOf(round: number): Attempt {
    return round === 1 ? this.attempt : { ...this.attempt, token: `${this.attempt.token}.${round}` };
  }

  /** Repeats a step until it no longer meets the condition. */
  private async outlast<Result>(
    condition: Condition,
    step: (round: number) => Promise<Result>,
  ): Promise<Result> {
    for (let round = 1; ; round += 1) {
      try {
        return await step(round);
      } catch (error) {
        const why = condition(error);
        if (why === undefined || this.signal.aborted) throw error;
        if (round % triesPerWarning === 1)
          this.context.log.warn(`waiting: ${why}`, { error: describeError(error) });
        const wait = this.wait(why, this.details);
        await pauseFor(this.attempt, Math.min(round * conditionPauseMs, maxConditionPauseMs));
        this.work.heard = Date.now();
        // The condition usually still holds, as the next try will find.
        wait.until = this.work.heard + reasonStaysMs;
      }
    }
  }

  /** Waits for the end of a step that was left behind where this one is to begin. */
  private async untilNoneIsLeft(asks: Asked): Promise<void> {
    for (let left = asks.before?.(); left !== undefined; left = asks.before?.()) {
      this.wait(waitsForLeft(left));
      await pauseFor(this.attempt, lookAtLeftMs);
      this.goOn();
    }
  }

  private wait(why: string, details?: object): { details: object; until: number } {
    const wait = { details: { ...details, step: 'waiting', why, stuck: true }, until: Infinity };
    this.waited = wait;
    return wait;
  }

  private goOn(): void {
    this.waited = undefined;
    this.work.heard = Date.now();
  }

  private leaveIfDeaf(): void {
    const { asks, signal, work } = this;
    if (asks === undefined || !signal.aborted) return;
    const deaf = this.silence?.of(silenceLimit(asks, signal));
    if (deaf === undefined) return;
    work.left = deaf;
    asks.giveUp?.();
    this.leave(leftFailure(work, deaf, signal));
  }

  private throwIfLeft(): void {
    if (this.isLeft) throw leftBehind();
  }
}

/** True when the step was aborted because its worker shuts down. */
export function isShutDown({ aborted, reason }: AbortSignal): boolean {
  return aborted && reason instanceof Error && reason.message === 'WORKER_SHUTDOWN';
}

/** Milliseconds of silence after which a step that has to stop is abandoned. */
function silenceLimit({ answersWithinMs }: Asked, signal: AbortSignal): number {
  return isShutDown(signal) ? Math.min(answersWithinMs, maxShutdownMs) : answersWithinMs;
}

/** The failure of a step whose body is abandoned. Its sentence is for whoever cancelled it. */
function leftFailure(work: DriveWork, deaf: Whom, { reason }: AbortSignal): Error {
  const left = english`${silentSince(deaf, work)}: the step ${work.name} is left to end by itself`;
  return new CancelledFailure(reason instanceof Error ? reason.message : 'cancelled', [{ left }]);
}

/** The failure inside an abandoned body when it continues. */
function leftBehind(): TapeflowFailure {
  return new TapeflowFailure(
    'LeftBehind',
    english`This step was given up while its drive or its source did not answer.`,
    {
      kind: 'transient',
    },
  );
}
