import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAdaptorServer } from '@hono/node-server';
import type { Command } from 'commander';
import { TapeflowFailure, describeError, systemErrorCode } from '../config/failures.js';
import type { Settings } from '../config/settings/settings.js';
import { describeHolder, tryLock } from '../disk/exclusive-lock.js';
import {
  newPage,
  pageAddressOf,
  pageLockFile,
  pageUrl,
  readPageFile,
  writePageFile,
  type PageFile,
} from '../client/page/page-file.js';
import { pageApp } from './app.js';
import { secretsOf } from './access/secrets.js';
import { Site } from './site.js';
import { english } from '../messages/sentence.js';

/** A page that is served. */
export interface Served {
  /** Its address, with the token. */
  url: string;
  close(): Promise<void>;
}

/** Milliseconds for requests under way when the page ends. */
const lastAnswersMs = 500;

/**
 * Serves the page of a data folder. One process does so at a time: undefined when another one does, which `heldBy`
 * describes then. Throws `PageNotServed` where the address of the settings cannot be had.
 */
export async function servePage(
  command: Command,
  settings: Settings,
  isReadOnly: boolean,
): Promise<Served | { heldBy: string; url: string | undefined }> {
  const dataDir = settings.TAPEFLOW_DATA_DIR;
  const role = isReadOnly ? english`web page that shows only` : english`web page`;
  const locked = tryLock(pageLockFile(dataDir), { role, dataDir });
  if (!('lock' in locked)) {
    const page = readPageFile(dataDir);
    const url = page && pageUrl(pageAddressOf(settings, page), page.token);
    return { heldBy: describeHolder(locked.heldBy), url };
  }
  try {
    const page = readPageFile(dataDir) ?? newPage();
    const secrets = secretsOf(page.token);
    const site = new Site(command, settings, isReadOnly, secrets.base);
    const app = pageApp(site, secrets, pageAddressOf(settings, page));
    const server = createAdaptorServer({ fetch: app.fetch }) as HttpServer;
    const address = await listen(server, settings, page);
    return {
      url: pageUrl(address, page.token),
      async close() {
        server.close();
        await Promise.race([once(server, 'close'), sleep(lastAnswersMs)]);
        server.closeAllConnections();
        await site.close();
        locked.lock.release();
      },
    };
  } catch (error) {
    locked.lock.release();
    throw error;
  }
}

/** Listens where the settings say, or at the kept port, or at a free one, which is kept. Returns `ADDRESS:PORT`. */
async function listen(server: HttpServer, settings: Settings, page: PageFile): Promise<string> {
  const address = pageAddressOf(settings, page);
  const isGiven = settings.WEB_ADDRESS !== undefined;
  const [, host = '', port] = /^\[?(.+?)\]?:(\d+)$/.exec(address) ?? [];
  try {
    await listening(server, host, Number(port));
  } catch (error) {
    if (isGiven || systemErrorCode(error) !== 'EADDRINUSE')
      throw new TapeflowFailure(
        'PageNotServed',
        english`The page cannot be served at ${address}: ${describeError(error)}.`,
        {
          kind: 'transient',
          advice: english`Another program may be there, or the address is none of this machine: see WEB_ADDRESS.`,
          cause: error,
        },
      );
    await listening(server, host, 0);
  }
  const chosen = isGiven ? page.port : (server.address() as AddressInfo).port;
  // Always written: the token must be there before anybody is told of it.
  writePageFile(settings.TAPEFLOW_DATA_DIR, { ...page, port: chosen });
  return pageAddressOf(settings, { ...page, port: chosen });
}

function listening(server: HttpServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
