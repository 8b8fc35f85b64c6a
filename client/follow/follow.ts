import { createLogUpdate } from 'log-update';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Catalog } from '../../catalog/open-catalog.js';
import { finalSetStates } from '../../catalog/schema.js';
import { setNamed, summarizeSet, type SetSummary } from '../../catalog/sets/sets.js';
import type { SetRow } from '../../catalog/rows.js';
import { formatBytes, formatSeconds } from '../../config/sizes.js';
import { counted } from '../../config/counts.js';
import { printEntryLists } from '../print/entry-lists.js';
import { EventPrinter } from './events.js';
import { exitCodes } from '../exit-codes.js';
import { liveLines, type LiveView } from './live-view.js';
import { pendingSteps } from './pending-steps.js';
import type { Server, Session } from '../session.js';
import { Watchdog, hasEnded } from './watchdog.js';

/** Milliseconds between two looks at the catalog. */
const lookEveryMs = 500;
/** Failed groups that are printed; `status SET --json` has all. */
const failedShown = 20;

/**
 * Follows a set to its end: a live display on a terminal, lines in a pipe, JSON objects with `--json`. Ctrl-C ends the
 * following only, and says how the set goes on. Sets the process's exit code.
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
    session.say(`The set ${set.id} is paused: nothing of it goes on until \`tapeflow resume ${set.id}\`.`);
  } else if (!session.json) {
    session.print(how.attached ? `The unfinished set ${set.id} goes on.` : `Backup set ${set.id} begins.`);
  }
  // Where the UI of an own server is, nothing tells.
  if (!session.json && server.lease !== undefined) {
    session.print(`Temporal UI: ${server.lease.host.ui}`);
  }
  const live = process.stdout.isTTY && !session.json;
  try {
    const summary = live
      ? await followLive(session, server, catalog, set.id, interrupt)
      : await followLines(session, server, catalog, set.id, interrupt, how.attached);
    if (summary === undefined) {
      sayInterrupted(session, server, set.id);
      process.exitCode = exitCodes.interrupted;
      return;
    }
    await printSummary(session, catalog, summary, server);
    process.exitCode = exitCodeOf(summary);
  } finally {
    interrupt.end();
  }
}

export interface Interrupt {
  readonly happened: boolean;
  readonly promise: Promise<void>;
  end(): void;
}

/** The first Ctrl-C is an answer to the question "go on following?"; the second ends the process at once. */
export function onInterrupt(): Interrupt {
  let happened = false;
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  const hear = () => {
    if (happened) process.exit(exitCodes.interrupted);
    happened = true;
    resolve();
  };
  process.on('SIGINT', hear);
  process.on('SIGTERM', hear);
  process.on('SIGHUP', hear);
  return {
    get happened() {
      return happened;
    },
    promise,
    end() {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeListener(signal, hear);
    },
  };
}

function sayInterrupted(session: Session, server: Server, setId: string): void {
  const stays = server.lease === undefined || server.lease.host.sticky;
  session.say(
    stays
      ? `The set ${setId} goes on. \`tapeflow watch ${setId}\` shows it, \`tapeflow cancel ${setId}\` ends it.`
      : `The set ${setId} is interrupted; nothing is lost. It goes on with the next \`tapeflow up\` or \`tapeflow backup\`.`,
  );
}

/** The summary once the set has ended; undefined when it was interrupted. */
async function followLines(
  session: Session,
  server: Server,
  catalog: Catalog,
  setId: string,
  interrupt: Interrupt,
  attached: boolean,
): Promise<SetSummary | undefined> {
  const printer = new EventPrinter(session, catalog, setId);
  if (attached) await printer.skipOld();
  const watchdog = new Watchdog(session, server, setId);
  while (!interrupt.happened) {
    const summary = await watchdog.outlast(async () => {
      await printer.printNew();
      if (!(await hasEnded(catalog, setId))) return undefined;
      await printer.printNew();
      return summarizeSet(catalog, setId);
    });
    if (summary !== undefined) return summary;
    await watchdog.look();
    await Promise.race([interrupt.promise, sleep(lookEveryMs)]);
  }
  return undefined;
}

