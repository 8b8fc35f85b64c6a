import { mkdirSync } from 'node:fs';
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
  type SqliteDialectConfig,
} from 'kysely';
import { TapeflowFailure, describeError, systemErrorCode } from '../config/failures.js';
import { migrations } from './migrations.js';
import type { Tables } from './schema.js';

/** The catalog: one database that several processes of this installation use at once. */
export type Catalog = Kysely<Tables>;

/** How long a statement waits for another process's transaction, in milliseconds. */
const busyTimeoutMs = 10_000;

/**
 * Begins transactions with their write lock. A transaction that began with a read and writes later is refused at once
 * (SQLITE_BUSY_SNAPSHOT), without waiting, when another process wrote in between.
 */
class ImmediateDriver extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }
}

class ImmediateDialect extends SqliteDialect {
  constructor(private readonly config: SqliteDialectConfig) {
    super(config);
  }
  override createDriver(): Driver {
    return new ImmediateDriver(this.config);
  }
}

/** What a damaged or foreign catalog file looks like to SQLite. */
const damage = new Set(['SQLITE_CORRUPT', 'SQLITE_NOTADB']);

/** One sentence for a failure of the catalog's file; other errors come back as they are. */
export function catalogFailure(error: unknown, file: string): unknown {
  const code = systemErrorCode(error) ?? '';
  const base = code.split('_').slice(0, 2).join('_');
  if (damage.has(base)) {
    return new TapeflowFailure('CatalogDamaged', `The catalog ${file} is damaged (${code}).`, {
      advice: 'Nothing was changed; see "The catalog is lost" in docs/recovery.md.',
      cause: error,
    });
  }
  if (base === 'SQLITE_CANTOPEN' || base === 'SQLITE_READONLY' || code === 'EACCES' || code === 'EROFS') {
    return new TapeflowFailure(
      'CatalogUnusable',
      `The catalog ${file} cannot be opened for writing (${code}).`,
      {
        advice: 'Check the folder and its permissions, or set CATALOG_URL or TAPEFLOW_DATA_DIR.',
        cause: error,
      },
    );
  }
  if (base === 'SQLITE_FULL') {
    return new TapeflowFailure('CatalogDiskFull', `The disk of the catalog ${file} is full.`, {
      kind: 'transient',
      advice: 'Make room there; the set goes on by itself.',
      cause: error,
    });
  }
  return error;
}

/**
 * Opens the catalog and brings its schema up to date.
 * @param file absolute path of the SQLite file; made when missing.
 */
export async function openCatalog(file: string): Promise<Catalog> {
  try {
    mkdirSync(path.dirname(file), { recursive: true });
    const database = new Database(file, { timeout: busyTimeoutMs });
    database.pragma('journal_mode = WAL');
    // FULL: a commit survives a power cut. A staged archive is deleted on the strength of one.
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    const catalog = new Kysely<Tables>({ dialect: new ImmediateDialect({ database }) });
    await migrate(catalog, database);
    return catalog;
  } catch (error) {
    throw catalogFailure(error, file);
  }
}

/** Brings the schema up to date in one transaction: a crash leaves it as it was, and a second process waits. */
async function migrate(catalog: Catalog, database: Database.Database): Promise<void> {
  if (isUpToDate(database)) return;
  const migrator = new Migrator({ db: catalog, provider: { getMigrations: async () => migrations } });
  // Kysely begins no transaction for DDL on SQLite, so this one holds all that it does on the connection.
  database.exec('begin immediate');
  try {
    if (!isUpToDate(database)) {
      const { error } = await migrator.migrateToLatest();
      if (error !== undefined) throw error instanceof Error ? error : new Error(describeError(error));
    }
    database.exec('commit');
  } catch (error) {
    if (database.inTransaction) database.exec('rollback');
    throw error;
  }
}

/** True when every migration was applied. Throws `CatalogNewer` when the file knows more of them than this program. */
function isUpToDate(database: Database.Database): boolean {
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
