import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from '@temporalio/client';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import { english } from '../../messages/sentence.js';
import { addAttributes, learnWithinMs, lookAgainMs, notAdded } from './attributes-at-server.js';
import { refused } from './connection-trouble.js';
import { grpc, grpcStatus, isRefusal } from './grpc-status.js';
import type { TemporalTarget } from './temporal-target.js';

/** Seconds for which a new namespace keeps what has ended, for the Temporal UI; the catalog keeps it for good. */
const defaultRetention = 30 * 86_400;

/** What `admin setup` has found and done. */
export interface SetUp {
  namespace: { name: string; outcome: 'made' | 'changed' | 'there'; retentionSeconds: number };
  attributes: { name: string; type: string; outcome: 'added' | 'there' }[];
}

/**
 * Makes the namespace, and adds our search attributes to it. What is there stays as it is, except for a `retention`
 * (seconds) that is asked for. Idempotent.
 */
export async function setUpServer(
  connection: Connection,
  target: TemporalTarget,
  retention: number | undefined,
): Promise<SetUp> {
  const namespace = await setUpNamespace(connection, target, retention);
  const attributes = await setUpAttributes(connection, target, namespace.outcome === 'made');
  return { namespace, attributes };
}

async function setUpNamespace(
  connection: Connection,
  target: TemporalTarget,
  retention: number | undefined,
): Promise<SetUp['namespace']> {
  const { namespace: name } = target;
  const has = await retentionOf(connection, target);
  if (has !== undefined) {
    if (retention === undefined || retention === has)
      return { name, outcome: 'there', retentionSeconds: has };
    await asked(target, 'update', retention, async () => {
      await connection.workflowService.updateNamespace({
        namespace: name,
        config: { workflowExecutionRetentionTtl: protoDuration(retention) },
      });
    });
    return { name, outcome: 'changed', retentionSeconds: retention };
  }
  const keeps = retention ?? defaultRetention;
  await asked(target, 'create', keeps, async () => {
    await connection.workflowService
      .registerNamespace({
        namespace: name,
        description: 'Backups to tape, by tapeflow',
        workflowExecutionRetentionPeriod: protoDuration(keeps),
      })
      .catch((error: unknown) => {
        // Another administrator was faster.
        if (grpcStatus(error) !== grpc.ALREADY_EXISTS) throw error;
      });
  });
  return { name, outcome: 'made', retentionSeconds: keeps };
}

/** Seconds for which a namespace keeps what has ended; undefined: there is no such namespace. */
async function retentionOf(connection: Connection, target: TemporalTarget): Promise<number | undefined> {
  try {
    const { config } = await connection.workflowService.describeNamespace({ namespace: target.namespace });
    return Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0);
  } catch (error) {
    if (grpcStatus(error) === grpc.NOT_FOUND) return undefined;
    throw isRefusal(error) ? refused(target, error) : error;
  }
}

/** `isNew`: the services of the server learn of a new namespace only after some seconds. */
async function setUpAttributes(
  connection: Connection,
  target: TemporalTarget,
  isNew: boolean,
): Promise<SetUp['attributes']> {
  const deadline = performance.now() + learnWithinMs;
  for (;;) {
    try {
      const before = await addAttributes(connection, target);
      return before.map(({ name, type, has }) => ({
        ...{ name, type },
        outcome: has === undefined ? 'added' : 'there',
      }));
    } catch (error) {
      const isEarly = isNew && grpcStatus(error) === grpc.NOT_FOUND && performance.now() < deadline;
      if (!isEarly) throw error instanceof TapeflowFailure ? error : notAdded(target, error);
      await sleep(lookAgainMs);
    }
  }
}

/** Asks the server for something that only its administrators may. Temporal's cloud does not know such calls at all. */
async function asked(
  { address, namespace }: TemporalTarget,
  command: 'create' | 'update',
  retention: number,
  ask: () => Promise<void>,
): Promise<void> {
  try {
    await ask();
  } catch (error) {
    const lacksRight = isRefusal(error) || grpcStatus(error) === grpc.UNIMPLEMENTED;
    throw new TapeflowFailure(
      lacksRight ? 'NotAdministrator' : 'ServerFailed',
      namespaceText(lacksRight, command, address, namespace, describeError(error)),
      {
        ...(lacksRight
          ? {
              advice: english`Its administrator does it, by \`tapeflow admin setup\` or by
                  \`temporal operator namespace ${command} --namespace ${namespace} --retention ${retention}s\`.`,
            }
          : {}),
        cause: error,
      },
    );
  }
}

/** What the server did not do for us, and why. */
function namespaceText(
  lacksRight: boolean,
  command: 'create' | 'update',
  address: string,
  namespace: string,
  why: string,
): string {
  if (command === 'create')
    return lacksRight
      ? english`The Temporal server at ${address} does not let you make the namespace ${namespace}: ${why}.`
      : english`The Temporal server at ${address} could not make the namespace ${namespace}: ${why}.`;
  return lacksRight
    ? english`The Temporal server at ${address} does not let you change the retention of the namespace
      ${namespace}: ${why}.`
    : english`The Temporal server at ${address} could not change the retention of the namespace
      ${namespace}: ${why}.`;
}

/** A duration of Google's protobuf types. */
function protoDuration(seconds: number): { seconds: Long } {
  return { seconds: seconds as unknown as Long };
}

/** The protobuf library takes a number for its 64-bit integers, and its types do not say so. */
type Long = NonNullable<
  NonNullable<
    Parameters<Connection['workflowService']['registerNamespace']>[0]['workflowExecutionRetentionPeriod']
  >['seconds']
>;