async function followLive(
  session: Session,
  server: Server,
  catalog: Catalog,
  setId: string,
  interrupt: Interrupt,
): Promise<SetSummary | undefined> {
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
  try {
    while (!interrupt.happened) {
      const summary = await watchdog.outlast(() => summarizeSet(catalog, setId));
      if (summary !== undefined) {
        const steps = await pendingSteps(server, setId);
        screen(liveLines(summary, steps, view, process.stdout.columns).join('\n'));
        if (finalSetStates.includes(summary.status)) return summary;
      }
      await watchdog.look();
      await Promise.race([interrupt.promise, sleep(lookEveryMs)]);
    }
    return undefined;
  } finally {
    screen.done();
  }
}

function screenSay(screen: ReturnType<typeof createLogUpdate>, session: Session, sentence: string): void {
  screen.clear();
  session.say(sentence);
}

/** 0, 1 or 3, by what became of the set. */
export function exitCodeOf(summary: SetSummary): number {
  if (summary.status === 'completed') return exitCodes.success;
  return summary.status === 'completed_with_skips' ? exitCodes.skipped : exitCodes.failure;
}

/** What is printed at the end of a set: one JSON object, or lines with the list of what was skipped. */
export async function printSummary(
  session: Session,
  catalog: Catalog,
  summary: SetSummary,
  server: Server | undefined,
): Promise<void> {
  if (session.json) {
    session.emit(resultObject(summary));
    return;
  }
  const { setId, status, seconds, archives, files, bytesIn, bytesOut, tapes } = summary;
  session.print('');
  session.print(
    `Set ${setId}: ${status.replaceAll('_', ' ')} in ${formatSeconds(seconds)}${summary.reason === null ? '' : ` (${summary.reason})`}`,
  );
  session.print(
    `  ${counted(files, 'entry', 'entries')}, ${formatBytes(bytesIn)} in ${counted(archives, 'archive')} of ${formatBytes(bytesOut)}${archives > 1 ? ' together' : ''}${onTapes(tapes)}`,
  );
  if (summary.unchanged > 0) {
    const unchanged = `${counted(summary.unchanged, 'file is', 'files are')} unchanged since set ${summary.base ?? ''}`;
    session.print(`  ${unchanged}, and not stored again; a restore takes them from earlier sets by itself`);
  }
  if (summary.copies.length > 1) {
    const counts = summary.copies.map(
      ({ pool, archives: on }) => `${counted(on, 'archive')} in pool ${pool}`,
    );
    session.print(`  ${summary.copies.length} copies: ${counts.join(', ')}`);
  }
  for (const name of new Set(summary.copies.map((copy) => copy.drive))) {
    const drive = session.settings.drives.find((candidate) => candidate.name === name);
    if (drive === undefined || archives === 0) continue;
    session.print(
      `  On the tape in drive ${drive.name}: ${drive.path}/${setId}; any \`tar xzf\` reads the archives.`,
    );
  }
  for (const left of summary.leftOut) session.print(`  Left out: ${left}`);
  await printEntryLists(session, catalog, summary);
  for (const { group, reason } of summary.failedGroups.slice(0, failedShown))
    session.print(`  Group ${group} failed at ${reason}`);
  if (summary.failedGroups.length > 0) session.print(`  \`tapeflow retry ${setId}\` tries them again.`);
  if (server?.lease !== undefined && !server.lease.host.sticky) {
    session.print(`  The Temporal UI was at ${server.lease.host.ui}; \`tapeflow up\` opens it again.`);
  }
}

function onTapes(tapes: readonly string[]): string {
  if (tapes.length === 0) return ', on no tape';
  return ` on ${tapes.length === 1 ? 'tape' : 'tapes'} ${tapes.join(', ')}`;
}

/** `full`, or what a set was compared with. */
export function modeText(mode: string, base: string | null): string {
  return base === null ? mode : `${mode}, since set ${base}`;
}

/** The object that `backup --json` ends with. */
export function resultObject(summary: SetSummary): object {
  const { setId, status, groups, archives, files, skipped, flagged, bytesIn, bytesOut, seconds, tapes } =
    summary;
  return { setId, status, groups, archives, files, skipped, flagged, bytesIn, bytesOut, seconds, tapes };
}
