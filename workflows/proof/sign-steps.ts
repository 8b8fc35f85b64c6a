import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import {
  uuid4,
  workflowInfo,
  type ActivityInput,
  type WorkflowOutboundCallsInterceptor,
} from '@temporalio/workflow';
import { noProof, type Step } from '../../proof/message-proof.js';
import { headerOf } from '../../proof/proof-header.js';
import { ownQueues } from './own-installation.js';
import { refused } from './refusals.js';
import type { RunProof } from './run-proof.js';

/** Name of the step that claims a start; all other steps wait for it. */
const claiming = 'claimStart';

/** An answer as stored in the history. */
interface ProvenAnswer {
  result?: unknown;
  proof?: unknown;
}

/**
 * Proves a run's requests and accepts only proven answers: whoever can reach the server can complete or fail any step
 * there. A run that gets a forged answer ends, and is resumed from the catalog.
 */
export function stepProofs(run: RunProof): WorkflowOutboundCallsInterceptor {
  const { prover } = run;
  return {
    async scheduleActivity(input, next) {
      if (input.activityType !== claiming) await run.claimed;
      const step = stepOf(input);
      const taskQueue = input.options.taskQueue ?? ownQueues.archive;
      const proof = prover.prove('step', { ...step, taskQueue }, input.args);
      const headers = { ...input.headers, ...headerOf({ kind: 'step', proof }) };
      try {
        const answer = (await next({ ...input, headers })) as ProvenAnswer | null | undefined;
        const proven =
          typeof answer?.proof === 'string' && prover.isProof(answer.proof, 'answer', step, answer.result);
        if (proven) return answer.result;
      } catch (error) {
        if (!isForged(run, step, error)) throw error;
      }
      const what = `The answer to ${step.activityType} of ${step.workflowId}`;
      return run.breakOff(refused('answer', what));
    },
    async startChildWorkflowExecution(input, next) {
      await run.claimed;
      const { workflowType, options } = input;
      const { workflowId, runId } = workflowInfo();
      const claim = { at: Date.now(), once: uuid4() };
      const place = {
        ...{ workflowType, ...claim },
        parent: { workflowId, runId },
        workflowId: options.workflowId,
        taskQueue: options.taskQueue ?? ownQueues.archive,
      };
      const proof = prover.prove('child', place, options.args);
      return next({
        ...input,
        headers: { ...input.headers, ...headerOf({ kind: 'child', proof, ...claim }) },
      });
    },
    async continueAsNew(input, next) {
      const { workflowId, runId } = workflowInfo();
      const { workflowType } = input.options;
      const place = {
        ...{ workflowId, workflowType },
        runBefore: runId,
        taskQueue: input.options.taskQueue ?? ownQueues.archive,
      };
      const proof = prover.prove('next', place, input.args);
      return next({ ...input, headers: { ...input.headers, ...headerOf({ kind: 'next', proof }) } });
    },
  };
}

function stepOf({ activityType, seq, options }: ActivityInput): Step {
  const { workflowId, runId } = workflowInfo();
  return { workflowId, runId, activityId: options.activityId ?? `${seq}`, activityType };
}

/**
 * True for a failure that a worker would have proven but that has no proof; others come from the server, such as
 * time-outs.
 */
function isForged({ prover }: RunProof, step: Step, error: unknown): boolean {
  if (!(error instanceof ActivityFailure) || !(error.cause instanceof ApplicationFailure)) return false;
  const { type, message, details } = error.cause;
  if (type === noProof) return true;
  const last: unknown = details?.at(-1);
  const proof = typeof last === 'object' && last !== null && 'proof' in last ? last.proof : undefined;
  const place = { ...step, failureType: type ?? '' };
  return typeof proof !== 'string' || !prover.isProof(proof, 'failure', place, message);
}
