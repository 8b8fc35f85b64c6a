import { copyFileSync, existsSync, linkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { english } from '../../messages/sentence.js';
import { TapeflowFailure, systemErrorCode, usageFailure } from '../../config/failures.js';
import { fsyncFolderSync } from '../../disk/durable-file.js';
import {
  checkedInfo,
  copyWithLog,
  infoIfReadable,
  isCatalog,
  isSameFile,
  nothingDone,
  partFileFor,
  syncFile,
  type CatalogInfo,
} from './back-up-catalog.js';
import { isBefore } from '../sqlite/generation.js';
import { finalSetStates } from '../schema/set-tables.js';
import { forgetNewest, newestSeen, noteNewest, restoringFile } from '../sqlite/newest-seen.js';
import { requireOwnLog } from '../sqlite/own-log.js';
import { openCatalog, type Catalog } from '../open-catalog.js';
import { finalRetrievalStates, recordRetrieval } from '../retrievals/retrievals.js';
import { recordSetState } from '../sets/set-states.js';

/** The result of restoring a copy of the catalog. */
export interface RestoredCatalog extends CatalogInfo {
  /** Where the replaced catalog is now; undefined: there was none. */
  replaced: string | undefined;
  /** Ids of sets, restores, verifies and copies that were unfinished in the copy and are given up. */
  givenUp: string[];
  /** The replaced catalog was newer, or that is not known. */
  isOlder: boolean;
}

/** What must be done before a catalog is copied or replaced. */
export const endWorkersAdvice = english`End the workers first (\`tapeflow down\`, and those that were
  started separately).`;

/**
 * Replaces the catalog by a copy: fully checked, with the known numbers of newer sets, and with the replaced catalog
 * kept beside it. What is unfinished in the copy is given up if the catalog was newer: the old state says nothing about
 * what is on the tapes. If killed at any point, it leaves the old catalog, the new one, or one that nobody opens until
 * this is called again. Throws usage failures for an unsuitable file, and `CatalogInUse`.
 *
 * @param from the copy, which is not changed. It may be the catalog itself, to accept an older one that was put there.
 * @param options `foreign`: also accepts the catalog of another installation.
 */
export async function restoreCatalog(
  file: string,
  from: string,
  options: { foreign: boolean; now?: Date },
): Promise<RestoredCatalog> {
  requireCopy(from);
  const before = isSameFile(file, from) ? undefined : infoIfReadable(file);
  const seen = newestSeen(file);
  const part = partFileFor(file);
  try {
    requireClosed(file);
    copyWithLog(from, part);
    const facts = checkedInfo(part);
    const installation = before?.installation ?? seen?.installation;
    const isForeign = installation !== undefined && facts.installation !== installation;
    if (isForeign && !options.foreign)
      throw usageFailure(
        'OtherInstallation',
        english`${from} is the catalog of another installation (${facts.installation ?? english`one without tapes`}).`,
        `${nothingDone} ${english`\`--other-installation\` puts it here anyway.`}`,
      );
    const known = [before?.generation, seen?.generation].filter((number) => number !== undefined);
    const isOlder =
      isForeign || known.length === 0 || known.some((number) => isBefore(facts.generation, number));
    const givenUp = await settle(part, before === undefined ? [] : setIdsOf(file), isOlder);
    const replaced = replace(file, part, options.now ?? new Date());
    return { ...facts, replaced, givenUp, isOlder };
  } finally {
    for (const ending of ['', '-wal', '-shm', '-journal', '-newest.json'])
      rmSync(part + ending, { force: true });
  }
}

function requireCopy(from: string): void {
  if (!existsSync(from)) throw usageFailure('NoSuchFile', english`There is no file ${from}.`, nothingDone);
  requireOwnLog(from);
  if (!isCatalog(from))
    throw usageFailure(
      'WrongFile',
      english`${from} is not a tapeflow catalog, or is too damaged to be read.`,
      nothingDone,
    );
}

/** Requires that nobody has the catalog open. A damaged catalog cannot be checked for that. */
export function requireClosed(file: string): void {
  if (!existsSync(file)) return;
  try {
    requireOwnLog(file);
  } catch {
    return;
  }
  let database: Database.Database | undefined;
  try {
    database = new Database(file, { timeout: 0, fileMustExist: true });
    // In this mode SQLite refuses when any other connection is open.
    database.pragma('locking_mode = exclusive');
    database.exec('begin exclusive; rollback');
  } catch (error) {
    const code = systemErrorCode(error) ?? '';
    if (!code.startsWith('SQLITE_BUSY') && !code.startsWith('SQLITE_LOCKED')) return;
    throw new TapeflowFailure('CatalogInUse', english`The catalog ${file} is in use.`, {
      advice: `${nothingDone} ${endWorkersAdvice}`,
      cause: error,
    });
  } finally {
    database?.close();
  }
}

/** Ids of the sets in a catalog; none when it cannot be read. */
function setIdsOf(file: string): string[] {
  let database: Database.Database | undefined;
  try {
    database = new Database(file, { readonly: true, fileMustExist: true });
    return database
      .prepare('select id from sets union select set_id from seen_sets')
      .pluck()
      .all() as string[];
  } catch {
    return [];
  } finally {
    database?.close();
  }
}

/** Prepares a copy before it gets the catalog's name: its schema, used set numbers, and what is given up. */
async function settle(part: string, takenIds: readonly string[], isOlder: boolean): Promise<string[]> {
  const catalog = await openCatalog(part);
  try {
    for (const id of takenIds)
      await catalog
        .insertInto('seen_sets')
        .values({ set_id: id })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    return isOlder ? await giveUpUnfinished(catalog) : [];
  } finally {
    await catalog.destroy();
  }
}

async function giveUpUnfinished(catalog: Catalog): Promise<string[]> {
  const reason = english`an older copy of the catalog was put back, and what became of it since is not known`;
  const sets = await catalog
    .selectFrom('sets')
    .select('id')
    .where('state', 'not in', finalSetStates)
    .execute();
  for (const { id } of sets)
    await recordSetState(
      catalog,
      id,
      'failed',
      english`${reason}; \`tapeflow tape catalog\` reads it from its tapes`,
    );
  const retrievals = await catalog
    .selectFrom('retrievals')
    .select('id')
    .where('state', 'not in', finalRetrievalStates)
    .execute();
  for (const { id } of retrievals) await recordRetrieval(catalog, id, 'failed', reason);
  return [...sets, ...retrievals].map(({ id }) => id);
}

/** Moves a prepared copy into place, and keeps the old catalog under another name, with its log. */
function replace(file: string, part: string, now: Date): string | undefined {
  const folder = path.dirname(file);
  const stamp = now
    .toISOString()
    .replace(/\.\d+Z$/, '')
    .replace(/[-:]/g, '');
  const aside = `${file}.replaced-${stamp}`;
  const facts = checkedInfo(part);
  syncFile(part, true);
  // From here on nobody opens the catalog: file and log may not belong together.
  writeFileSync(restoringFile(file), JSON.stringify({ aside, at: now.toISOString() }), { mode: 0o600 });
  fsyncFolderSync(folder);
  try {
    requireClosed(file);
  } catch (error) {
    rmSync(restoringFile(file), { force: true });
    throw error;
  }
  const isReplaced = existsSync(file);
  for (const ending of ['', '-wal']) if (existsSync(file + ending)) keep(file + ending, aside + ending);
  fsyncFolderSync(folder);
  for (const ending of ['-wal', '-shm']) rmSync(file + ending, { force: true });
  renameSync(part, file);
  forgetNewest(file);
  if (facts.installation !== undefined) noteNewest(file, facts.generation, facts.installation);
  fsyncFolderSync(folder);
  rmSync(restoringFile(file), { force: true });
  fsyncFolderSync(folder);
  return isReplaced ? aside : undefined;
}

/** Hard-links a file to a second name; on file systems without hard links, copies it. */
function keep(file: string, aside: string): void {
  try {
    linkSync(file, aside);
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') throw error;
    copyFileSync(file, aside);
    syncFile(aside);
  }
}
