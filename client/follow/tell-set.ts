import { stateWord } from '../../catalog/schema/state-words.js';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, WorkflowNotFoundError } from '@temporalio/common';
import { finalSetStates } from '../../catalog/schema/set-tables.js';
import { setNamed } from '../../catalog/sets/sets.js';
import type { SetRow } from '../../catalog/rows.js';
import { TapeflowFailure, describeError, usageFailure } from '../../config/failures.js';
import type { Session } from '../session.js';
import { connectServer, findServer, setHandle, type Server } from '../server.js';
import { troubleOf } from './set-health.js';
import { english } from '../../messages/sentence.js';
import { t } from '../../messages/shown.js';

/** A set that has not come to its end. Throws `SetHasEnded` for any other. */
export async function unfinishedSet(session: Session, setId: string): Promise<SetRow> {
  const set = await setNamed(await session.catalog(), setId);
  if (finalSetStates.includes(set.state)) throw endedFailure(set);
  return set;
}

/** What a command is told that comes too late. */
export function endedFailure({ id, state }: SetRow): TapeflowFailure {
  return usageFailure('SetHasEnded', english`The set ${id} has ended: it is ${stateWord(state)}.`);
}

/** Prints the state that a command has brought a set to. */
export function tellState(session: Session, setId: string, status: string, sentence: string): void {
  if (session.json) session.emit({ setId, status });
  else session.print(sentence);
}

/**
 * The server for a command that does not follow the set; says so when one has to be started. Changing only the catalog
 * is not enough: a stopped server still has the set's workflow, which would later continue unchanged.
 */
export async function serverToTell(session: Session): Promise<Server> {
  const running = await findServer(session);
  if (running !== undefined) return running;
  session.say(t`No server runs: it is started to tell the set, and stopped again, which takes some seconds.`);
  return connectServer(session);
}

/** Runs an update of the set's workflow; its failures become sentences. */
export async function updateSet<Result>(
  session: Session,
  server: Server,
  setId: string,
  send: (handle: WorkflowHandle) => Promise<Result>,
): Promise<Result> {
  const trouble = await troubleOf(server, setId);
  if (trouble?.kind === 'stuck') {
    throw new TapeflowFailure(
      'SetStuck',
      english`The set ${setId} cannot hear a command: ${trouble.finding}.`,
      { advice: trouble.advice },
    );
  }
  try {
    return await send(setHandle(server, setId));
  } catch (error) {
    // It ended while the command was on its way.
    await unfinishedSet(session, setId);
    if (error instanceof WorkflowNotFoundError) {
      throw new TapeflowFailure(
        'SetNotRunning',
        english`The server at ${server.target.address} does not run the set ${setId}.`,
        { advice: english`\`tapeflow resume ${setId}\` resumes it.` },
      );
    }
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    if (cause instanceof ApplicationFailure && cause.type === 'TooLate')
      throw new TapeflowFailure(
        'TooLate',
        english`The set ${setId} does not take the command: ${cause.message}.`,
      );
    throw new TapeflowFailure(
      'UpdateFailed',
      english`The set ${setId} did not take the command: ${describeError(cause)}.`,
      { cause: error },
    );
  }
}
