import { setTimeout as sleep } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import type { CompiledQuery, DatabaseConnection, QueryExecutorProvider, QueryResult } from 'kysely';
import { isCatalogBusy } from './catalog-failure.js';

/** How long a statement waits for another process's transaction, in milliseconds. */
export const busyTimeoutMs = 10_000;
const betweenTriesMs = 30;
/** Prepared statements that are kept: the program has about a hundred, but a list of values makes one for each length. */
const mostStatements = 200;

/**
 * The catalog's connection to SQLite. Statements are prepared once: that costs more than most of them take.
 *
 * It waits for another process's transaction without blocking the thread. The patience counts from the first refusal since
 * the last success: when it is used up, the statements that queue behind need not wait as long again, each after the other.
 */
export class CatalogConnection implements DatabaseConnection {
  private readonly statements = new Map<string, Database.Statement>();
  private refusedSince: number | undefined;

  constructor(private readonly database: Database.Database) {}

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    for (;;) {
      try {
        const result = this.execute<Row>(this.prepared(sql), parameters);
        this.refusedSince = undefined;
        return result;
      } catch (error) {
        if (!isCatalogBusy(error)) throw error;
        this.refusedSince ??= performance.now();
        if (performance.now() - this.refusedSince > busyTimeoutMs) throw error;
        await sleep(betweenTriesMs);
      }
    }
  }

  /** Runs one statement for each row of parameters; only inside a transaction, which has the write lock already. */
  executeMany(sql: string, rows: Iterable<readonly unknown[]>): void {
    if (!this.database.inTransaction) throw new Error('executeMany needs a transaction');
    const statement = this.prepared(sql);
    for (const parameters of rows) statement.run(parameters);
  }

  streamQuery(): never {
    throw new Error('nothing of the catalog is streamed: it is read in pages');
  }

  private execute<Row>(statement: Database.Statement, parameters: readonly unknown[]): QueryResult<Row> {
    if (statement.reader) return { rows: statement.all(parameters) as Row[] };
    const { changes, lastInsertRowid } = statement.run(parameters);
    return { numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid), rows: [] };
  }

  private prepared(sql: string): Database.Statement {
    const known = this.statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.database.prepare(sql);
    const [oldest] = this.statements.keys();
    if (oldest !== undefined && this.statements.size >= mostStatements) this.statements.delete(oldest);
    this.statements.set(sql, statement);
    return statement;
  }
}

/**
 * Runs one compiled statement for each row of parameters, in the caller's transaction: for the files of a group, of which
 * a query builder's own cost would be the most.
 */
export async function executeMany(
  transaction: QueryExecutorProvider,
  { sql }: CompiledQuery,
  rows: Iterable<readonly unknown[]>,
): Promise<void> {
  await transaction.getExecutor().provideConnection(async (connection) => {
    (connection as CatalogConnection).executeMany(sql, rows);
  });
}
