import type Database from 'better-sqlite3';
import { type Kysely, Migrator } from 'kysely';
import { describeError } from '../../config/failures.js';
import type { Tables } from '../schema/tables.js';
import { countCommit } from '../sqlite/generation.js';
import { requireKnown } from './applied.js';
import { migrations } from './migrations.js';

/** Brings the schema up to date in one transaction: a crash leaves it as it was, and a second process waits. */
export async function migrate(catalog: Kysely<Tables>, database: Database.Database): Promise<void> {
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
  const done = database.prepare(`select name from sqlite_master where name = 'kysely_migration'`).get();
  if (done === undefined) return false;
  const applied = database.prepare('select name from kysely_migration').pluck().all() as string[];
  return requireKnown(applied).length === 0;
}
