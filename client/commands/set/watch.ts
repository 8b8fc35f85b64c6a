import type { Command } from 'commander';
import { setNamed, unfinishedSets } from '../../../catalog/sets/sets.js';
import { finalSetStates } from '../../../catalog/schema/set-tables.js';
import { summarizeSet } from '../../../catalog/sets/set-summary.js';
import type { SetRow } from '../../../catalog/rows.js';
import { usageFailure } from '../../../config/failures.js';
import { followSet } from '../../follow/follow-set.js';
import { exitCodeOf, printSummary } from '../../print/set-summary.js';
import { inSession, type Session } from '../../session.js';
import { connectServer, findServer, thenClose } from '../../server.js';
import { english } from '../../../messages/sentence.js';
import { t } from '../../../messages/shown.js';

/** `watch [SET]`: follows a set like `backup`; for an ended set it prints the result. */
export function addWatch(program: Command): void {
  program
    .command('watch')
    .argument('[set]', 'the set (default: the unfinished one)')
    .action((setId: string | undefined, _options, command: Command) =>
      inSession(command, async (session) => watch(session, await chosenSet(session, setId))),
    );
}

async function watch(session: Session, set: SetRow): Promise<void> {
  const catalog = await session.catalog();
  if (finalSetStates.includes(set.state)) {
    const summary = await summarizeSet(catalog, set.id);
    await printSummary(session, summary, undefined);
    process.exitCode = exitCodeOf(summary);
    return;
  }
  const running = await findServer(session);
  if (running === undefined)
    session.say(
      t`Nothing works on set ${set.id} now: server and workers are started for as long as this
        command runs, and the set goes on. \`tapeflow status ${set.id}\` only looks.`,
    );
  const server = running ?? (await connectServer(session));
  await thenClose(server, () => followSet(session, server, set, { attached: true }));
}

/** The named set, or the newest unfinished one. */
async function chosenSet(session: Session, setId: string | undefined): Promise<SetRow> {
  const catalog = await session.catalog();
  if (setId !== undefined) return setNamed(catalog, setId);
  const newest = (await unfinishedSets(catalog)).at(-1);
  if (newest !== undefined) return newest;
  throw usageFailure(
    'NoUnfinishedSet',
    english`No set is unfinished.`,
    english`\`tapeflow sets\` lists all of them.`,
  );
}
