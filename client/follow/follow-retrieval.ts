import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowNotFoundError } from '@temporalio/common';
import { removeCopyStaging } from '../../staging/copy-staging.js';
import {
  finalRetrievalStates,
  problemsOf,
  recordRetrieval,
  retrievalNamed,
  summarizeRetrieval,
  tapesInOrder,
  type RetrievalSummary,
} from '../../catalog/retrievals/retrievals.js';
import type { RetrievalRow } from '../../catalog/rows.js';
import { TapeflowFailure, usageFailure } from '../../config/failures.js';
import { formatBytes, formatSeconds } from '../../config/sizes.js';
import { startRetrieval } from '../../workers/starts/start-retrieval.js';
import { answerWithinMs, workflowTrouble } from '../../workers/server/workflow-trouble.js';
import { cancelRetrievalUpdate, retrievalWorkflowId } from '../../workflows/messages.js';
import { counted, shownNumber } from '../../config/counts.js';
import { exitCodes } from '../exit-codes.js';
import { onInterrupt } from './follow.js';
import { missingMarks } from './missing-marks.js';
import { jsonPath, shownPath } from '../print/names.js';
import { stepLine } from './live-view.js';
import { pendingReads, type PendingStep } from './pending-steps.js';
import { connectServer, findServer, type Server, type Session } from '../session.js';

/** Milliseconds between two looks at the catalog. */
const lookEveryMs = 250;
/** Looks between two questions to the server whether it still works on it. */
const looksPerQuestion = 40;
/** Problems that are printed; `--json` prints all. */
const problemsShown = 20;

/** Starts a retrieval, or takes it up, and follows it to its end. */
export async function runRetrieval(
  session: Session,
  row: RetrievalRow,
  how: { attached: boolean },
): Promise<void> {
  const server = await connectServer(session);
  try {
    await startRetrieval(server, session.settings, row);
    await followRetrieval(session, server, row, how);
  } finally {
    await server.close();
  }
}

/** Follows a restore or a verify to its end, and prints what became of it. Sets the process's exit code. */
async function followRetrieval(
  session: Session,
  server: Server,
  row: RetrievalRow,
  how: { attached: boolean },
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
      if (summary.reason !== null && summary.reason !== said) session.say(`Waiting: ${summary.reason}`);
      said = summary.reason ?? said;
      if (lost) throw hostLost(row.id);
      if (looks % looksPerQuestion === 0)
        for (const step of await pendingReads(server, row.id)) {
          const line = step.details.stuck === true ? stepLine(step) : undefined;
          if (line === undefined || stuck.has(line)) continue;
          stuck.add(line);
          session.say(`Waiting: ${line}`);
        }
      if (looks % looksPerQuestion === 0 && !waits) waits = await needsTakingUp(session, server, row.id);
      await Promise.race([interrupt.promise, sleep(lookEveryMs)]);
    }
    session.say(
      `${row.id} is interrupted. The same command goes on with it; \`tapeflow cancel ${row.id}\` ends it.`,
    );
    process.exitCode = exitCodes.interrupted;
  } finally {
    interrupt.end();
  }
}

async function announce(session: Session, row: RetrievalRow, attached: boolean): Promise<void> {
  const what = {
    restore: `Restore of ${row.subject} to ${row.target ?? ''}`,
    verify: `Verify of ${row.subject}`,
    copy: `Copy of ${row.subject}`,
  }[row.kind];
  session.print(`${what} (${row.id})${attached ? ' goes on' : ''}`);
  session.print('Tapes, in the order of reading:');
  for (const { name, archives, bytes } of await tapesInOrder(await session.catalog(), row.id))
    session.print(`  ${name}: ${counted(archives, 'archive')}, ${formatBytes(bytes)}`);
}

function sayProgress(session: Session, { archivesDone, archives, bytesDone, bytes }: RetrievalSummary): void {
  if (archivesDone === 0) return;
  session.print(
    `Read ${shownNumber(archivesDone)} of ${counted(archives, 'archive')}, ${formatBytes(bytesDone)} of ${formatBytes(bytes)}`,
  );
}

