import { setTimeout as sleep } from 'node:timers/promises';
import type { CompiledQuery, QueryResult, TransactionSettings } from 'kysely';
import type { PoolClient, QueryResult as Answer } from 'pg';
import type { BulkConnection } from '../execute-many.js';
import { ManyTimes } from './many-times.js';
import { isServerAway, queryError } from './server-error.js';
import type { CatalogPool } from './pool.js';

/** Pause before it is tried again, in milliseconds. */
const betweenTriesMs = 200;
/** Rows sent in one round trip: bounds what is in memory at once. */
const rowsAtOnce = 1000;

/** Begins a snapshot that nobody's commits change, and that keeps nobody waiting. */
const beginSnapshot = 'begin isolation level repeatable read read only';

/**
 * A connection of the catalog to PostgreSQL, as SQLite's is: each transaction, and each single statement that writes,
 * has the write lock of the catalog from its first to its last moment, so that whatever it has read stays true until
 * it commits. PostgreSQL has no such lock of its own: it is an advisory lock that ends with the transaction, and
 * with the connection.
 */
export class PostgresConnection implements BulkConnection {
  /** While a transaction runs. */
  private client: PoolClient | undefined;
  private letNextWrite: (() => void) | undefined;

  constructor(private readonly pool: CatalogPool) {}

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    if (this.client !== undefined) return run<Row>(this.pool, this.client, query);
    if (isRead(query))
      return this.outlast(() => this.pool.use((client) => run<Row>(this.pool, client, query)));
    await this.begin({});
    try {
      const result = await this.executeQuery<Row>(query);
      await this.commit();
      return result;
    } catch (error) {
      await this.rollback();
      throw error;
    }
  }

  /** Begins a transaction; a read-only one is a snapshot without the lock. */
  async begin({ accessMode }: TransactionSettings): Promise<void> {
    const isSnapshot = accessMode === 'read only';
    // One at a time, as they would be at the server: the others need no connection to wait there.
    if (!isSnapshot) this.letNextWrite = await this.pool.turnToWrite();
    try {
      await this.outlast(async () => {
        const client = await this.pool.take();
        try {
          await send(this.pool, client, isSnapshot ? beginSnapshot : this.pool.beginWriting);
          this.client = client;
        } catch (error) {
          client.release(true);
          throw error;
        }
      });
    } catch (error) {
      this.end();
      throw error;
    }
  }

  async commit(): Promise<void> {
    const client = this.inTransaction();
    const { command } = await send(this.pool, client, 'commit');
    // After an error that somebody has caught inside the transaction, the server rolls back and reports no error.
    if (command !== 'COMMIT') throw new Error('the transaction had failed and is not committed');
    this.end(client);
  }

  /** An error of this would hide the one that led to it; the connection is thrown away then. */
  async rollback(): Promise<void> {
    const { client } = this;
    if (client === undefined) return;
    try {
      await send(this.pool, client, 'rollback');
      this.end(client);
    } catch {
      this.end(client, true);
    }
  }

  async executeMany(sql: string, rows: Iterable<readonly unknown[]>): Promise<void> {
    const client = this.inTransaction();
    let some: unknown[][] = [];
    const text = numbered(sql);
    const flush = async () => {
      if (some.length > 0) await sendMany(this.pool, client, text, some);
      some = [];
    };
    for (const row of rows) {
      // Bytes too: a caller may reuse their memory only after this has returned.
      some.push([...row]);
      if (some.length >= rowsAtOnce) await flush();
    }
    await flush();
  }

  streamQuery(): never {
    throw new Error('nothing of the catalog is streamed: it is read in pages');
  }

  private inTransaction(): PoolClient {
    if (this.client === undefined) throw new Error('no transaction');
    return this.client;
  }

  private end(client?: PoolClient, broken = false): void {
    this.client = undefined;
    client?.release(broken);
    this.letNextWrite?.();
    this.letNextWrite = undefined;
  }

  /** Repeats what has changed nothing while the server is away, for a short time; not if it was never there. */
  private async outlast<Result>(step: () => Promise<Result>): Promise<Result> {
    const until = performance.now() + this.pool.timeoutMs;
    for (;;) {
      // One try more, since all the time may have passed while this process was stopped.
      const isLast = performance.now() > until;
      try {
        return await step();
      } catch (error) {
        if (!isServerAway(error) || !this.pool.hasAnswered || isLast) throw error;
        await sleep(betweenTriesMs);
      }
    }
  }
}

/** Parameters have numbers here; statements that are written out in the catalog have SQLite's marks. */
function numbered(sql: string): string {
  let number = 0;
  return sql.includes('$1') ? sql : sql.replace(/\?/g, () => `$${(number += 1)}`);
}

function isRead({ query, sql }: CompiledQuery): boolean {
  return query.kind === 'SelectQueryNode' || (query.kind === 'RawNode' && /^\s*(select|show)\b/i.test(sql));
}

async function run<Row>(
  pool: CatalogPool,
  client: PoolClient,
  { sql, parameters }: CompiledQuery,
): Promise<QueryResult<Row>> {
  const { command, rowCount, rows } = await send(pool, client, sql, parameters);
  return ['INSERT', 'UPDATE', 'DELETE'].includes(command)
    ? { numAffectedRows: BigInt(rowCount ?? 0), rows: rows as Row[] }
    : { rows: rows as Row[] };
}

async function send(
  pool: CatalogPool,
  client: PoolClient,
  sql: string,
  parameters: readonly unknown[] = [],
): Promise<Answer> {
  try {
    return await pool.heardOn(client, client.query(sql, parameters.map(parameterOf)));
  } catch (error) {
    throw queryError(error);
  }
}

function sendMany(
  pool: CatalogPool,
  client: PoolClient,
  sql: string,
  rows: readonly unknown[][],
): Promise<void> {
  const answer = new Promise<void>((resolve, reject) => {
    const many = new ManyTimes(sql, rows, parameterOf);
    many.callback = (error) => (error === null ? resolve() : reject(queryError(error)));
    client.query(many);
  });
  return pool.heardOn(client, answer);
}

/** A parameter as it is sent: bytes as they are, all else as text. Texts of PostgreSQL hold no NUL. */
function parameterOf(value: unknown): Buffer | string | null {
  if (value === null || value === undefined) return null;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const text = typeof value === 'string' ? value : (value as number | bigint).toString();
  return text.includes('\0') ? text.replaceAll('\0', '\uFFFD') : text;
}
