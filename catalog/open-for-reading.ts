import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { english } from '../messages/sentence.js';
import { isPostgres } from '../config/catalog-url.js';
import { TapeflowFailure, systemErrorCode } from '../config/failures.js';
import { catalogFailure } from './sqlite/catalog-failure.js';
import { busyTimeoutMs, identityOf } from './sqlite/connection.js';
import { isUpToDate } from './migrations/migrate.js';
import { requireNewest, requireNotRestoring } from './sqlite/newest-seen.js';
import { requireOwnLog } from './sqlite/own-log.js';
import { type Catalog, catalogOn, emptyCatalog, openCatalog, requireFolder } from './open-catalog.js';

/**
 * Opens the catalog for a command that only reads: it writes and creates nothing, so that whoever may read its files
 * can run it, with or without running workers. A missing catalog counts as empty, unless its folder is missing and is
 * not the data folder: that may be an absent mount. An older catalog is migrated if this user may write to it.
 */
export async function openForReading(
  file: string,
  dataDir: string,
  openForWork = () => openCatalog(file),
): Promise<Catalog> {
  if (isPostgres(file)) {
    const { openPostgresForReading } = await import('./postgres/open-postgres.js');
    return openPostgresForReading(file, emptyCatalog, openForWork);
  }
  let database: Database.Database | undefined;
  try {
    if (!isThere(file)) {
      const folder = path.dirname(file);
      if (folder !== dataDir) requireFolder(folder);
      return await emptyCatalog();
    }
    requireNotRestoring(file);
    requireOwnLog(file);
    const opened = new Database(file, { readonly: true, fileMustExist: true, timeout: busyTimeoutMs });
    database = opened;
    if (isUpToDate(database)) {
      requireNewest(file, () => identityOf(opened));
      return catalogOn(database);
    }
  } catch (error) {
    database?.close();
    throw readingFailure(error, file);
  }
  database.close();
  if (mayWrite(file)) return openForWork();
  throw new TapeflowFailure(
    'CatalogOlder',
    english`The catalog ${file} is of an older version of tapeflow.`,
    {
      advice: english`This user may not change it: any command of its owner, such as \`tapeflow sets\`,
 brings it up to date.`,
    },
  );
}

/** False only when there is no file, or no data folder yet; a path that may not be read is an error. */
function isThere(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false }) !== undefined;
}

/** True when this user may write to the catalog, and beside it. In PostgreSQL only a write can tell. */
export function mayWrite(file: string): boolean {
  if (isPostgres(file)) return true;
  try {
    for (const name of [file, path.dirname(file)]) accessSync(name, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function readingFailure(error: unknown, file: string): unknown {
  const code = systemErrorCode(error) ?? '';
  if (!/^(EACCES|EPERM|SQLITE_CANTOPEN|SQLITE_READONLY)/.test(code)) return catalogFailure(error, file);
  return new TapeflowFailure(
    'CatalogNotReadable',
    english`The catalog ${file} cannot be read by this user (${code}).`,
    {
      advice: english`Its folder and ${path.basename(file)}, ${path.basename(file)}-wal
          and ${path.basename(file)}-shm must be readable; any command of
          its owner makes the last two when they are missing.`,
      cause: error,
    },
  );
}
