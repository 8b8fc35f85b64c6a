import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, WorkflowNotFoundError } from '@temporalio/common';
import type { Command } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  cancelledReason,
  recordCancelled,
  releaseStaging,
  retryCancelled,
} from '../../../operations/sets/cancel-set.js';
import { forgetErased } from '../../../catalog/tapes/erase.js';
import { skippedForSize } from '../../../catalog/sets/leave-out.js';
import { finalSetStates } from '../../../catalog/schema.js';
import { requireOwnSet } from '../../../catalog/sets/rebuilt-sets.js';
import { recordSetState, setNamed, summarizeSet } from '../../../catalog/sets/sets.js';
import type { SetRow } from '../../../catalog/rows.js';
import { TapeflowFailure, describeError, usageFailure } from '../../../config/failures.js';
import { setLimit, tooLargeText } from '../../../tape/drives/tape-limit.js';
import { cancelUpdate, pauseUpdate, resumeUpdate, retryFailedUpdate } from '../../../workflows/messages.js';
import { counted } from '../../../config/counts.js';
import { followSet } from '../../follow/follow.js';
import { cancelRetrieval, isRetrievalId } from '../../follow/follow-retrieval.js';
import {
  connectServer,
  findServer,
  isRunning,
  inSession,
  setHandle,
  type Server,
  type Session,
} from '../../session.js';
import { retireFormerWorkflow } from '../../../workers/server/former-workflow.js';
import { endStuck, troubleOf } from '../../follow/set-health.js';
import { beginSet } from '../../follow/begin-set.js';

/** `pause`, `resume`, `cancel`, `retry` of a set. */
export function addControl(program: Command): void {
  const add = (name: string) => program.command(name).argument('<set>', 'the set');
  add('pause').action((setId: string, _options, command: Command) =>
    inSession(command, (session) => pause(session, setId)),
  );
  add('resume')
    .option('--detach', 'return at once, and leave server and workers running')
    .action((setId: string, { detach }: { detach?: boolean }, command: Command) =>
      inSession(command, (session) => resume(session, setId, detach === true)),
    );
  add('cancel')
    .option('--discard', 'delete what is staged and not on tape yet')
    .action((setId: string, { discard }: { discard?: boolean }, command: Command) =>
      inSession(command, (session) =>
        isRetrievalId(setId) ? cancelRetrieval(session, setId) : cancel(session, setId, discard === true),
      ),
    );
  add('retry')
    .option('--detach', 'return at once, and leave server and workers running')
    .action((setId: string, { detach }: { detach?: boolean }, command: Command) =>
      inSession(command, (session) => retry(session, setId, detach === true)),
    );
}

async function unfinished(session: Session, setId: string): Promise<SetRow> {
  const set = await setNamed(await session.catalog(), setId);
  if (!finalSetStates.includes(set.state)) return set;
  throw usageFailure('SetHasEnded', `The set ${setId} has ended: it is ${set.state.replaceAll('_', ' ')}.`);
}

/** Tells the set's workflow something; with a server that is started for it when none runs. */
async function withServer(
  session: Session,
  run: (server: Server) => Promise<void>,
  connect = connectServer,
): Promise<void> {
  const server = await connect(session);
  try {
    await run(server);
  } finally {
    await server.close();
  }
}

/**
 * The server for a command that does not follow the set, and says so when one has to be started. The catalog alone
 * would not do: a server that is stopped has kept the set's workflow, which would go on as if nobody had said anything.
 */
async function serverToTell(session: Session): Promise<Server> {
  const running = await findServer(session);
  if (running !== undefined) return running;
  session.say('No server runs: it is started to tell the set, and stopped again, which takes some seconds.');
  return connectServer(session);
}

/** Runs an update of the set's workflow; its failures become sentences. */
async function update<Result>(
  session: Session,
  server: Server,
  setId: string,
  send: (handle: WorkflowHandle) => Promise<Result>,
): Promise<Result> {
  const trouble = await troubleOf(server, setId);
  if (trouble?.kind === 'stuck') {
    throw new TapeflowFailure('SetStuck', `The set ${setId} cannot hear a command: ${trouble.finding}.`, {
      advice: trouble.advice,
    });
  }
  try {
    return await send(setHandle(server, setId));
  } catch (error) {
    // It has ended while the command was on its way.
    await unfinished(session, setId);
    if (error instanceof WorkflowNotFoundError) {
      throw new TapeflowFailure(
        'SetNotRunning',
        `The server at ${server.target.address} does not run the set ${setId}.`,
        {
          advice: `\`tapeflow resume ${setId}\` takes it up again.`,
        },
      );
    }
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    if (cause instanceof ApplicationFailure && cause.type === 'TooLate')
      throw new TapeflowFailure('TooLate', `The set ${setId} does not take the command: ${cause.message}.`);
    throw new TapeflowFailure(
      'UpdateFailed',
      `The set ${setId} did not take the command: ${describeError(cause)}.`,
      { cause: error },
    );
  }
}