/** Prints what became of a retrieval, or how far it is. Sets the exit code of one that has ended. */
export async function printRetrieval(
  session: Session,
  summary: RetrievalSummary,
  steps: readonly PendingStep[] = [],
): Promise<void> {
  const catalog = await session.catalog();
  const { id, kind, status, reason, restored, same, kept, failed, problems, seconds } = summary;
  if (finalRetrievalStates.includes(status))
    process.exitCode = status === 'completed' ? exitCodes.success : exitCodes.failure;
  // A verify of what is gone since has nothing to say of it.
  const marks =
    kind === 'verify' && finalRetrievalStates.includes(status)
      ? await missingMarks(catalog, summary.subject).catch(() => [])
      : [];
  if (session.json) {
    for (const { path, reason } of await problemsOf(catalog, id, Number.MAX_SAFE_INTEGER))
      session.emit({ ...(path === null ? {} : jsonPath(path)), problem: reason });
    const more = finalRetrievalStates.includes(summary.status) ? {} : { steps };
    session.emit({ ...summary, ...more, ...(marks.length === 0 ? {} : { notes: marks }) });
    return;
  }
  session.print('');
  const done = { restore: 'restored', verify: 'compared', copy: 'copied' }[kind];
  const more = [
    ...(same > 0 ? [`${shownNumber(same)} there already`] : []),
    ...(kept > 0 ? [`${shownNumber(kept)} kept, because what is there is not older`] : []),
    ...(failed > 0 ? [`${shownNumber(failed)} failed`] : []),
  ];
  session.print(
    `${id}: ${status.replaceAll('_', ' ')}${reason === null ? '' : ` (${reason})`} in ${formatSeconds(seconds)}: ${shownNumber(restored)} ${done}${more.map((part) => `, ${part}`).join('')}`,
  );
  for (const line of steps.map(stepLine)) if (line !== undefined) session.print(`  now: ${line}`);
  for (const { path, reason } of await problemsOf(catalog, id, problemsShown))
    session.print(`  ${path === null ? '' : `${shownPath(path)}: `}${reason}`);
  if (problems > problemsShown)
    session.print(
      `  … and ${shownNumber(problems - problemsShown)} more: \`tapeflow status ${id} --json\` lists all.`,
    );
  for (const sentence of marks) session.print(sentence);
}

function hostLost(id: string): TapeflowFailure {
  return new TapeflowFailure('HostLost', `Server and workers of ${id} have stopped or were killed.`, {
    advice: 'Run the same command again, and it goes on.',
  });
}

/**
 * True, and said, when the server has ended the workflow without a result: workers take it up, or give it up with a
 * reason. It throws where they do not. A server that does not answer is waited for.
 */
async function needsTakingUp(session: Session, server: Server, id: string): Promise<boolean> {
  const trouble = await workflowTrouble(server, retrievalWorkflowId(id, server.installation)).catch(
    () => undefined,
  );
  if (trouble === undefined || trouble.kind === 'stuck') return false;
  if (finalRetrievalStates.includes((await retrievalNamed(await session.catalog(), id)).state)) return false;
  if (session.settings.LOOK_AFTER_SECONDS === 0)
    throw new TapeflowFailure('NotRunning', `${id} is unfinished, but ${trouble.finding}.`, {
      advice: 'Run the same command again, and it goes on with what is missing.',
    });
  session.say(`${id} is unfinished, but ${trouble.finding}. Workers take it up by themselves.`);
  return true;
}

/** Ends a restore or a verify; what was restored stays. */
export async function cancelRetrieval(session: Session, id: string): Promise<void> {
  const catalog = await session.catalog();
  const row = await retrievalNamed(catalog, id);
  if (finalRetrievalStates.includes(row.state))
    throw usageFailure('HasEnded', `${id} has ended: it is ${row.state}.`);
  const server = await findServer(session);
  try {
    if (server !== undefined) await cancelAtServer(server, id);
  } finally {
    await server?.close();
  }
  // The workflow writes the same when its step has stopped; without a server nobody else does.
  await recordRetrieval(catalog, id, 'cancelled', 'by a command');
  if (row.kind === 'copy') await removeCopyStaging(session.settings.BACKUP_COMPRESS_DIR, id);
  const stays = row.kind === 'restore' ? 'restored' : 'done';
  if (session.json) session.emit({ id, status: 'cancelled' });
  else session.print(`${id} is cancelled; what it has ${stays} stays.`);
}

/**
 * Tells the workflow; one that no worker listens for is ended, since the catalog tells workers later that it is
 * cancelled.
 */
async function cancelAtServer(server: Server, id: string): Promise<void> {
  const handle = server.client.workflow.getHandle(retrievalWorkflowId(id, server.installation));
  try {
    await server.client.withDeadline(Date.now() + answerWithinMs, () =>
      handle.executeUpdate(cancelRetrievalUpdate),
    );
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return;
    await handle.terminate('tapeflow: cancelled by a command').catch((failure: unknown) => {
      if (!(failure instanceof WorkflowNotFoundError)) throw failure;
    });
  }
}

/** True for the id of a restore, a verify or a copy. */
export function isRetrievalId(text: string): boolean {
  return /^(restore|verify|copy)-\d{6,}$/.test(text);
}
