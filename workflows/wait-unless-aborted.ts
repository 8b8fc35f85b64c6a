import { CancellationScope, condition, isCancellation } from '@temporalio/workflow';

/**
 * Waits for something unless it is aborted: then the wait is cancelled and has ended when this returns.
 *
 * @returns the result of the wait; undefined when it was aborted first.
 */
export async function waitUnlessAborted<Result>(
  isAborted: () => boolean,
  wait: () => Promise<Result>,
): Promise<Result | undefined> {
  const scope = new CancellationScope();
  const waiting = scope.run(wait);
  const aborted = scope.run(() => condition(isAborted));
  try {
    await Promise.race([waiting, aborted]);
  } finally {
    scope.cancel();
    await Promise.allSettled([waiting, aborted]);
  }
  return waiting.catch((error: unknown) => {
    if (!isAborted() || !isCancellation(error)) throw error;
    return undefined;
  });
}
