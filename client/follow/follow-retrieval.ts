import { setTimeout as sleep } from 'node:timers/promises';
import { finalRetrievalStates, retrievalNamed } from '../../catalog/retrievals/retrievals.js';
import {
  type RetrievalSummary,
  summarizeRetrieval,
  tapesInOrder,
} from '../../catalog/retrievals/retrieval-summary.js';
import type { RetrievalRow } from '../../catalog/rows.js';
import { TapeflowFailure } from '../../config/failures.js';
import { formatBytes } from '../../config/sizes.js';
import { shownTarget } from '../../operations/retrievals/retrieval-start.js';
import { startRetrieval } from '../../workers/starts/start-retrieval.js';
import { workflowTrouble } from '../../workers/server/workflow-trouble.js';
import { retrievalWorkflowId } from '../../workflows/workflow-ids.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import { exitCodes } from '../exit-codes.js';
import { onInterrupt } from './interrupt.js';
import { stepLine } from '../../workers/server/step-words.js';
import { pendingReads } from '../../workers/server/pending-steps.js';
import type { Session } from '../session.js';
import { withServer, type Server } from '../server.js';
import { printRetrieval } from '../print/retrieval-summary.js';
import { english } from '../../messages/sentence.js';
import { shown, t } from '../../messages/shown.js';

/** Milliseconds between checks of the catalog. */
const lookEveryMs = 250;
/** Number of checks between asking the server whether it is still running. */
const looksPerQuestion = 40;

/** Starts or resumes a retrieval, and follows it to its end. */
export async function runRetrieval(
  session: Session,
  row: RetrievalRow,
  how: { attached: boolean },
): Promise<void> {
  await withServer(session, async (server) => {
    await startRetrieval(server, session.settings, await session.catalog(), row);
    await followRetrieval(session, server, row, how);
  });
}

/** Starts or resumes a retrieval, and leaves it to the server and the workers, which stay. */
export async function startDetached(
  session: Session,
  { row, attached }: { row: RetrievalRow; attached: boolean },
): Promise<void> {
  await withServer(session, async (server) => {
    await startRetrieval(server, session.settings, await session.catalog(), row);
    await server.lease?.stay();
  });
  session.print(
    attached
      ? t`${row.id} is unfinished, and goes on; \`tapeflow status ${row.id}\` shows it.`
      : t`${row.id} has begun; \`tapeflow status ${row.id}\` shows it.`,
  );
}

/** Follows a retrieval to its end and prints the result. Sets the process's exit code. */
export async function followRetrieval(
  session: Session,
  server: Server,
  row: RetrievalRow,
  how: { attached: boolean; again?: string },
): Promise<void> {
  const catalog = await session.catalog();
  if (!session.json) await announce(session, row, how.attached);
  const interrupt = onInterrupt();
  let lost = false;
  server.lease?.onLost(() => (lost = true));
  let said = '';
  let done = -1;
  let waits = false;
  const stuck = new Set<string>();
  try {
    for (let looks = 1; !interrupt.happened; looks += 1) {
      const summary = await summarizeRetrieval(catalog, row.id);
      if (!session.json && summary.archivesDone !== done) sayProgress(session, summary);
      done = summary.archivesDone;
      if (finalRetrievalStates.includes(summary.status)) {
        await printRetrieval(session, summary);
        return;
      }
      if (summary.reason !== null && summary.reason !== said) session.say(t`Waiting: ${summary.reason}`);
      said = summary.reason ?? said;
      if (lost) throw hostLost(row.id);
      if (looks % looksPerQuestion === 0)
        for (const step of await pendingReads(server, row.id)) {
          const line = step.details.stuck === true ? stepLine(step) : undefined;
          if (line === undefined || stuck.has(line)) continue;
          stuck.add(line);
          session.say(t`Waiting: ${line}`);
        }
      if (looks % looksPerQuestion === 0 && !waits) waits = await needsResume(session, server, row.id);
      await Promise.race([interrupt.promise, sleep(lookEveryMs)]);
    }
    sayInterrupted(session, server, row.id, how.again);
    process.exitCode = exitCodes.interrupted;
  } finally {
    interrupt.end();
  }
}

function sayInterrupted(session: Session, { lease }: Server, id: string, command: string | undefined): void {
  const again = command === undefined ? t`The same command` : `\`${command}\``;
  session.say(
    lease === undefined || lease.stays()
      ? t`${id} goes on. \`tapeflow status ${id}\` shows it, \`tapeflow cancel ${id}\` ends it.`
      : t`${id} is interrupted. ${again} goes on with it; \`tapeflow cancel ${id}\` ends it.`,
  );
}

async function announce(session: Session, row: RetrievalRow, attached: boolean): Promise<void> {
  const what = {
    restore: t`Restore of ${row.subject} to ${shownTarget(row)}`,
    verify: t`Verify of ${row.subject}`,
    copy: t`Copy of ${row.subject}`,
  }[row.kind];
  session.print(`${what} (${row.id})${attached ? t` goes on` : ''}`);
  session.print(t`Tapes, in the order of reading:`);
  for (const { name, archives, bytes } of await tapesInOrder(await session.catalog(), row.id))
    session.print(`  ${name}${t`: `}${shown(formatCount(archives, 'archive'))}${t`, `}${formatBytes(bytes)}`);
}

function sayProgress(session: Session, { archivesDone, archives, bytesDone, bytes }: RetrievalSummary): void {
  if (archivesDone === 0) return;
  session.print(
    t`Read ${formatNumber(archivesDone)} of ${formatCount(archives, 'archive')},
      ${formatBytes(bytesDone)} of ${formatBytes(bytes)}`,
  );
}

function hostLost(id: string): TapeflowFailure {
  return new TapeflowFailure('HostLost', english`Server and workers of ${id} have stopped or were killed.`, {
    advice: english`Run the same command again, and it goes on.`,
  });
}

/**
 * True, with a note to the user, when the workflow ended without a result: workers resume it, or give it up with a
 * reason. Throws where they do not. Waits for a server that does not answer.
 */
async function needsResume(session: Session, server: Server, id: string): Promise<boolean> {
  const trouble = await workflowTrouble(server, retrievalWorkflowId(id, server.installation)).catch(
    () => undefined,
  );
  if (trouble === undefined || trouble.kind === 'stuck') return false;
  if (finalRetrievalStates.includes((await retrievalNamed(await session.catalog(), id)).state)) return false;
  if (session.settings.LOOK_AFTER_SECONDS === 0)
    throw new TapeflowFailure('NotRunning', english`${id} is unfinished, but ${trouble.finding}.`, {
      advice: english`Run the same command again, and it goes on with what is missing.`,
    });
  session.say(t`${id} is unfinished, but ${trouble.finding}. Workers resume it automatically.`);
  return true;
}
