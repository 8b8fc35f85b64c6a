import { setTimeout as sleep } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import type { CompiledQuery, DatabaseConnection, QueryExecutorProvider, QueryResult } from 'kysely';
import { isCatalogBusy } from './catalog-failure.js';
import { countCommit, noteNewest } from './generation.js';

/** How long a statement waits for another process's transaction, in milliseconds. */
export const busyTimeoutMs = 10_000;
const betweenTriesMs = 30;
/** Milliseconds between two notes beside the catalog of how far it has come. */
const noteEveryMs = 30_000;
/** Begins a transaction with its write lock. */
export const beginImmediate = 'begin immediate';
/**
 * Prepared statements that are kept: the program has about a hundred, but a list of values makes one for each length.
 */
const mostStatements = 200;

/** Who this installation is: in the catalog, not in its files' names. */
export const installationSql = `select value from meta where key = 'installation'`;

/**
 * The catalog's connection to SQLite. Statements are prepared once: that costs more than most of them take.
 *
 * It waits for another process's transaction without blocking the thread. The patience counts from the first refusal
 * since the last success: when it is used up, the statements that queue behind need not wait as long again, each after
 * the other.
 */
export class CatalogConnection implements DatabaseConnection {
  private readonly statements = new Map<string, Database.Statement>();
  private refusedSince: number | undefined;
  private readonly changes: Database.Statement;
  private changesBefore = 0;
  /** Of the newest commit, where that is not noted yet. */
  private unnoted: number | undefined;
  private notedAt = -Infinity;

  constructor(private readonly database: Database.Database) {
    this.changes = database.prepare('select total_changes()').pluck();
  }

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    for (;;) {
      try {
        const statement = this.prepared(sql);
        const isAlone = !statement.readonly && sql !== beginImmediate && !this.database.inTransaction;
        const result = isAlone
          ? this.inTransaction(() => this.execute<Row>(statement, parameters))
          : this.execute<Row>(statement, parameters);
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

  /** To be called when a transaction has begun. */
  begun(): void {
    this.changesBefore = this.changes.get() as number;
  }

  /** Commits the transaction, and counts it when it has changed anything: see `generation.ts`. */
  commit(): void {
    const generation = this.changes.get() === this.changesBefore ? undefined : countCommit(this.database);
    this.database.exec('commit');
    if (generation === undefined) return;
    this.unnoted = generation;
    if (performance.now() - this.notedAt > noteEveryMs) this.note();
  }

  /** Notes beside the catalog how far it has come, where that is not done yet. */
  note(): void {
    if (this.unnoted === undefined) return;
    const installation = this.database.prepare(installationSql).pluck().get() as string | undefined;
    if (installation === undefined) return;
    noteNewest(this.database.name, this.unnoted, installation);
    this.unnoted = undefined;
    this.notedAt = performance.now();
  }

  /** Runs a statement that stands alone in a transaction, so that its commit is counted too. */
  private inTransaction<Result>(run: () => Result): Result {
    this.database.exec(beginImmediate);
    try {
      this.begun();
      const result = run();
      this.commit();
      return result;
    } catch (error) {
      if (this.database.inTransaction) this.database.exec('rollback');
      throw error;
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
 * Runs one compiled statement for each row of parameters, in the caller's transaction: for the files of a group, of
 * which a query builder's own cost would be the most.
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
