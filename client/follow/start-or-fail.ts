import { catalogFailure, isCatalogOutOfReach } from '../../catalog/catalog-failure.js';
import type { SetRow } from '../../catalog/rows.js';
import { recordSetState, reopenSet } from '../../catalog/sets/set-states.js';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import { isServerUnavailable } from '../../workers/server/grpc-status.js';
import { startSet } from '../../workers/starts/start-set.js';
import type { Session } from '../session.js';
import type { Server } from '../server.js';
import { english } from '../../messages/sentence.js';

/**
 * Starts a set's workflow. If the server refuses it, the set is `failed`, with the server's reason; if the server is
 * unreachable, the set stays unfinished and is started when the server answers; so it is with the catalog.
 */
export async function startOrFail(
  session: Session,
  server: Server,
  set: SetRow,
  run: { retry: boolean },
): Promise<void> {
  try {
    await startSet(server, await session.catalog(), set, run);
  } catch (error) {
    if (isCatalogOutOfReach(error)) throw notStarted(session, server, set, error);
    if (error instanceof TapeflowFailure) throw error;
    const reason = describeError(error);
    if (isServerUnavailable(error)) {
      throw new TapeflowFailure(
        'NoTemporalServer',
        english`The set ${set.id} could not be started, because the Temporal server
          at ${server.target.address} does not answer: ${reason}.`,
        { advice: english`Workers start it automatically when it does.`, cause: error },
      );
    }
    await recordSetState(await session.catalog(), set.id, 'failed', english`could not be started: ${reason}`);
    throw new TapeflowFailure('SetNotStarted', english`The set ${set.id} could not be started: ${reason}.`, {
      advice: english`\`tapeflow retry ${set.id}\` tries again.`,
      cause: error,
    });
  }
}

/** The catalog is out of reach while a set is started that it knows: who starts it later depends on who runs then. */
function notStarted({ settings }: Session, server: Server, { id }: SetRow, error: unknown): TapeflowFailure {
  const failure = catalogFailure(error, settings.CATALOG_URL);
  const isTold = failure instanceof TapeflowFailure;
  const why = isTold ? failure.message : `${describeError(failure)}.`;
  const { lease, isLookedAfter } = server;
  const workersStay = (lease === undefined || lease.stays()) && isLookedAfter;
  const code = isTold ? failure.code : 'CatalogBusy';
  return new TapeflowFailure(code, english`The set ${id} is made, but could not be started: ${why}`, {
    kind: 'transient',
    advice: workersStay
      ? english`The workers start it by themselves when the catalog can be used again.`
      : english`No workers stay that would start it: the next \`tapeflow up\` or \`tapeflow backup\` does.`,
    cause: error,
  });
}

/** The same for a set that had begun before, whatever state it was in. */
export async function beginAgain(
  session: Session,
  server: Server,
  set: SetRow,
  run: { retry: boolean },
): Promise<void> {
  const state = set.scanned === 1 ? 'running' : 'scanning';
  await reopenSet(await session.catalog(), set.id, state);
  await startOrFail(session, server, { ...set, state }, run);
}
