import { setTimeout as sleep } from 'node:timers/promises';
import { finalSetStates } from '../../catalog/schema/set-tables.js';
import { type SetSummary, summarizeSet } from '../../catalog/sets/set-summary.js';
import { setNamed } from '../../catalog/sets/sets.js';
import type { SetRow } from '../../catalog/rows.js';
import { EventPrinter } from './events.js';
import { exitCodes } from '../exit-codes.js';
import { liveLines, type LiveView } from './live-view.js';
import { pendingSteps } from '../../workers/server/pending-steps.js';
import type { Session } from '../session.js';
import type { Server } from '../server.js';
import { followEndVerify } from './follow-end-verify.js';
import { tellState } from './tell-set.js';
import { Watchdog, hasEnded } from './watchdog.js';
import { type Interrupt, onInterrupt } from './interrupt.js';
import { exitCodeOf, printSummary } from '../print/set-summary.js';
import { workflowEnd } from './workflow-end.js';
import { t } from '../../messages/shown.js';

/** Milliseconds between checks of the catalog; one is made at once when the workflow ends. */
const lookEveryMs = 500;

/**
 * Follows a set to its end: a live display on a terminal, lines in a pipe, JSON objects with `--json`. Ctrl-C only
 * stops following, and says how the set continues. Sets the process's exit code.
 */
export async function followSet(
  session: Session,
  server: Server,
  set: SetRow,
  how: { attached: boolean },
): Promise<void> {
  const catalog = await session.catalog();
  const { state } = await setNamed(catalog, set.id);
  const interrupt = onInterrupt();
  if (how.attached && state === 'paused') {
    session.say(t`The set ${set.id} is paused: nothing of it goes on until \`tapeflow resume ${set.id}\`.`);
  } else if (!session.json) {
    session.print(how.attached ? t`The unfinished set ${set.id} goes on.` : t`Backup set ${set.id} begins.`);
  }
  // The address of your own server's UI is not known.
  if (!session.json && server.lease !== undefined) {
    session.print(t`Temporal UI: ${server.lease.host.ui}`);
  }
  const live = process.stdout.isTTY && !session.json;
  try {
    const summary = live
      ? await followLive(session, server, set.id, interrupt)
      : await followLines(session, server, set.id, interrupt, how.attached);
    if (summary === undefined) {
      sayInterrupted(session, server, set.id);
      process.exitCode = exitCodes.interrupted;
      return;
    }
    if (!session.json) await printSummary(session, summary, server);
    const verified = await followEndVerify(session, server, set.id);
    if (session.json) await printSummary(session, await summarizeSet(catalog, set.id), server);
    process.exitCode = verified === exitCodes.success ? exitCodeOf(summary) : verified;
  } finally {
    interrupt.end();
  }
}

/** Follows the set to its end, like `backup`; with `--detach` it returns at once. */
export async function goOn(session: Session, server: Server, set: SetRow, detach: boolean): Promise<void> {
  if (!detach) {
    await followSet(session, server, set, { attached: true });
    return;
  }
  await server.lease?.stay();
  const { state } = await setNamed(await session.catalog(), set.id);
  const paused = t`Set ${set.id} is paused. \`tapeflow resume ${set.id}\` lets it go on.`;
  const goesOn = t`Set ${set.id} goes on. \`tapeflow watch ${set.id}\` shows it.`;
  tellState(session, set.id, state, state === 'paused' ? paused : goesOn);
}

function sayInterrupted(session: Session, server: Server, setId: string): void {
  const stays = server.lease === undefined || server.lease.stays();
  session.say(
    stays
      ? t`The set ${setId} goes on. \`tapeflow watch ${setId}\` shows it, \`tapeflow cancel ${setId}\` ends it.`
      : t`The set ${setId} is interrupted; nothing is lost. It goes on
          with the next \`tapeflow up\` or \`tapeflow backup\`.`,
  );
}

/** The summary once the set has ended; undefined when interrupted. */
async function followLines(
  session: Session,
  server: Server,
  setId: string,
  interrupt: Interrupt,
  attached: boolean,
): Promise<SetSummary | undefined> {
  const catalog = await session.catalog();
  const printer = new EventPrinter(session, catalog, setId);
  if (attached) await printer.skipOld();
  const watchdog = new Watchdog(session, server, setId);
  const pause = pauses(server, setId, interrupt);
  while (!interrupt.happened) {
    const summary = await watchdog.outlast(async () => {
      await printer.printNew();
      if (!(await hasEnded(catalog, setId))) return undefined;
      await printer.printNew();
      return summarizeSet(catalog, setId);
    });
    if (summary !== undefined) return summary;
    await watchdog.look();
    await pause();
  }
  return undefined;
}

/** Waits between two checks of the catalog, until the workflow has ended or the user is tired of it. */
function pauses(server: Server, setId: string, interrupt: Interrupt): () => Promise<void> {
  let hasEnded = false;
  const end = workflowEnd(server, setId).then(() => {
    hasEnded = true;
  });
  return async () => {
    const woken = new AbortController();
    const rest = sleep(lookEveryMs, undefined, { signal: woken.signal }).catch(() => undefined);
    // Once: a workflow that has ended before its set must not make this a loop without pauses.
    await Promise.race([interrupt.promise, rest, ...(hasEnded ? [] : [end])]);
    woken.abort();
  };
}

async function followLive(
  session: Session,
  server: Server,
  setId: string,
  interrupt: Interrupt,
): Promise<SetSummary | undefined> {
  const catalog = await session.catalog();
  // Loaded for a terminal alone: most commands that follow a set have none.
  const { createLogUpdate } = await import('log-update');
  const screen = createLogUpdate(process.stdout, { showCursor: true });
  const watchdog = new Watchdog(
    { ...session, say: (sentence) => screenSay(screen, session, sentence) },
    server,
    setId,
  );
  const view: LiveView = {
    began: performance.now(),
    bytesAtBegin: undefined,
    budget: session.settings.STAGING_MAX_BYTES,
  };
  const pause = pauses(server, setId, interrupt);
  try {
    while (!interrupt.happened) {
      const summary = await watchdog.outlast(() => summarizeSet(catalog, setId));
      if (summary !== undefined) {
        const steps = await pendingSteps(server, setId);
        screen(liveLines(summary, steps, view, process.stdout.columns).join('\n'));
        if (finalSetStates.includes(summary.status)) return summary;
      }
      await watchdog.look();
      await pause();
    }
    return undefined;
  } finally {
    screen.done();
  }
}

function screenSay(screen: { clear(): void }, session: Session, sentence: string): void {
  screen.clear();
  session.say(sentence);
}
