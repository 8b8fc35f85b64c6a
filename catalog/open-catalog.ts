import { closeSync, existsSync, fchmodSync, fchownSync, openSync, statSync } from 'node:fs';
import path from 'node:path';
import { randomUUID } from 'node:crypto';
import Database from 'better-sqlite3';
import {
  CompiledQuery,
  Kysely,
  Migrator,
  SqliteDialect,
  SqliteDriver,
  type DatabaseConnection,
  type Driver,
} from 'kysely';
import { TapeflowFailure, describeError } from '../config/failures.js';
import { makeReadableFile, makeReadableFolders } from '../config/shared-group.js';
import { catalogFailure } from './catalog-failure.js';
import { CatalogConnection, beginImmediate, busyTimeoutMs, installationSql } from './connection.js';
import { fence } from './fence.js';
import {
  countCommit,
  forgetNewest,
  generationOf,
  requireNotRestoring,
  requireNewest,
  requireOwnLog,
} from './generation.js';
import { migrations } from './migrations.js';
import type { Tables } from './schema.js';
import { endedUncleanly, requireSound } from './unclean-end.js';

/** The catalog: one database that several processes of this installation use at once. */
export type Catalog = Kysely<Tables>;

/**
 * How much of `busyTimeoutMs` SQLite itself may wait, in milliseconds: its wait blocks the thread, and with it
 * heartbeats. The rest is waited between retries, while the thread does other work.
 */
const blockingMs = 20;

/**
 * Begins transactions with their write lock. A transaction that began with a read and writes later is refused at once
 * (SQLITE_BUSY_SNAPSHOT), without waiting, when another process wrote in between.
 */
class ImmediateDriver extends SqliteDriver {
  private readonly connection: CatalogConnection;

  constructor(private readonly database: Database.Database) {
    super({ database });
    this.connection = new CatalogConnection(database);
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    // Waits for its turn; the connection that it returns would prepare every statement again.
    await super.acquireConnection();
    return this.connection;
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(beginImmediate));
    this.connection.begun();
  }

  override async commitTransaction(): Promise<void> {
    this.connection.commit();
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // A full or failing disk has already rolled it back; an error of this rollback would hide the first one.
    if (this.database.inTransaction) await super.rollbackTransaction(connection);
  }

  override async destroy(): Promise<void> {
    const { open, readonly, memory, name } = this.database;
    const isOurs = open && !readonly && !memory;
    if (isOurs) this.connection.note();
    await super.destroy();
    if (isOurs) leaveLog(name);
  }
}

class ImmediateDialect extends SqliteDialect {
  constructor(private readonly database: Database.Database) {
    super({ database });
  }
  override createDriver(): Driver {
    return new ImmediateDriver(this.database);
  }
}

/**
 * Opens the catalog, checks it, and brings its schema up to date.
 *
 * @param file absolute path of the SQLite file; created when missing, but never its folder: that may be an absent
 *   mount, and an empty catalog below it would make running sets look unknown.
 * @param dataDir the data folder, which is created at first use.
 */
