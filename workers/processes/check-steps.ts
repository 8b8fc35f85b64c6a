import type { Context } from '@temporalio/activity';
import {
  ApplicationFailure,
  CancelledFailure,
  defaultPayloadConverter,
  ensureApplicationFailure,
} from '@temporalio/common';
import type { ActivityInterceptorsFactory, InjectedSinks } from '@temporalio/worker';
import { isShutDown } from '../../activities/running-step.js';
import { noProof, proofHeader, Prover, readHeader, type Step } from '../../proof/message-proof.js';
import type { RefusalSinks } from '../../workflows/proof/refusals.js';
import type { RefusalLog } from './refusal-log.js';

/** Runs only steps requested by a workflow of this installation, and proves their answers. */
export function stepChecks(key: string, refusals: Pick<RefusalLog, 'note'>): ActivityInterceptorsFactory {
  const prover = new Prover(key);
  return ({ info, cancellationSignal }: Context) => ({
    inbound: {
      async execute(input, next) {
        const { activityId, activityType, taskQueue } = info;
        const { workflowId, runId } = info.workflowExecution ?? { workflowId: '', runId: '' };
        const step: Step = { workflowId, runId, activityId, activityType };
        if (
          !prover.isProof(proofOf(input.headers[proofHeader]), 'step', { ...step, taskQueue }, input.args)
        ) {
          const what = `The step ${activityType} of ${workflowId}`;
          refusals.note('step', what, { workflowId, runId });
          throw ApplicationFailure.nonRetryable(
            `${what} has no proof that it comes from this installation, whose ` +
              `commands and workers have the same message.key in their data folder.`,
            noProof,
          );
        }
        try {
          const result = await next(input);
          return { result, proof: prover.prove('answer', step, result) };
        } catch (error) {
          const isOwn = error instanceof ApplicationFailure;
          if (isOwn && error.type === noProof) refusals.note('step', error.message, { workflowId, runId });
          // The SDK's own failure has no proof, and after the last attempt the run would treat it as forged.
          if (isShutDown(cancellationSignal) && isCounted(info.retryPolicy?.maximumAttempts))
            throw proven(prover, step, endedByShutdown());
          if (!isOwn && (cancellationSignal.aborted || error instanceof CancelledFailure)) throw error;
          throw proven(prover, step, error);
        }
      },
    },
  });
}

/** True for a step with limited attempts: an attempt ended by a shutdown must not count. */
function isCounted(attempts = 0): boolean {
  return attempts > 0 && Number.isFinite(attempts);
}

/** Ends the step, so that the workflow starts it again with all its attempts: `rerunAfterWorkerDeath`. */
function endedByShutdown(): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'WorkerShutdown',
    message: 'Its worker was shut down.',
    nonRetryable: true,
  });
}

function proofOf(payload: Parameters<typeof defaultPayloadConverter.fromPayload>[0] | undefined): string {
  if (payload === undefined) return '';
  try {
    const header = readHeader(defaultPayloadConverter.fromPayload(payload));
    return header?.kind === 'step' ? header.proof : '';
  } catch {
    return '';
  }
}

/**
 * The same failure with a proof appended to its details, since anybody could tell the server that a step has failed.
 */
function proven(prover: Prover, step: Step, error: unknown): ApplicationFailure {
  const failure = ensureApplicationFailure(error);
  const { message, type, nonRetryable, details, cause } = failure;
  const proof = prover.prove('failure', { ...step, failureType: type ?? '' }, message);
  const same = ApplicationFailure.create({
    ...{ message, nonRetryable: nonRetryable ?? false, details: [...(details ?? []), { proof }] },
    ...(type == null ? {} : { type }),
    ...(cause === undefined ? {} : { cause }),
  });
  if (failure.stack !== undefined) same.stack = failure.stack;
  return same;
}

/** Receives refused messages from workflows; not during replay. */
export function refusalSinks(refusals: Pick<RefusalLog, 'note'>): InjectedSinks<RefusalSinks> {
  return {
    refusals: {
      note: {
        fn: ({ workflowId, runId }, kind, what) => refusals.note(kind, what, { workflowId, runId }),
        callDuringReplay: false,
      },
    },
  };
}
