import { stateWord } from '../../../catalog/schema/state-words.js';
import type { Command } from 'commander';
import { pauseUpdate } from '../../../workflows/messages.js';
import { serverToTell, tellState, unfinishedSet, updateSet } from '../../follow/tell-set.js';
import { thenClose } from '../../server.js';
import { inSession, type Session } from '../../session.js';
import { t } from '../../../messages/shown.js';

/** `pause SET`: nothing new is begun. */
export function addPause(program: Command): void {
  program
    .command('pause')
    .argument('<set>', 'the set')
    .action((setId: string, _options, command: Command) =>
      inSession(command, (session) => pause(session, setId)),
    );
}

/** Pauses a set. Throws `SetHasEnded` when it has come to its end meanwhile. */
export async function pause(session: Session, setId: string): Promise<void> {
  await unfinishedSet(session, setId);
  await thenClose(await serverToTell(session), (server) =>
    updateSet(session, server, setId, (handle) => handle.executeUpdate(pauseUpdate)),
  );
  // From the catalog, since another command may have come in between.
  const { state } = await unfinishedSet(session, setId);
  const sentence =
    state === 'paused'
      ? t`Set ${setId} is paused. \`tapeflow resume ${setId}\` lets it go on.`
      : t`Set ${setId} is ${stateWord(state)}.`;
  tellState(session, setId, state, sentence);
}
