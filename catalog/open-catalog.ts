import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { CompiledQuery, Kysely } from 'kysely';
import { english } from '../messages/sentence.js';
import { isPostgres } from '../config/catalog-url.js';
import { TapeflowFailure } from '../config/failures.js';
import { makeReadableFile, makeReadableFolders } from '../config/shared-group.js';
import { migrate } from './migrations/migrate.js';
import type { Tables } from './schema/tables.js';
import { catalogFailure, isCatalogBusy } from './sqlite/catalog-failure.js';
import { betweenTriesMs, busyTimeoutMs, identityOf } from './sqlite/connection.js';
import { ImmediateDialect } from './sqlite/driver.js';
import { fence } from './sqlite/fence.js';
import { forgetNewest, requireNewest, requireNotRestoring } from './sqlite/newest-seen.js';
import { requireOwnLog } from './sqlite/own-log.js';
import { endedUncleanly, requireSound } from './sqlite/unclean-end.js';

/** The catalog: one database that several processes of this installation use at once. */
export type Catalog = Kysely<Tables>;

/**
 * How much of `busyTimeoutMs` SQLite itself may wait, in milliseconds: its wait blocks the thread, and with it
 * heartbeats. The rest is waited between retries, while the thread does other work.
 */
const blockingMs = 20;

/**
 * Opens the catalog, checks it, and brings its schema up to date.
 *
 * @param file absolute path of the SQLite file; created when missing, but never its folder: that may be an absent
 *   mount, and an empty catalog below it would make running sets look unknown. Or the URL of a PostgreSQL database.
 * @param dataDir the data folder, which is created at first use.
 */
export async function openCatalog(file: string, dataDir?: string): Promise<Catalog> {
  if (isPostgres(file)) {
    if (dataDir !== undefined) makeReadableFolders(dataDir);
    // Loaded only where it is needed: every command would wait for it.
    const { openPostgres } = await import('./postgres/open-postgres.js');
    return openPostgres(file, emptyCatalog);
  }
  let database: Database.Database | undefined;
  try {
    if (dataDir !== undefined) makeReadableFolders(dataDir);
    requireFolder(path.dirname(file));
    requireNotRestoring(file);
    if (!existsSync(file)) forgetNewest(file);
    requireOwnLog(file);
    const isUnclean = endedUncleanly(file);
    makeReadableFile(file);
    const opened = new Database(file, { timeout: busyTimeoutMs });
    database = opened;
    await requireLog(database, file);
    // FULL: a commit survives a power cut. Staged archives are deleted because of a commit.
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    if (isUnclean) requireSound(database, file);
    const catalog = catalogOn(database);
    await migrate(catalog, database);
    requireNewest(file, () => identityOf(opened));
    database.pragma(`busy_timeout = ${blockingMs}`);
    // Kysely closes only a database that it has used.
    await catalog.executeQuery(CompiledQuery.raw('select 1'));
    return catalog;
  } catch (error) {
    database?.close();
    throw catalogFailure(error, file);
  }
}

/** A catalog on a connection that is open. */
export function catalogOn(database: Database.Database): Catalog {
  return new Kysely<Tables>({ dialect: new ImmediateDialect(database), plugins: [fence] });
}

/** An empty catalog in memory. */
export async function emptyCatalog(): Promise<Catalog> {
  const database = new Database(':memory:');
  const catalog = catalogOn(database);
  await migrate(catalog, database);
  return catalog;
}

/**
 * Turns on the write-ahead log (WAL), so that others can read while one writes. A file system without shared memory
 * silently ignores this.
 */
async function requireLog(database: Database.Database, file: string): Promise<void> {
  const mode = await turnOnLog(database);
  if (mode === 'wal') return;
  throw new TapeflowFailure(
    'CatalogUnusable',
    english`The file system of the catalog ${file} cannot do what SQLite
      needs: shared memory and locks (journal mode ${mode}).`,
    { advice: english`Put it on a disk of this machine: set CATALOG_URL or TAPEFLOW_DATA_DIR.` },
  );
}

/**
 * Returns the journal mode in force. Of two processes that open a new catalog at once, SQLite refuses one immediately,
 * whatever its time-out: both have read the file, and each waits for the other to let go of it.
 */
async function turnOnLog(database: Database.Database): Promise<string> {
  const until = performance.now() + busyTimeoutMs;
  for (;;) {
    try {
      return database.pragma('journal_mode = WAL', { simple: true }) as string;
    } catch (error) {
      if (!isCatalogBusy(error) || performance.now() > until) throw error;
      await sleep(betweenTriesMs);
    }
  }
}

/** Throws `CatalogUnusable` when the catalog's folder does not exist: it may be an absent mount. */
export function requireFolder(folder: string): void {
  if (existsSync(folder)) return;
  throw new TapeflowFailure('CatalogUnusable', english`The folder ${folder} of the catalog does not exist.`, {
    kind: 'transient',
    advice: english`Mount it or bring it back; sets wait and go on by themselves. For a new catalog, make the folder.`,
  });
}
