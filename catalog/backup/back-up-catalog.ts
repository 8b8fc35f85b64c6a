import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import Database from 'better-sqlite3';
import { english } from '../../messages/sentence.js';
import { grantGroupRead } from '../../config/shared-group.js';
import { TapeflowFailure, usageFailure } from '../../config/failures.js';
import { fsyncFolderSync } from '../../disk/durable-file.js';
import { installationSql } from '../sqlite/connection.js';
import { generationOf } from '../sqlite/generation.js';
import { generationInFile, requireOwnLog } from '../sqlite/own-log.js';

/** What a copy of a catalog contains. */
export interface CatalogInfo {
  /** Sets in it, and the id of the newest one. */
  sets: number;
  newest: string | null;
  installation: string | undefined;
  generation: number;
  bytes: number;
}

/** What stands behind a refusal to replace a catalog. */
export const nothingDone = english`Nothing was changed.`;

/**
 * Copies a catalog that others may be using: a consistent snapshot, checked, synced and private, renamed only when
 * complete. An earlier copy of that name is replaced; any other file is left alone.
 *
 * @param file the catalog. @param to absolute path of the copy.
 */
export async function backUpCatalog(file: string, to: string): Promise<CatalogInfo> {
  requireReplaceable(file, to);
  return publishCopy(to, (part) => {
    const database = new Database(file, { readonly: true, fileMustExist: true });
    try {
      database.prepare('vacuum into ?').run(part);
    } finally {
      database.close();
    }
  });
}

/**
 * Makes a copy of a catalog under a name of its own, checks and syncs it, and gives it its name.
 *
 * @param write fills an empty private file.
 */
export async function publishCopy(
  to: string,
  write: (part: string) => Promise<void> | void,
): Promise<CatalogInfo> {
  const part = partFileFor(to);
  try {
    closeSync(openSync(part, 'wx', 0o600));
    await write(part);
    const facts = checkedInfo(part);
    syncFile(part);
    renameSync(part, to);
    fsyncFolderSync(path.dirname(to));
    return facts;
  } finally {
    for (const ending of ['', '-journal', '-wal', '-shm', '-newest.json'])
      rmSync(part + ending, { force: true });
  }
}

/** Requires that a copy may get a name; `file`: the catalog, if that is a file. */
export function requireReplaceable(file: string | undefined, to: string): void {
  const there = lstatSync(to, { throwIfNoEntry: false });
  if (!existsSync(path.dirname(to)))
    throw usageFailure('WrongFile', english`The folder ${path.dirname(to)} does not exist.`, nothingDone);
  if (there === undefined) return;
  if (file !== undefined && isSameFile(file, to))
    throw usageFailure('WrongFile', english`${to} is the catalog itself.`, nothingDone);
  if (!there.isFile() || !isCatalog(to))
    throw usageFailure('WrongFile', english`${to} already exists, and is not a catalog.`, nothingDone);
}

/** True when both names refer to the same file. */
export function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((name) => statSync(name, { bigint: true, throwIfNoEntry: false }));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

/** Name of an incomplete file beside another one; only this process uses it. */
export function partFileFor(file: string): string {
  return `${file}.${process.pid}-${randomBytes(4).toString('hex')}.part`;
}

/** True for a catalog of tapeflow, of any version. Only reads the file. */
export function isCatalog(file: string): boolean {
  if (generationInFile(file) === undefined) return false;
  let database: Database.Database | undefined;
  try {
    database = new Database(file, { readonly: true, fileMustExist: true });
    const tables =
      `select count(*) from sqlite_master where type = 'table' and ` +
      `name in ('kysely_migration', 'meta', 'sets', 'copies')`;
    return database.prepare(tables).pluck().get() === 4;
  } catch {
    return false;
  } finally {
    database?.close();
  }
}

/** Describes a catalog's file after checking all of it. Throws `CatalogDamaged`. */
export function checkedInfo(file: string): CatalogInfo {
  const database = new Database(file, { readonly: true, fileMustExist: true });
  try {
    const verdict = database.pragma('integrity_check(1)', { simple: true }) as string;
    if (verdict !== 'ok')
      throw new TapeflowFailure(
        'CatalogDamaged',
        english`The catalog is damaged: ${verdict.replaceAll('\n', ' ')}.`,
        {
          advice: nothingDone,
        },
      );
    return factsOf(database, file);
  } finally {
    database.close();
  }
}

function factsOf(database: Database.Database, file: string): CatalogInfo {
  const one = (sql: string) => database.prepare(sql).pluck().get();
  return {
    sets: one('select count(*) from sets') as number,
    newest: one('select max(id) from sets') as string | null,
    installation: one(installationSql) as string | undefined,
    generation: generationOf(database),
    bytes: statSync(file).size,
  };
}

/** The same for a file that may be damaged or no catalog at all; undefined then. */
export function infoIfReadable(file: string): CatalogInfo | undefined {
  let database: Database.Database | undefined;
  try {
    requireOwnLog(file);
    database = new Database(file, { readonly: true, fileMustExist: true });
    return factsOf(database, file);
  } catch {
    return undefined;
  } finally {
    database?.close();
  }
}

/** Copies a catalog's file, and its log if there is one, to another name; private to this user. */
export function copyWithLog(from: string, to: string): void {
  for (const ending of ['', '-wal']) {
    if (!existsSync(from + ending)) continue;
    copyFileSync(from + ending, to + ending, constants.COPYFILE_EXCL);
    chmodSync(to + ending, 0o600);
  }
}

/** Makes a file durable; `isShared`: with the catalog's permissions. */
export function syncFile(file: string, isShared = false): void {
  const fd = openSync(file, 'r+');
  try {
    if (isShared) grantGroupRead(fd);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