/** A workflow that cannot go on hears no command: it is ended, and the catalog knows what it has done. */
async function endIfStuck(server: Server, setId: string): Promise<void> {
  const trouble = await troubleOf(server, setId);
  if (trouble?.kind === 'stuck') await endStuck(server, setId, trouble);
}

export async function pause(session: Session, setId: string): Promise<void> {
  await unfinished(session, setId);
  await withServer(
    session,
    (server) => update(session, server, setId, (handle) => handle.executeUpdate(pauseUpdate)),
    serverToTell,
  );
  // As the catalog has it: another command may have come in between.
  const { state } = await unfinished(session, setId);
  const sentence = `Set ${setId} is ${state.replaceAll('_', ' ')}.`;
  const advice = state === 'paused' ? ` \`tapeflow resume ${setId}\` lets it go on.` : '';
  tell(session, setId, state, sentence + advice);
}

export async function resume(session: Session, setId: string, detach: boolean): Promise<void> {
  const set = await unfinished(session, setId);
  await withServer(session, async (server) => {
    await endIfStuck(server, setId);
    if (await isRunning(server, setId))
      await update(session, server, setId, (handle) => handle.executeUpdate(resumeUpdate));
    else await beginSet(session, server, await unpaused(session, set), { retry: false });
    await goOn(session, server, set, detach);
  });
}

/** The set, about to run, whatever state it was in. */
async function unpaused(session: Session, set: SetRow): Promise<SetRow> {
  const state = set.scanned === 1 ? 'running' : 'scanning';
  await recordSetState(await session.catalog(), set.id, state, null);
  return { ...set, state };
}

export async function retry(session: Session, setId: string, detach: boolean): Promise<void> {
  const set = await setNamed(await session.catalog(), setId);
  requireWholeSet(set);
  requireOwnSet(set);
  if (set.state === 'completed' || set.state === 'completed_with_skips') await requireFitNow(session, set);
  await withServer(session, async (server) => {
    await endIfStuck(server, setId);
    if (finalSetStates.includes(set.state)) await untilClosed(server, setId);
    if (await isRunning(server, setId)) {
      const groups = await update(session, server, setId, (handle) =>
        handle.executeUpdate(retryFailedUpdate),
      );
      const found = groups === 0 ? 'no failed groups' : counted(groups, 'failed group');
      const sentence = `Set ${setId} has ${found} to try again${groups > 0 && set.state === 'paused' ? ', once it is resumed' : ''}.`;
      if (!session.json) session.print(sentence);
    } else {
      await beginSet(session, server, await unpaused(session, set), { retry: true });
    }
    await goOn(session, server, set, detach);
  });
}

/**
 * A set that is complete has something to do only where a file was too large for every tape, and a larger one has come.
 */
async function requireFitNow(session: Session, set: SetRow): Promise<void> {
  const catalog = await session.catalog();
  const limit = await setLimit(catalog, set);
  const { groups, needs } = await skippedForSize(catalog, set.id, limit?.bytes ?? 0);
  if (groups.length > 0) return;
  const state = set.state.replaceAll('_', ' ');
  throw usageFailure(
    'NothingToRetry',
    `The set ${set.id} has no failed groups: it is ${state}.`,
    needs === undefined || limit === undefined
      ? undefined
      : `A file of it is ${tooLargeText(needs, limit)}: label a larger one first.`,
  );
}

/** Milliseconds that the workflow of a set whose end is written down may take to close. */
const closeTimeoutMs = 10_000;

/** Waits until the workflow of a set that has ended in the catalog has closed: until then it takes no command. */
async function untilClosed(server: Server, setId: string): Promise<void> {
  const deadline = performance.now() + closeTimeoutMs;
  while (performance.now() < deadline && (await isRunning(server, setId))) await sleep(100);
}

/** A set that lost archives with a tape could end as if it had them. */
function requireWholeSet({ id, erased_at: erasedAt, reason, state }: SetRow): void {
  if (erasedAt === null) return;
  const discard = state === 'expired' ? '' : ` \`tapeflow cancel ${id} --discard\` deletes what is staged.`;
  throw usageFailure(
    'SetErased',
    `The set ${id} cannot go on: ${reason ?? 'archives of it were erased'}.`,
    `Begin a new one with \`tapeflow backup\`.${discard}`,
  );
}

