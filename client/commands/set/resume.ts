import type { Command } from 'commander';
import { resumeUpdate } from '../../../workflows/messages.js';
import { beginAgain } from '../../follow/start-or-fail.js';
import { goOn } from '../../follow/follow-set.js';
import { endIfStuck } from '../../follow/set-health.js';
import { unfinishedSet, updateSet } from '../../follow/tell-set.js';
import { isRunning, withServer } from '../../server.js';
import { inSession, type Session } from '../../session.js';

/** `resume SET`: a paused set goes on, one that waits looks again, and one that the server has lost is taken up. */
export function addResume(program: Command): void {
  program
    .command('resume')
    .argument('<set>', 'the set')
    .option('--detach', 'return at once, and leave server and workers running')
    .action((setId: string, { detach }: { detach?: boolean }, command: Command) =>
      inSession(command, (session) => resume(session, setId, detach === true)),
    );
}

/** Lets an unfinished set go on, and follows it. */
export async function resume(session: Session, setId: string, detach: boolean): Promise<void> {
  const set = await unfinishedSet(session, setId);
  await withServer(session, async (server) => {
    await endIfStuck(server, setId);
    if (await isRunning(server, setId))
      await updateSet(session, server, setId, (handle) => handle.executeUpdate(resumeUpdate));
    // It may have ended while the server was found or started, as by a `cancel`, and is not begun again then.
    else await beginAgain(session, server, await unfinishedSet(session, setId), { retry: false });
    await goOn(session, server, set, detach);
  });
}
