import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  CancellationScope,
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  startChild,
  type ChildWorkflowOptions,
  type Workflow,
  type WithWorkflowArgs,
} from '@temporalio/workflow';

/** Starts what a schedule's run begins, unless it runs. It is its own: whatever becomes of the run leaves it alone. */
export async function startOnItsOwn<Child extends Workflow>(
  child: Child | string,
  options: WithWorkflowArgs<Child, ChildWorkflowOptions>,
): Promise<void> {
  try {
    await CancellationScope.nonCancellable(() =>
      startChild(child as string, {
        ...options,
        parentClosePolicy: ParentClosePolicy.ABANDON,
        cancellationType: ChildWorkflowCancellationType.ABANDON,
      }),
    );
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}
