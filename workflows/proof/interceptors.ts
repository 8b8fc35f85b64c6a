import type { WorkflowInterceptors } from '@temporalio/workflow';
import { messageChecks } from './check-messages.js';
import { RunProof } from './run-proof.js';
import { stepProofs } from './sign-steps.js';

/** The interceptors of all workflows; bundled with them. */
export function interceptors(): WorkflowInterceptors {
  const run = new RunProof();
  return { inbound: [messageChecks(run)], outbound: [stepProofs(run)] };
}
