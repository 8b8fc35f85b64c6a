import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from '@temporalio/client';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import { english } from '../../messages/sentence.js';
import { addAttributes, learnWithinMs, lookAgainMs, notAdded } from './attributes-at-server.js';
import { refused } from './connection-trouble.js';
import { grpc, grpcStatus, isRefusal } from './grpc-status.js';
import type { TemporalServer, TemporalTarget } from './temporal-target.js';

/** The failure for your own server without the configured namespace. */
function noNamespace({ address, namespace }: TemporalTarget): TapeflowFailure {
  return new TapeflowFailure(
    'NoNamespace',
    english`The Temporal server at ${address} has no namespace ${namespace}.`,
    { advice: english`Make it with \`tapeflow admin setup\`, or correct TEMPORAL_NAMESPACE.` },
  );
}

/** Throws a failure when the server has no such namespace, or does not let us in; other errors are passed on. */
export async function requireNamespace(
  connection: Pick<Connection, 'workflowService'>,
  target: TemporalTarget,
): Promise<void> {
  try {
    await connection.workflowService.describeNamespace({ namespace: target.namespace });
  } catch (error) {
    if (grpcStatus(error) === grpc.NOT_FOUND) throw noNamespace(target);
    throw isRefusal(error) ? refused(target, error) : error;
  }
}

/** Clients whose server knows our search attributes. */
const prepared = new WeakSet<TemporalServer['client']>();

/**
 * Adds our search attributes to the server if missing, and waits until it knows them. The embedded server is started
 * with them, but that only affects a namespace that it creates: one of an earlier version has fewer.
 */
export async function prepareServer({ client, target }: TemporalServer): Promise<void> {
  try {
    await addAttributes(client.connection, target);
    prepared.add(client);
  } catch (error) {
    if (error instanceof TapeflowFailure) throw error;
    throw grpcStatus(error) === grpc.NOT_FOUND ? noNamespace(target) : notAdded(target, error);
  }
}

/**
 * Starts something on a prepared server, preparing it first if necessary, and retries while the server does not know
 * our search attributes yet: in a new namespace that takes a few seconds.
 */
export async function startWhenReady<Result>(
  server: TemporalServer,
  start: () => Promise<Result>,
): Promise<Result> {
  if (!prepared.has(server.client)) await prepareServer(server);
  const deadline = performance.now() + learnWithinMs;
  for (;;) {
    try {
      return await start();
    } catch (error) {
      if (!isUnknownAttribute(error) || performance.now() > deadline) throw error;
      await sleep(lookAgainMs);
      // Its database may have been replaced meanwhile.
      await prepareServer(server);
    }
  }
}

function isUnknownAttribute(error: unknown): boolean {
  return (
    grpcStatus(error) === grpc.INVALID_ARGUMENT &&
    /no mapping defined for search attribute|search attribute \S+ is not defined/i.test(describeError(error))
  );
}
