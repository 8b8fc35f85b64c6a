import { finalRetrievalStates } from '../../catalog/retrievals/retrievals.js';
import { endVerifyOf } from '../../catalog/sets/end-verify.js';
import { summarizeSet } from '../../catalog/sets/set-summary.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { formatCount } from '../../config/counts.js';
import { startRetrieval } from '../../workers/starts/start-retrieval.js';
import { exitCodes } from '../exit-codes.js';
import { isVerified } from '../print/set-summary.js';
import type { Server } from '../server.js';
import type { Session } from '../session.js';
import { followRetrieval } from './follow-retrieval.js';
import { t } from '../../messages/shown.js';

/**
 * Follows the verify that `backup --verify` asked for, if the set has one, and says what it found.
 *
 * @returns its exit code; success where nothing was to be verified.
 */
export async function followEndVerify(session: Session, server: Server, setId: string): Promise<number> {
  const catalog = await session.catalog();
  const row = await endVerifyOf(catalog, await setNamed(catalog, setId));
  if (row === undefined) return exitCodes.success;
  // The set's workflow starts it, unless that was killed at that moment.
  if (!finalRetrievalStates.includes(row.state)) await startRetrieval(server, session.settings, catalog, row);
  process.exitCode = exitCodes.success;
  await followRetrieval(session, server, row, { attached: false, again: `tapeflow verify ${setId}` });
  const summary = await summarizeSet(catalog, setId);
  if (!session.json) {
    const { copies, damaged } = summary.readBack;
    if (isVerified(summary))
      session.print(
        t`Set ${setId} is verified: ${formatCount(copies, 'archive is', 'archives are')} as written.`,
      );
    else if (damaged > 0)
      session.print(
        t`Set ${setId} is on tape, but ${formatCount(damaged, 'copy is', 'copies are')} damaged:
          \`tapeflow verify ${setId} --repair\` writes it again from another copy.`,
      );
  }
  return typeof process.exitCode === 'number' ? process.exitCode : exitCodes.failure;
}
