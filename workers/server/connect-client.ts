import { setTimeout as sleep } from 'node:timers/promises';
import {
  Connection,
  defaultGrpcRetryOptions,
  makeGrpcRetryInterceptor,
  type ConnectionOptions,
} from '@temporalio/client';

/**
 * Connects a client that tries no call again once it is closed. As the SDK makes it, a call that is under way then is
 * tried on the closed channel when the server goes: that throws in a timer, where only the process can catch it, so
 * that a command could end with a stack trace at Ctrl-C. `close` waits until every call that was to be tried again has
 * been: six seconds at most, and only while the server does not answer.
 */
export async function connectClient(options: ConnectionOptions): Promise<Connection> {
  const usual = defaultGrpcRetryOptions();
  let isClosing = false;
  let nextTryAt = 0;
  const connection = await Connection.connect({
    ...options,
    interceptors: [
      makeGrpcRetryInterceptor({
        retryableDecider: (attempt, status) => !isClosing && usual.retryableDecider(attempt, status),
        delayFunction(attempt, status) {
          const wait = usual.delayFunction(attempt, status);
          nextTryAt = Math.max(nextTryAt, performance.now() + wait);
          return wait;
        },
      }),
    ],
  });
  const close = connection.close.bind(connection);
  connection.close = async () => {
    isClosing = true;
    // A timer may be late by one millisecond, never early.
    const wait = nextTryAt - performance.now();
    if (wait > 0) await sleep(wait + 1);
    await close();
  };
  return connection;
}
