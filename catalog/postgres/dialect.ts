import { type DatabaseConnection, type Driver, PostgresDialect, type TransactionSettings } from 'kysely';
import { PostgresConnection } from './connection.js';
import type { CatalogPool } from './pool.js';

/** Gives each user a connection that takes one of the pool when it is needed. */
class CatalogDriver implements Driver {
  constructor(private readonly pool: CatalogPool) {}

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return new PostgresConnection(this.pool);
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    await (connection as PostgresConnection).begin(settings);
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as PostgresConnection).commit();
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as PostgresConnection).rollback();
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {
    await this.pool.close();
  }
}

/** Kysely's dialect of PostgreSQL on the catalog's own connections. */
export class CatalogDialect extends PostgresDialect {
  constructor(private readonly own: CatalogPool) {
    super({ pool: () => Promise.reject(new Error('the catalog has connections of its own')) });
  }

  override createDriver(): Driver {
    return new CatalogDriver(this.own);
  }
}