/** Follows the set to its end, as `backup` does; with `--detach` it returns at once. */
async function goOn(session: Session, server: Server, set: SetRow, detach: boolean): Promise<void> {
  if (!detach) {
    await followSet(session, server, set, { attached: true });
    return;
  }
  await server.lease?.stay();
  const { state } = await setNamed(await session.catalog(), set.id);
  const paused = `Set ${set.id} is paused. \`tapeflow resume ${set.id}\` lets it go on.`;
  const goesOn = `Set ${set.id} goes on. \`tapeflow watch ${set.id}\` shows it.`;
  tell(session, set.id, state, state === 'paused' ? paused : goesOn);
}

/**
 * Milliseconds to wait until a cancelled set has written its end down, besides those that a drive has for its answer.
 */
const cancelTimeoutMs = 60_000;

export async function cancel(session: Session, setId: string, discard: boolean): Promise<void> {
  const set = await setNamed(await session.catalog(), setId);
  if (finalSetStates.includes(set.state)) await endedAlready(session, set, discard);
  else await cancelUnfinished(session, set, discard);
  const summary = await summarizeSet(await session.catalog(), setId);
  if (summary.reason === retryCancelled) {
    const state = summary.status.replaceAll('_', ' ');
    tell(
      session,
      setId,
      summary.status,
      `The retry of set ${setId} is cancelled: it is ${state}, as before.`,
    );
    return;
  }
  if (summary.status !== 'cancelled') {
    // Its end was written down before the command came to it.
    const end = `it had ended before, and is ${summary.status.replaceAll('_', ' ')}`;
    throw new TapeflowFailure('SetHasEnded', `The set ${setId} was not cancelled: ${end}.`);
  }
  const staged = discard ? 'What was staged is deleted.' : 'What is staged is kept; `retry` goes on with it.';
  tell(
    session,
    setId,
    summary.status,
    `Set ${setId} is cancelled; ${counted(summary.archives, 'archive is', 'archives are')} on tape. ${staged}${leftSentence(summary.reason, discard)}`,
  );
}

/** What a cancelled set has left behind in a drive that does not answer, as a sentence; empty when nothing. */
function leftSentence(reason: string | null, discard: boolean): string {
  const before = `${cancelledReason(discard)}; `;
  if (reason?.startsWith(before) !== true) return '';
  const left = reason.slice(before.length);
  return ` ${left[0]?.toUpperCase() ?? ''}${left.slice(1)}.`;
}

async function endedAlready(session: Session, set: SetRow, discard: boolean): Promise<void> {
  const parked = set.state === 'failed' || set.state === 'cancelled';
  if (!discard || !parked) {
    throw usageFailure(
      'SetHasEnded',
      `The set ${set.id} has ended: it is ${set.state.replaceAll('_', ' ')}.`,
    );
  }
  await releaseStaging(await session.catalog(), session.settings, set.id);
  await recordCancelled(await session.catalog(), set.id, true);
  await forgetErased(await session.catalog());
}

async function cancelUnfinished(session: Session, set: SetRow, discard: boolean): Promise<void> {
  const { id: setId } = set;
  const catalog = await session.catalog();
  const server = await serverToTell(session);
  try {
    await endIfStuck(server, setId);
    if (!(await isRunning(server, setId))) {
      // The server has lost the set, or nobody serves the queues under which it ran, so nobody else works on it.
      await retireFormerWorkflow(server, set);
      if (discard) await releaseStaging(catalog, session.settings, setId);
      await recordCancelled(catalog, setId, discard);
      // Unless a worker has just taken it up, before it could see that it was cancelled.
      if (!(await isRunning(server, setId))) return;
    }
    await update(session, server, setId, (handle) =>
      handle.executeUpdate(cancelUpdate, { args: [{ discard }] }),
    );
    const deadline = performance.now() + session.settings.DRIVE_ANSWER_SECONDS * 1000 + cancelTimeoutMs;
    const hasEnded = async () => finalSetStates.includes((await setNamed(catalog, setId)).state);
    // Its workflow too: a `retry` would meet one that begins nothing any more.
    while (!(await hasEnded()) || (await isRunning(server, setId))) {
      if (performance.now() > deadline) {
        throw new TapeflowFailure(
          'StillCancelling',
          `The set ${setId} is being cancelled, but a step of it has not stopped yet.`,
          {
            advice: `See \`tapeflow status ${setId}\`.`,
          },
        );
      }
      await sleep(200);
    }
  } finally {
    await server.close();
  }
}

function tell(session: Session, setId: string, status: string, sentence: string): void {
  if (session.json) session.emit({ setId, status });
  else session.print(sentence);
}
