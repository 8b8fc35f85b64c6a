import { CancellationScope, condition, isCancellation } from '@temporalio/workflow';

/**
 * Waits for something unless it is aborted: then the wait is cancelled and has ended when this returns.
 *
 * @returns the result of the wait; undefined when it was aborted first.
 */
export async function unlessCalledOff<Result>(
  isCalledOff: () => boolean,
  wait: () => Promise<Result>,
): Promise<Result | undefined> {
  const scope = new CancellationScope();
  const waiting = scope.run(wait);
  const calledOff = scope.run(() => condition(isCalledOff));
  try {
    await Promise.race([waiting, calledOff]);
  } finally {
    scope.cancel();
    await Promise.allSettled([waiting, calledOff]);
  }
  return waiting.catch((error: unknown) => {
    if (!isCalledOff() || !isCancellation(error)) throw error;
    return undefined;
  });
}
