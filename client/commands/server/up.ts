import type { Command } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import { english } from '../../../messages/sentence.js';
import { shown, t } from '../../../messages/shown.js';
import { requireZstdSupport } from '../../../operations/sets/zstd-support.js';
import { isCatalogOutOfReach } from '../../../catalog/catalog-failure.js';
import { listSets, unfinishedSets } from '../../../catalog/sets/sets.js';
import { createLogger, type Logger } from '../../../config/logger.js';
import { TapeflowFailure, usageFailure } from '../../../config/failures.js';
import { tellServiceManager } from '../../../config/service-manager.js';
import { startHost, type Host } from '../../../embedded/host.js';
import { joinHost, joinSettledHost, stopHost, type Lease } from '../../../embedded/lease.js';
import { usesOwnServer } from '../../../workers/server/own-server.js';
import { EventPrinter } from '../../follow/events.js';
import { isJournal, shownPageUrl, startPage, type PageProcess } from '../../page/page-process.js';
import { inSession, type Session } from '../../session.js';
import { untilStopped } from '../../server.js';
import { troubledSets } from '../../follow/set-health.js';

/** `up`: server, UI and workers on this machine until Ctrl-C. `down` stops what `--detach` left running. */
export function addUp(program: Command): void {
  program.command('up').action((_options, command: Command) => inSession(command, up));
  program.command('down').action((_options, command: Command) => inSession(command, down));
}

async function up(session: Session): Promise<void> {
  const { settings } = session;
  if (usesOwnServer(settings)) {
    throw new TapeflowFailure(
      'OwnServer',
      english`The settings name a Temporal server of your own: \`up\` runs the embedded one only.`,
      {
        kind: 'usage',
        advice: english`Run \`tapeflow worker archive\` and \`tapeflow worker tape --drive NAME\` beside your server.`,
      },
    );
  }
  if (settings.COMPRESSION === 'zstd') await requireZstdSupport(settings.COMPRESSION_CODEC);
  await session.settleHost();
  const running = await joinHost(settings);
  const logger = createLogger(settings, 'host');
  // It begins while the server does.
  const page = startPage(settings, logger, (sentence) => session.say(shown(sentence)));
  try {
    if (running !== undefined) await joined(session, running, page);
    else await hosted(session, logger, page);
  } finally {
    await page.stop();
  }
}

/** The page, as `up --json` has it; not in a journal, which others may read too. */
function pageObject(url: string | undefined): { page?: string } {
  return url === undefined || isJournal() ? {} : { page: url };
}

/** What tells of the page: a line for people. */
function printPage(session: Session, url: string | undefined): void {
  if (url !== undefined) session.print(t`Page:         ${shownPageUrl(url)}`);
}

/** Another process already runs the host; this one keeps it up until Ctrl-C. */
async function joined(session: Session, lease: Lease, page: PageProcess): Promise<void> {
  const { pid, ui, address } = lease.host;
  const url = await page.url();
  if (session.json) session.emit({ pid, ui, address, ...pageObject(url) });
  else {
    session.print(t`Server and workers run already (pid ${pid}). Temporal UI: ${ui}`);
    printPage(session, url);
    session.print(t`They stay until Ctrl-C here.`);
  }
  const lost = new Promise<void>((resolve) => lease.onLost(resolve));
  void tellServiceManager('READY=1');
  await showEvents(session, Promise.race([interrupted(), lost]));
  await untilStopped(session, lease.release());
}

async function hosted(session: Session, logger: Logger, page: PageProcess): Promise<void> {
  const { settings } = session;
  const started = await startOrJoin(session, logger);
  if ('lease' in started) {
    await joined(session, started.lease, page);
    return;
  }
  const { host } = started;
  void host.told.then(() => tellServiceManager('READY=1'));
  void interrupted().then(() => {
    void tellServiceManager('STOPPING=1');
    session.say(t`Stopping; sets that are under way go on at the next \`up\` or \`backup\`.`);
    host.stop();
    return untilStopped(session, host.stopped);
  });
  const { pid, ui, address } = host.file;
  const url = await page.url();
  if (session.json) session.emit({ pid, ui, address, ...pageObject(url) });
  else {
    printPage(session, url);
    session.print(t`Temporal UI:  ${ui}`);
    session.print(t`Temporal:     ${address}`);
    session.print(t`Logs:         ${settings.TAPEFLOW_DATA_DIR}/logs`);
    session.print(t`Ctrl-C stops.`);
  }
  for (const { setId, trouble } of await troubledSets(session)) {
    session.say(t`Set ${setId} is unfinished, but ${trouble.finding}. ${trouble.advice}`);
  }
  await showEvents(session, host.stopped);
}

/** Starts the host; one that is just being started is joined, and the end of one that stops is waited for. */
async function startOrJoin(session: Session, logger: Logger): Promise<{ host: Host } | { lease: Lease }> {
  const say = (sentence: string) => session.say(shown(sentence));
  for (;;) {
    try {
      return { host: await startHost(session.settings, logger, { sticky: true, say }) };
    } catch (error) {
      if (!(error instanceof TapeflowFailure) || error.code !== 'HostRuns') throw error;
      const lease = await joinSettledHost(session.settings, (holder) => sayWaits(session, holder));
      if (lease !== undefined) return { lease };
    }
  }
}

function sayWaits(session: Session, holder: string): void {
  session.say(
    t`Server and workers are just being started or stopped, which is waited for: ${shown(holder)}.`,
  );
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
}

/** Prints the events of all sets, until `end`. */
async function showEvents(session: Session, end: Promise<void>): Promise<void> {
  const catalog = await session.catalog();
  const printers = new Map<string, EventPrinter>();
  const before = new Set((await listSets(catalog)).map((set) => set.id));
  const unfinished = new Set((await unfinishedSets(catalog)).map((set) => set.id));
  let over = false;
  void end.finally(() => (over = true));
  const printAll = async () => {
    for (const { id } of await listSets(catalog)) {
      // Sets that had already ended have no news.
      if (before.has(id) && !unfinished.has(id)) continue;
      let printer = printers.get(id);
      if (printer === undefined) {
        printer = new EventPrinter(session, catalog, id);
        if (before.has(id)) await printer.skipOld();
        printers.set(id, printer);
      }
      await printer.printNew();
    }
  };
  while (!over) {
    await printAll().catch((error: unknown) => {
      // Server and workers survive a catalog that is away for a while; this display must not stop them.
      if (!isCatalogOutOfReach(error)) throw error;
    });
    await Promise.race([end, sleep(500)]);
  }
  await end;
}

async function down(session: Session): Promise<void> {
  const lease = await joinSettledHost(session.settings, (holder) => sayWaits(session, holder));
  const stop = lease?.host.serviceStop;
  if (lease !== undefined && stop !== undefined) {
    await lease.release();
    throw usageFailure(
      'RunsAsService',
      english`Server and workers are a service, which would start again at once.`,
      english`\`${stop}\` stops it.`,
    );
  }
  if (lease !== undefined) await untilStopped(session, stopHost(lease));
  const stopped = lease !== undefined;
  if (session.json) session.emit({ stopped });
  else session.print(stopped ? t`Server and workers have stopped.` : t`No server of this data folder runs.`);
}
