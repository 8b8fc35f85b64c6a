import { randomBytes } from 'node:crypto';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { english } from '../../messages/sentence.js';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import type { Settings } from '../../config/settings/settings.js';
import { readSecretFile, type SecretFile } from '../../disk/secret-file.js';

/** What stays the same from run to run, so that an open tab and a bookmark outlive a restart. */
export interface PageFile {
  /** Who has it may do everything that the page can. */
  token: string;
  /** The port of 127.0.0.1 that was free the first time; 0: none was chosen yet. */
  port: number;
}

const schema = z.object({ token: z.string().regex(/^[0-9a-f]{64}$/), port: z.int().min(0).max(65_535) });

/** Path of the file in a data folder. */
export function pageFile(dataDir: string): string {
  return path.join(dataDir, 'web.json');
}

/** The token and the port of a data folder's page; undefined when there are none yet. Throws `PageFileUnusable`. */
export function readPageFile(dataDir: string): PageFile | undefined {
  const file = pageFile(dataDir);
  const unusable = (message: string, cause?: unknown) =>
    new TapeflowFailure('PageFileUnusable', message, {
      advice: english`Delete it, and the page gets another token when it is served next.`,
      cause,
    });
  let found: SecretFile | undefined;
  try {
    found = readSecretFile(file);
  } catch (error) {
    throw unusable(
      english`The token of the page cannot be used: ${file} cannot be read: ${describeError(error)}.`,
      error,
    );
  }
  if (found === undefined) return undefined;
  if (found.exposed !== undefined)
    throw unusable(
      english`The token of the page cannot be used: ${file} may be read by others (mode ${found.exposed}).`,
    );
  try {
    return schema.parse(JSON.parse(found.text));
  } catch (error) {
    throw unusable(english`The token of the page cannot be used: ${file} is damaged.`, error);
  }
}

/** Writes it under another name first: whoever finds the file finds all of it. */
export function writePageFile(dataDir: string, page: PageFile): void {
  const part = `${pageFile(dataDir)}.${process.pid}.part`;
  rmSync(part, { force: true });
  // Never through an existing file.
  writeFileSync(part, JSON.stringify(page), { mode: 0o600, flag: 'wx' });
  renameSync(part, pageFile(dataDir));
}

/** A token that nobody guesses, without a port. */
export function newPage(): PageFile {
  return { token: randomBytes(32).toString('hex'), port: 0 };
}

/** The address to open, with its token; `address`: `ADDRESS:PORT`. */
export function pageUrl(address: string, token: string): string {
  return `http://${address}/?token=${token}`;
}

/** `ADDRESS:PORT` where a page is to be served: that of the settings, or of 127.0.0.1 with its kept port. */
export function pageAddressOf(
  { WEB_ADDRESS: given }: Pick<Settings, 'WEB_ADDRESS'>,
  { port }: PageFile,
): string {
  return given === undefined || given === 'off' ? `127.0.0.1:${port}` : given;
}

/** The lock that whoever serves the page of a data folder holds. */
export function pageLockFile(dataDir: string): string {
  return path.join(dataDir, 'web.lock');
}
