import { stateWord } from '../../../catalog/schema/state-words.js';
import type { Command } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  cancelledReason,
  recordCancelled,
  releaseStaging,
  retryCancelled,
} from '../../../operations/sets/cancel-set.js';
import { finalSetStates } from '../../../catalog/schema/set-tables.js';
import { summarizeSet } from '../../../catalog/sets/set-summary.js';
import { purgeErased } from '../../../catalog/tapes/purge-erased.js';
import { setNamed } from '../../../catalog/sets/sets.js';
import type { SetRow } from '../../../catalog/rows.js';
import { TapeflowFailure } from '../../../config/failures.js';
import { cancelUpdate } from '../../../workflows/messages.js';
import { formatCount } from '../../../config/counts.js';
import { cancelRetrieval } from '../../follow/cancel-retrieval.js';
import { finalRetrievalStates, isRetrievalId } from '../../../catalog/retrievals/retrievals.js';
import { endVerifyOf } from '../../../catalog/sets/end-verify.js';
import { inSession, type Session } from '../../session.js';
import { isRunning, thenClose, type Server } from '../../server.js';
import { retireLegacyWorkflow } from '../../../workers/server/legacy-workflow.js';
import { endIfStuck } from '../../follow/set-health.js';
import { hasEnded } from '../../follow/watchdog.js';
import { endedFailure, serverToTell, tellState, updateSet } from '../../follow/tell-set.js';
import { english } from '../../../messages/sentence.js';
import { shown, t } from '../../../messages/shown.js';

/** `cancel SET`: ends a set, or the verify at its end; or a restore, a verify or a copy. */
export function addCancel(program: Command): void {
  program
    .command('cancel')
    .argument('<set>', 'the set')
    .option('--discard', 'delete what is staged and not on tape yet')
    .action((id: string, { discard }: { discard?: boolean }, command: Command) =>
      inSession(command, (session) =>
        isRetrievalId(id) ? cancelRetrieval(session, id) : cancel(session, id, discard === true),
      ),
    );
}

/** Milliseconds to wait until a cancelled set has recorded its end, in addition to a drive's answer time. */
const cancelTimeoutMs = 60_000;

/** Ends a set, and says what became of it; what was on tape stays. `discard`: what is staged is deleted. */
export async function cancel(session: Session, setId: string, discard: boolean): Promise<void> {
  const set = await setNamed(await session.catalog(), setId);
  if (finalSetStates.includes(set.state)) {
    const verify = discard ? undefined : await endVerifyOf(await session.catalog(), set);
    if (verify !== undefined && !finalRetrievalStates.includes(verify.state)) {
      await cancelRetrieval(session, verify.id);
      session.say(t`The set ${setId} stays ${stateWord(set.state)}.`);
      return;
    }
    if (!discard || !isParked(set)) throw endedFailure(set);
    await discardParked(session, setId);
  } else {
    const isTooLate = await cancelUnfinished(session, set, discard);
    // A `cancel` before this one may have been heard only now, and may have kept what is staged.
    if (isTooLate && discard && isParked(await setNamed(await session.catalog(), setId)))
      await discardParked(session, setId);
  }
  const summary = await summarizeSet(await session.catalog(), setId);
  const { status, reason, archives } = summary;
  if (reason === retryCancelled) {
    const state = stateWord(status);
    tellState(session, setId, status, t`The retry of set ${setId} is cancelled: it is ${state}, as before.`);
    return;
  }
  if (status !== 'cancelled') {
    // Its end was recorded before the command reached it.
    throw new TapeflowFailure(
      'SetHasEnded',
      english`The set ${setId} was not cancelled: it had ended before, and is ${stateWord(status)}.`,
    );
  }
  const onTape = formatCount(archives, 'archive is', 'archives are');
  const isDiscarded = reason?.startsWith(cancelledReason(true)) === true;
  const sentence = isDiscarded
    ? t`Set ${setId} is cancelled; ${onTape} on tape. What was staged is deleted.`
    : t`Set ${setId} is cancelled; ${onTape} on tape. What is staged is kept; \`retry\` goes on with it.`;
  const left = leftSentence(reason, isDiscarded);
  tellState(session, setId, status, sentence + left);
}

/** A sentence on what a cancelled set left behind in a silent drive; empty when nothing. */
function leftSentence(reason: string | null, discard: boolean): string {
  const before = `${cancelledReason(discard)}; `;
  if (reason?.startsWith(before) !== true) return '';
  const left = shown(reason.slice(before.length));
  return ` ${left[0]?.toUpperCase() ?? ''}${left.slice(1)}.`;
}

/** True for a set that has ended and may have something staged all the same. */
function isParked({ state }: SetRow): boolean {
  return state === 'failed' || state === 'cancelled';
}

/** Throws away what a set that has ended has staged. */
async function discardParked(session: Session, setId: string): Promise<void> {
  const catalog = await session.catalog();
  await releaseStaging(catalog, session.settings, setId);
  await recordCancelled(catalog, setId, true);
  await purgeErased(catalog);
}

/** Ends a set that has not ended; true when it had ended before the command reached it. */
async function cancelUnfinished(session: Session, set: SetRow, discard: boolean): Promise<boolean> {
  const { id: setId } = set;
  const catalog = await session.catalog();
  let isTooLate = false;
  await thenClose(await serverToTell(session), async (server) => {
    await endIfStuck(server, setId);
    if (!(await isRunning(server, setId))) {
      // The server has lost the set, or nobody serves its queues, so nothing works on it.
      await retireLegacyWorkflow(server, set);
      if (discard) await releaseStaging(catalog, session.settings, setId);
      await recordCancelled(catalog, setId, discard);
      // Unless a worker has just resumed it before it could see the cancellation.
      if (!(await isRunning(server, setId))) return;
    }
    try {
      await updateSet(session, server, setId, (handle) =>
        handle.executeUpdate(cancelUpdate, { args: [{ discard }] }),
      );
    } catch (error) {
      isTooLate = error instanceof TapeflowFailure && error.code === 'SetHasEnded';
      if (!isTooLate) throw error;
    }
    await untilCancelled(session, server, setId);
  });
  return isTooLate;
}

/** Waits until the catalog and the server have the set's end: a `retry` would meet a workflow that begins nothing. */
async function untilCancelled(session: Session, server: Server, setId: string): Promise<void> {
  const catalog = await session.catalog();
  const deadline = performance.now() + session.settings.DRIVE_ANSWER_SECONDS * 1000 + cancelTimeoutMs;
  while (!(await hasEnded(catalog, setId)) || (await isRunning(server, setId))) {
    if (performance.now() > deadline) {
      throw new TapeflowFailure(
        'StillCancelling',
        english`The set ${setId} is being cancelled, but a step of it has not stopped yet.`,
        { advice: english`See \`tapeflow status ${setId}\`.` },
      );
    }
    await sleep(200);
  }
}
