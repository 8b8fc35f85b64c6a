import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionLike } from '@temporalio/client';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import { searchAttributes } from '../../workflows/messages.js';
import { english } from '../../messages/sentence.js';
import { grpc, grpcStatus, isRefusal, isServerUnavailable } from './grpc-status.js';
import type { TemporalTarget } from './temporal-target.js';

/** INDEXED_VALUE_TYPE_… of Temporal's API (`temporal/api/enums/v1/common.proto`), by its names for people. */
const valueTypes: Record<number, string> = {
  ...{ 1: 'Text', 2: 'Keyword', 3: 'Int', 4: 'Double', 5: 'Bool', 6: 'Datetime', 7: 'KeywordList' },
};
type AttributeType = 'Keyword' | 'KeywordList';
const numbers: Record<AttributeType, number> = { Keyword: 2, KeywordList: 7 };

/** Milliseconds until all services of a server know newly added search attributes, which they reload periodically. */
export const learnWithinMs = 30_000;
export const lookAgainMs = 500;

/** A search attribute of ours, and what a namespace has of that name; undefined: nothing. */
export interface AttributeAtServer {
  name: string;
  type: AttributeType;
  has: string | undefined;
}

/** Our search attributes, as a namespace has them. */
export async function attributesAtServer(
  { operatorService }: ConnectionLike,
  namespace: string,
): Promise<AttributeAtServer[]> {
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  return Object.values(searchAttributes).map(({ name, type }) => {
    const has = customAttributes[name] ?? undefined;
    return {
      name,
      type: type === 'KEYWORD_LIST' ? 'KeywordList' : 'Keyword',
      has: has === undefined ? undefined : (valueTypes[has] ?? `type ${has}`),
    };
  });
}

/**
 * Adds what a namespace lacks of our search attributes, and waits until it knows them. Throws a failure that says what
 * a person has to do when the server does not let us, or when one of that name has another type.
 *
 * @returns what was there before.
 */
export async function addAttributes(
  connection: ConnectionLike,
  target: TemporalTarget,
): Promise<AttributeAtServer[]> {
  const { namespace } = target;
  const before = await attributesAtServer(connection, namespace);
  requireTypes(before, target);
  let missing = before.filter(({ has }) => has === undefined);
  if (missing.length === 0) return before;
  const deadline = performance.now() + learnWithinMs;
  await connection.operatorService
    .addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map(({ name, type }) => [name, numbers[type]])),
    })
    .catch(notThereAlready);
  for (;;) {
    missing = (await attributesAtServer(connection, namespace)).filter(({ has }) => has === undefined);
    if (missing.length === 0) return before;
    if (performance.now() > deadline)
      throw new Error(english`it does not know ${missing.map(({ name }) => name).join(', ')} yet`);
    await sleep(lookAgainMs);
  }
}

/** Another command may have added them at the same moment. */
function notThereAlready(error: unknown): void {
  if (grpcStatus(error) !== grpc.ALREADY_EXISTS) throw error;
}

function requireTypes(
  attributes: readonly AttributeAtServer[],
  { address, namespace }: TemporalTarget,
): void {
  const wrong = attributes.filter(({ has, type }) => has !== undefined && has !== type);
  if (wrong.length === 0) return;
  throw new TapeflowFailure(
    'WrongSearchAttributes',
    english`In the namespace ${namespace} of the Temporal server at ${address}, ${wrongTypes(wrong)}.`,
    {
      advice: english`Use a namespace of its own for tapeflow (TEMPORAL_NAMESPACE), or have them removed
        there.`,
    },
  );
}

/** Which search attributes have another type than ours, as a part of a sentence. */
export function wrongTypes(wrong: readonly AttributeAtServer[]): string {
  return wrong
    .map(({ name, type, has }) => english`the search attribute ${name} is ${has ?? ''}, and must be ${type}`)
    .join('; ');
}

/** How an administrator of the server adds search attributes. */
function attributesByHand(
  attributes: readonly Pick<AttributeAtServer, 'name' | 'type'>[],
  { namespace }: Pick<TemporalTarget, 'namespace'>,
): string {
  const flags = attributes.map(({ name, type }) => `--name ${name} --type ${type}`).join(' ');
  return `\`temporal operator search-attribute create --namespace ${namespace} ${flags}\``;
}

/** The failure for a server that could not add them. */
export function notAdded(target: TemporalTarget, error: unknown): TapeflowFailure {
  const all = Object.values(searchAttributes).map(({ name, type }) => {
    return { name, type: type === 'KEYWORD_LIST' ? ('KeywordList' as const) : ('Keyword' as const) };
  });
  if (isServerUnavailable(error))
    return new TapeflowFailure(
      'ServerFailed',
      english`The Temporal server at ${target.address} did not say which search attributes it has:
        ${describeError(error)}.`,
      { advice: english`Run the command again when it answers.`, cause: error },
    );
  return new TapeflowFailure(
    'NoSearchAttributes',
    isRefusal(error)
      ? english`The Temporal server at ${target.address} does not let you add the search attributes that
        tapeflow needs: ${describeError(error)}.`
      : english`The Temporal server at ${target.address} could not add the search attributes that tapeflow
        needs: ${describeError(error)}.`,
    {
      advice: english`Its administrator adds them by \`tapeflow admin setup\`, or by
        ${attributesByHand(all, target)}.`,
      cause: error,
    },
  );
}