export async function openCatalog(file: string, dataDir?: string): Promise<Catalog> {
  let database: Database.Database | undefined;
  try {
    if (dataDir !== undefined) makeReadableFolders(dataDir);
    requireFolder(path.dirname(file));
    requireNotRestoring(file);
    if (!existsSync(file)) forgetNewest(file);
    requireOwnLog(file);
    const isUnclean = endedUncleanly(file);
    makeReadableFile(file);
    database = new Database(file, { timeout: busyTimeoutMs });
    requireLog(database, file);
    // FULL: a commit survives a power cut. Staged archives are deleted because of a commit.
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    if (isUnclean) requireSound(database, file);
    const catalog = catalogOn(database);
    await migrate(catalog, database);
    requireNewest(file, generationOf(database), database.prepare(installationSql).pluck().get() as string);
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
 * Creates an empty log and log index, which SQLite removes with the last connection: users who may read the catalog but
 * not write beside it need them to open it. Created only where missing, with the catalog's permissions.
 */
function leaveLog(file: string): void {
  try {
    const { mode, uid, gid } = statSync(file);
    for (const ending of ['-wal', '-shm']) {
      const fd = openSync(file + ending, 'wx', 0o600);
      try {
        fchownSync(fd, process.getuid?.() === 0 ? uid : -1, gid);
        fchmodSync(fd, mode & 0o777);
      } finally {
        closeSync(fd);
      }
    }
  } catch {
    // They exist because another process has the catalog open; or the disk is full, and readers need the owner to run a
    // command.
  }
}

/**
 * Turns on the write-ahead log (WAL), so that others can read while one writes. A file system without shared memory
 * silently ignores this.
 */
function requireLog(database: Database.Database, file: string): void {
  const mode = database.pragma('journal_mode = WAL', { simple: true }) as string;
  if (mode === 'wal') return;
  throw new TapeflowFailure(
    'CatalogUnusable',
    `The file system of the catalog ${file} cannot do what SQLite needs: shared memory and locks (journal mode ${mode}).`,
    { advice: 'Put it on a disk of this machine: set CATALOG_URL or TAPEFLOW_DATA_DIR.' },
  );
}

/** Throws `CatalogUnusable` when the catalog's folder does not exist: it may be an absent mount. */
export function requireFolder(folder: string): void {
  if (existsSync(folder)) return;
  throw new TapeflowFailure('CatalogUnusable', `The folder ${folder} of the catalog does not exist.`, {
    kind: 'transient',
    advice:
      'Mount it or bring it back; sets wait and go on by themselves. For a new catalog, make the folder.',
  });
}

/** Brings the schema up to date in one transaction: a crash leaves it as it was, and a second process waits. */
async function migrate(catalog: Catalog, database: Database.Database): Promise<void> {
  if (isUpToDate(database)) return;
  const migrator = new Migrator({
    db: catalog,
    provider: { getMigrations: async () => migrations },
    // Migrations are independent: a catalog of a development version may have a later one without an earlier one.
    allowUnorderedMigrations: true,
  });
  // Kysely begins no transaction for DDL on SQLite, so this one covers everything it does on the connection.
  database.exec('begin immediate');
  try {
    if (!isUpToDate(database)) {
      const { error } = await migrator.migrateToLatest();
      if (error !== undefined) throw error instanceof Error ? error : new Error(describeError(error));
    }
    countCommit(database);
    database.exec('commit');
  } catch (error) {
    if (database.inTransaction) database.exec('rollback');
    throw error;
  }
}

/**
 * True when every migration was applied. Throws `CatalogNewer` when the file has migrations that this program does not
 * know.
 */
export function isUpToDate(database: Database.Database): boolean {
  const known = Object.keys(migrations);
  const done = database.prepare(`select name from sqlite_master where name = 'kysely_migration'`).get();
  if (done === undefined) return false;
  const applied = database.prepare('select name from kysely_migration').pluck().all() as string[];
  const newer = applied.filter((name) => !known.includes(name));
  if (newer.length > 0) {
    throw new TapeflowFailure(
      'CatalogNewer',
      `The catalog was made by a newer tapeflow (${newer.join(', ')}).`,
      {
        advice: 'Use that version or a newer one.',
      },
    );
  }
  return applied.length === known.length;
}

/** The identity of this installation: made once, written into every label and manifest. */
export async function installationId(catalog: Catalog): Promise<string> {
  const known = await catalog
    .selectFrom('meta')
    .select('value')
    .where('key', '=', 'installation')
    .executeTakeFirst();
  if (known !== undefined) return known.value;
  await catalog
    .insertInto('meta')
    .values({ key: 'installation', value: randomUUID() })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .execute();
  const row = await catalog
    .selectFrom('meta')
    .select('value')
    .where('key', '=', 'installation')
    .executeTakeFirstOrThrow();
  return row.value;
}

/**
 * The short id of this installation, for people and for names at the server: the setting, or the beginning of its
 * identity.
 */
export async function shortInstallationId(
  catalog: Catalog,
  settings: { TAPEFLOW_INSTALLATION?: string | undefined },
): Promise<string> {
  return settings.TAPEFLOW_INSTALLATION ?? (await installationId(catalog)).slice(0, 8);
}
