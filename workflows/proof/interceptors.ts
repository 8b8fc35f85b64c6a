import type { WorkflowInterceptors } from '@temporalio/workflow';
import { messageChecks } from './check-messages.js';
import { RunProof } from './run-proof.js';
import { stepProofs } from './sign-steps.js';

/** What stands between every workflow and the server; bundled with the workflows. */
export function interceptors(): WorkflowInterceptors {
  const run = new RunProof();
  return { inbound: [messageChecks(run)], outbound: [stepProofs(run)] };
}
