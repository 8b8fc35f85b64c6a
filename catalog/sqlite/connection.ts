import { setTimeout as sleep } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import type { CompiledQuery, QueryResult } from 'kysely';
import type { BulkConnection } from '../execute-many.js';
import { isCatalogBusy } from './catalog-failure.js';
import { countCommit, generationOf } from './generation.js';
import { noteNewest } from './newest-seen.js';

/** How long a statement waits for another process's transaction, in milliseconds. */
export const busyTimeoutMs = 10_000;
/** Pause before a refused statement is tried again, in milliseconds. */
export const betweenTriesMs = 30;
/** Milliseconds between two updates of the file beside the catalog that records its newest commit. */
const noteEveryMs = 30_000;
/** Begins a transaction by taking the write lock. */
export const beginImmediate = 'begin immediate';
/**
 * Maximum number of prepared statements kept: the program has about a hundred, plus one for each length of a list of
 * values.
 */
const maxStatements = 200;

/** Selects the id of this installation, which is stored in the catalog. */
export const installationSql = `select value from meta where key = 'installation'`;

/** The number of the catalog's newest commit, and the id of its installation. */
export function identityOf(database: Database.Database): {
  generation: number;
  installation: string | undefined;
} {
  const installation = database.prepare(installationSql).pluck().get() as string | undefined;
  return { generation: generationOf(database), installation };
}

/**
 * The catalog's connection to SQLite. Statements are prepared once, since preparing costs more than running most of
 * them.
 *
 * It waits for another process's transaction without blocking the thread. The time limit counts from the first refusal
 * since the last success, so that queued statements do not each wait for the full limit again.
 */
export class CatalogConnection implements BulkConnection {
  private readonly statements = new Map<string, Database.Statement>();
  /** Names of the columns of those that were run. */
  private readonly columns = new WeakMap<Database.Statement, string[]>();
  private refusedSince: number | undefined;
  private readonly changes: Database.Statement;
  private changesBefore = 0;
  /** Number of the newest commit, if it is not recorded yet. */
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

  /** Records the newest commit beside the catalog, if that is still to be done. */
  note(): void {
    if (this.unnoted === undefined) return;
    const installation = this.database.prepare(installationSql).pluck().get() as string | undefined;
    if (installation === undefined) return;
    noteNewest(this.database.name, this.unnoted, installation);
    this.unnoted = undefined;
    this.notedAt = performance.now();
  }

  /** Runs a single statement in a transaction of its own, so that its commit is counted too. */
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

  /** Runs one statement for each row of parameters; only inside a transaction, which already has the write lock. */
  async executeMany(sql: string, rows: Iterable<readonly unknown[]>): Promise<void> {
    if (!this.database.inTransaction) throw new Error('executeMany needs a transaction');
    const statement = this.prepared(sql);
    for (const parameters of rows) statement.run(parameters);
  }

  streamQuery(): never {
    throw new Error('nothing of the catalog is streamed: it is read in pages');
  }

  private execute<Row>(statement: Database.Statement, parameters: readonly unknown[]): QueryResult<Row> {
    if (statement.reader) return { rows: this.rowsOf<Row>(statement, parameters) };
    const { changes, lastInsertRowid } = statement.run(parameters);
    return { numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid), rows: [] };
  }

  /**
   * Makes the rows here: an object that better-sqlite3 makes is a dictionary to V8, and takes twice as long to make and
   * to read.
   */
  private rowsOf<Row>(statement: Database.Statement, parameters: readonly unknown[]): Row[] {
    const rows = statement.raw(true).all(parameters) as unknown[][];
    const [first] = rows;
    if (first === undefined) return [];
    let names = this.columns.get(statement);
    // Where the tables have changed meanwhile, `*` means other columns.
    if (names?.length !== first.length) {
      names = statement.columns().map(({ name }) => name);
      this.columns.set(statement, names);
    }
    return rows.map((values) => {
      const row: Record<string, unknown> = {};
      for (let at = 0; at < names.length; at += 1) row[names[at] ?? ''] = values[at];
      return row as Row;
    });
  }

  private prepared(sql: string): Database.Statement {
    const known = this.statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.database.prepare(sql);
    const [oldest] = this.statements.keys();
    if (oldest !== undefined && this.statements.size >= maxStatements) this.statements.delete(oldest);
    this.statements.set(sql, statement);
    return statement;
  }
}
