import type { CompiledQuery, DatabaseConnection, QueryExecutorProvider } from 'kysely';

/** A connection that runs one statement for many rows of parameters at little more than the cost of the rows. */
export interface BulkConnection extends DatabaseConnection {
  /** Only inside a transaction. The parameters of a row are read before the next row is asked for. */
  executeMany(sql: string, rows: Iterable<readonly unknown[]>): Promise<void>;
}

/**
 * Runs one compiled statement for each row of parameters, in the caller's transaction: for a group's files, where the
 * query builder would cost more than the query.
 */
export async function executeMany(
  transaction: QueryExecutorProvider,
  { sql }: CompiledQuery,
  rows: Iterable<readonly unknown[]>,
): Promise<void> {
  await transaction
    .getExecutor()
    .provideConnection((connection) => (connection as BulkConnection).executeMany(sql, rows));
}
