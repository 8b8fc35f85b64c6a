import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from '@temporalio/client';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import { searchAttributes } from '../../workflows/messages.js';
import type { TemporalServer, TemporalTarget } from './temporal-target.js';

/** INDEXED_VALUE_TYPE_… of Temporal's API (`temporal/api/enums/v1/common.proto`). */
const indexedValueTypes = { KEYWORD: 2, KEYWORD_LIST: 7 } as const;
/** Milliseconds until all services of a server know newly added search attributes, which they reload periodically. */
const learnWithinMs = 30_000;
const lookAgainMs = 500;

/** Status codes of gRPC. */
const grpc = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  RESOURCE_EXHAUSTED: 8,
  UNAVAILABLE: 14,
} as const;

/** The gRPC status of a client error or its causes; undefined: there is none. */
function grpcStatus(error: unknown): number | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('code' in cause && typeof cause.code === 'number') return cause.code;
  return undefined;
}

/** True when a server did not answer or is overloaded: the same call may succeed later. */
export function isServerUnavailable(error: unknown): boolean {
  const { CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE } = grpc;
  const away: readonly number[] = [CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE];
  return away.includes(grpcStatus(error) ?? -1);
}

/** The failure for your own server without the configured namespace. */
function noNamespace({ address, namespace }: TemporalTarget): TapeflowFailure {
  return new TapeflowFailure(
    'NoNamespace',
    `The Temporal server at ${address} has no namespace ${namespace}.`,
    {
      advice: `Make it (\`temporal operator namespace create -n ${namespace}\`), or correct TEMPORAL_NAMESPACE.`,
    },
  );
}

/** Throws a failure when the server does not have the namespace; other errors are passed on. */
export async function requireNamespace(
  connection: Pick<Connection, 'workflowService'>,
  target: TemporalTarget,
): Promise<void> {
  try {
    await connection.workflowService.describeNamespace({ namespace: target.namespace });
  } catch (error) {
    throw grpcStatus(error) === grpc.NOT_FOUND ? noNamespace(target) : error;
  }
}

/** Clients whose server knows our search attributes. */
const prepared = new WeakSet<TemporalServer['client']>();

/**
 * Adds our search attributes to the server if missing, and waits until it knows them. The embedded server is started
 * with them, but that only affects a namespace that it creates: one of an earlier version has fewer.
 */
export async function prepareServer(server: TemporalServer): Promise<void> {
  const { client, target } = server;
  const { namespace } = target;
  const wanted = Object.fromEntries(
    Object.values(searchAttributes).map((attribute) => [
      attribute.name,
      attribute.type === 'KEYWORD_LIST' ? indexedValueTypes.KEYWORD_LIST : indexedValueTypes.KEYWORD,
    ]),
  );
  const { operatorService } = client.connection;
  const missing = async () => {
    const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
    return Object.fromEntries(
      Object.entries(wanted).filter(([name]) => customAttributes[name] === undefined),
    );
  };
  try {
    const deadline = performance.now() + learnWithinMs;
    let unknown = await missing();
    if (Object.keys(unknown).length === 0) {
      prepared.add(client);
      return;
    }
    await operatorService
      .addSearchAttributes({ namespace, searchAttributes: unknown })
      .catch(notThereAlready);
    while (Object.keys((unknown = await missing())).length > 0) {
      if (performance.now() > deadline)
        throw new Error(`it does not know ${Object.keys(unknown).join(', ')} yet`);
      await sleep(lookAgainMs);
    }
    prepared.add(client);
  } catch (error) {
    if (grpcStatus(error) === grpc.NOT_FOUND) throw noNamespace(target);
    throw new TapeflowFailure(
      'NoSearchAttributes',
      `The Temporal server at ${target.address} could not add tapeflow's search attributes: ${describeError(error)}.`,
      {
        advice:
          `Add them once as its administrator: ` +
          `${Object.keys(wanted).join(', ')} (TapeflowSource: KeywordList, the others Keyword).`,
        cause: error,
      },
    );
  }
}

/** Another command may have added them at the same moment. */
function notThereAlready(error: unknown): void {
  if (grpcStatus(error) !== grpc.ALREADY_EXISTS) throw error;
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
