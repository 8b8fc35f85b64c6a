import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { TapeflowFailure, describeError, usageFailure } from '../config/failures.js';
import { createLogger } from '../config/logger.js';
import { tellServiceManager } from '../config/service-manager.js';
import type { Settings } from '../config/settings/settings.js';
import { openSession, type Session } from '../client/session.js';
import { shownPageUrl } from '../client/page/page-process.js';
import { servePage, type Served } from './serve.js';
import { english } from '../messages/sentence.js';
import { t } from '../messages/shown.js';

/** Milliseconds after which the page beside `up` tries again to be served. */
const tryAgainMs = 5000;

/** `web`: the page, until Ctrl-C. `up` runs it too, as a process of its own. */
export function addWeb(program: Command): void {
  program
    .command('web')
    .option('--read-only', 'show everything, and take no commands')
    .action(async ({ readOnly }: { readOnly?: true }, command: Command) => {
      const session = openSession(command);
      const { settings } = session;
      const shows = readOnly === true || settings.WEB_READ_ONLY;
      if (settings.WEB_ADDRESS === 'off')
        throw usageFailure(
          'PageOff',
          english`The settings turn the page off (WEB_ADDRESS).`,
          english`Give WEB_ADDRESS a port.`,
        );
      if (process.send === undefined) await serveForPeople(session, command, shows);
      else await serveBesideUp(command, settings, shows);
      // The client of the server, and whoever still reads, would keep this process.
      process.exit();
    });
}

/** On the command line: what goes wrong ends it, and a page that is served already is named. */
async function serveForPeople(session: Session, command: Command, isReadOnly: boolean): Promise<void> {
  const served = await servePage(command, session.settings, isReadOnly);
  if ('heldBy' in served) {
    if (session.json) session.emit({ page: served.url ?? null, servedBy: served.heldBy });
    else {
      session.print(t`The page is served already, by ${served.heldBy}.`);
      if (served.url !== undefined) session.print(t`Page: ${shownPageUrl(served.url)}`);
    }
    return;
  }
  if (session.json) session.emit({ pid: process.pid, page: served.url });
  else {
    session.print(t`Page: ${shownPageUrl(served.url)}`);
    session.print(isReadOnly ? t`It shows only, and takes no commands. Ctrl-C ends it.` : t`Ctrl-C ends it.`);
  }
  void tellServiceManager('READY=1');
  await ended();
  await served.close();
}

/** Beside `up`: serves it as soon as that is possible, and says what is in the way. */
async function serveBesideUp(command: Command, settings: Settings, isReadOnly: boolean): Promise<void> {
  const logger = createLogger(settings, 'web');
  const tell = (message: { ready?: true; failed?: string }) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
  };
  const end = ended();
  let over = false;
  void end.then(() => (over = true));
  let served: Served | undefined;
  let said: string | undefined;
  while (!over && served === undefined) {
    try {
      const found = await servePage(command, settings, isReadOnly);
      if (!('heldBy' in found)) {
        served = found;
        logger.info('the page is served');
      }
      // Another process serves it: when that ends, this one does.
      tell({ ready: true });
    } catch (error) {
      const sentence = error instanceof TapeflowFailure ? error.sentence : describeError(error);
      if (sentence !== said) {
        logger.warn({ err: error }, sentence);
        tell({ failed: `${sentence} ${english`It is tried again.`}` });
      }
      said = sentence;
    }
    if (served === undefined) await Promise.race([end, sleep(tryAgainMs)]);
  }
  await end;
  await served?.close();
}

/** Resolves when this process is told to end, or whoever has started it is gone. */
function ended(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
    if (process.send !== undefined) process.once('disconnect', () => resolve());
  });
}
