import { closeSync, fchmodSync, fchownSync, openSync, statSync } from 'node:fs';
import type Database from 'better-sqlite3';
import { CompiledQuery, type DatabaseConnection, type Driver, SqliteDialect, SqliteDriver } from 'kysely';
import { beginImmediate, CatalogConnection } from './connection.js';

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

/** Kysely's SQLite dialect with `ImmediateDriver`. */
export class ImmediateDialect extends SqliteDialect {
  constructor(private readonly database: Database.Database) {
    super({ database });
  }
  override createDriver(): Driver {
    return new ImmediateDriver(this.database);
  }
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
