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

/** Starts a child workflow unless it is running. The child goes on whatever becomes of its parent. */
export async function startDetached<Child extends Workflow>(
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
