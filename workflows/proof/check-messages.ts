import {
  CancellationScope,
  workflowInfo,
  type UpdateInput,
  type WorkflowExecuteInput,
  type WorkflowInboundCallsInterceptor,
} from '@temporalio/workflow';
import type { StartClaim } from '../../catalog/server/claimed-starts.js';
import { ownQueues } from './own-installation.js';
import { noteRefusal, refused } from './refusals.js';
import { proofIn, type RunProof } from './run-proof.js';
import { scheduledRun } from '../schedule/scheduled-run.js';

/**
 * Makes a run obey only messages from its installation. A cancellation at the server cannot carry a proof, so none is
 * obeyed: our own are updates. Queries are answered for everybody: they only show what is in the history.
 */
export function messageChecks(run: RunProof): WorkflowInboundCallsInterceptor {
  return {
    async execute(input, next) {
      const { workflowType, workflowId } = workflowInfo();
      const claim = provenStart(run, input);
      if (claim === undefined) throw refused('start', `The start of ${workflowType} ${workflowId}`);
      if (claim !== 'claimed') run.claim(claim);
      CancellationScope.current().cancelRequested.catch(() => {
        noteRefusal('cancel', `The cancellation of ${workflowType} ${workflowId} at the server`);
      });
      // It registers its handlers at once, even before its start is claimed.
      return Promise.race([run.broken, CancellationScope.nonCancellable(() => next(input))]);
    },
    validateUpdate(input, next) {
      requireUpdate(run, input);
      next(input);
    },
    async handleUpdate(input, next) {
      requireUpdate(run, input);
      return next(input);
    },
    // We use no signals.
    async handleSignal({ signalName }) {
      noteRefusal('signal', `The signal ${signalName}`);
    },
  };
}

/** What the start has to claim in the catalog; `claimed`: the previous run did; undefined: it is not proven. */
function provenStart(
  run: RunProof,
  { args, headers }: WorkflowExecuteInput,
): StartClaim | 'claimed' | undefined {
  const { workflowId, runId, workflowType, parent, continuedFromExecutionRunId } = workflowInfo();
  const { kind, proof = '', at = NaN, once = '' } = proofIn(headers) ?? {};
  const names = { workflowType, taskQueue: ownQueues.archive };
  const claim = { workflowId, runId };
  if (kind === 'next') {
    if (continuedFromExecutionRunId === undefined) return undefined;
    const place = { ...names, workflowId, runBefore: continuedFromExecutionRunId };
    return run.prover.isProof(proof, 'next', place, args) ? 'claimed' : undefined;
  }
  if (kind === 'command') {
    const place = { ...names, workflowId, at, once };
    return run.prover.isProof(proof, 'command', place, args) ? { ...claim, at, once } : undefined;
  }
  if (kind === 'child') {
    if (parent === undefined) return undefined;
    const by = { workflowId: parent.workflowId, runId: parent.runId };
    const place = { ...names, parent: by, workflowId, at, once };
    return run.prover.isProof(proof, 'child', place, args) ? { ...claim, at, once } : undefined;
  }
  if (kind === 'schedule') {
    const due = scheduledRun(workflowId);
    const [call] = args as [{ name?: unknown } | undefined];
    if (due === undefined || typeof call?.name !== 'string') return undefined;
    const place = { ...names, workflowId: due.scheduleWorkflowId };
    return run.prover.isProof(proof, 'schedule', place, args)
      ? { ...claim, schedule: call.name, at: due.at }
      : undefined;
  }
  return undefined;
}

function requireUpdate(run: RunProof, { name, updateId, args, headers }: UpdateInput): void {
  const { workflowId, runId } = workflowInfo();
  const { kind, proof = '' } = proofIn(headers) ?? {};
  const place = { workflowId, runId, name, once: updateId };
  if (kind !== 'update' || !run.prover.isProof(proof, 'update', place, args))
    throw refused('update', `The update ${name} of ${workflowId}`);
}
