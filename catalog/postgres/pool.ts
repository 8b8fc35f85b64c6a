import pg, { type ClientConfig, type PoolClient } from 'pg';
import { isServerAway, ServerError } from './server-error.js';
import { lookEveryMs, whileAtWork } from './silence.js';

/**
 * How long a query waits for a server that is away, for example restarting, in milliseconds; and a connection for its
 * answer, while this process runs.
 */
const serverTimeoutMs = 10_000;
/** Parts in which that time is counted. */
const connectParts = 10;
/** Milliseconds without data after which the system looks whether the server's machine is there, every second then. */
const keepAliveMs = 30_000;
/** Connections of one process: one that writes, and some that read. */
const maxConnections = 8;
/** Milliseconds after which an idle one is closed. */
const idleTimeoutMs = 10_000;
/** How long a transaction waits for another process's, in milliseconds, as with SQLite. */
export const lockTimeoutMs = 10_000;

/** Two numbers make the key of an advisory lock: the first is tapeflow's ("tape"), the second the catalog's. */
const lockClass = 0x74617065;
/** The first number of a lock that every connection shares while it lives: it shows who uses the catalog. */
export const useClass = 0x74617066;
/** A catalog is a schema: a database may have several. */
export const catalogKey = `hashtext(coalesce(current_schema(), ''))`;

const beginWriting =
  'begin isolation level read committed read write; ' +
  `select pg_advisory_xact_lock(${lockClass}, ${catalogKey})`;

/**
 * What every connection is told first. Whatever the server's defaults are: a commit survives a power cut; a transaction
 * waits for the lock a bounded time, and for its own process as long as that lives; and the server notices within a
 * minute that a client's machine is gone, and frees its lock.
 */
const settings = `
  set lock_timeout = ${lockTimeoutMs};
  set statement_timeout = 0;
  set idle_in_transaction_session_timeout = 0;
  set tcp_keepalives_idle = 30;
  set tcp_keepalives_interval = 10;
  set tcp_keepalives_count = 3;
  set client_min_messages = warning;
  set jit = off;
  select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off';
  select pg_advisory_lock_shared(${useClass}, ${catalogKey})`;

const ownProcess = 'select pg_backend_pid() as pid';
/** True while a process of the server works on a query, or waits for a lock. */
const isActive = `select 1 from pg_stat_activity where pid = $1 and state = 'active'`;

/** Object ids of the types whose values are not text or bytes (`pg_type.dat`): they are safe integers here. */
const [int8, numeric] = [20, 1700];

/**
 * Makes clients that limit the time of connecting. The pool's own limit would include the wait in its queue, and a
 * client's own runs out while the process is stopped or busy, although the answer is there by then: of such a time
 * only one part counts here.
 */
function clientWithin(timeoutMs: number) {
  return class extends pg.Client {
    constructor(config?: ClientConfig) {
      super(config);
      for (const type of [int8, numeric]) this.setTypeParser(type, Number);
      let parts = 0;
      const timer = setInterval(() => {
        if (++parts === connectParts) this.connection.stream.destroy(new Error('timeout expired'));
      }, timeoutMs / connectParts).unref();
      for (const event of ['connect', 'end'] as const) this.once(event, () => clearInterval(timer));
    }

    /** Ends it at once, with what waits for an answer on it. */
    cut(): void {
      this.connection.stream.destroy(new Error('connection terminated: the server is silent'));
    }
  };
}

type CatalogClient = InstanceType<ReturnType<typeof clientWithin>>;

/** The connections of this process to the catalog's database. */
export class CatalogPool {
  private readonly pool: pg.Pool;
  /** The connections that were told their settings, and the process of the server that each of them has. */
  private readonly ready = new WeakMap<PoolClient, number>();
  private readonly newClient: () => CatalogClient;
  private lastWrite: Promise<void> = Promise.resolve();
  /** The server has answered this process before: it is worth waiting for when it does not. */
  hasAnswered = false;
  readonly beginWriting = beginWriting;

  /** @param silentMs see `whileAtWork`. */
  constructor(
    url: string,
    readonly timeoutMs = serverTimeoutMs,
    private readonly silentMs = lookEveryMs,
  ) {
    const Client = clientWithin(timeoutMs);
    const config = {
      connectionString: withLibpqModes(url),
      keepAlive: true,
      keepAliveInitialDelayMillis: keepAliveMs,
      application_name: 'tapeflow',
    };
    this.newClient = () => new Client(config);
    this.pool = new pg.Pool({
      ...config,
      Client,
      max: maxConnections,
      idleTimeoutMillis: idleTimeoutMs,
      allowExitOnIdle: true,
    });
    // An idle connection that ends is replaced when the next one is needed.
    this.pool.on('error', () => undefined);
  }

  /** A connection, which its taker releases. */
  async take(): Promise<PoolClient> {
    let client: PoolClient | undefined;
    try {
      client = await this.pool.connect();
      if (!this.ready.has(client)) {
        // Without a listener, a connection that breaks while it is taken would end the process.
        client.on('error', () => undefined);
        await this.heardOn(client, client.query(settings));
        const { rows } = await this.heardOn(client, client.query<{ pid: number }>(ownProcess));
        this.ready.set(client, rows[0]?.pid ?? 0);
        this.hasAnswered = true;
      }
      return client;
    } catch (error) {
      client?.release(true);
      throw new ServerError(error);
    }
  }

  /** Waits for an answer on a connection that was taken, as long as the server works on the query. */
  heardOn<Answer>(client: PoolClient, answer: Promise<Answer>): Promise<Answer> {
    const isAtWork = () => this.isAtWork(this.ready.get(client) ?? 0);
    return whileAtWork(answer, isAtWork, () => (client as unknown as CatalogClient).cut(), this.silentMs);
  }

  /** Asks by a connection of its own, since those of the pool may all be dead. */
  private async isAtWork(pid: number): Promise<boolean> {
    const client = this.newClient();
    client.on('error', () => undefined);
    try {
      await client.connect();
      return (await client.query(isActive, [pid])).rowCount === 1;
    } finally {
      client.cut();
    }
  }

  /** Uses a connection for one query. */
  async use<Result>(work: (client: PoolClient) => Promise<Result>): Promise<Result> {
    const client = await this.take();
    let isBroken = false;
    try {
      return await work(client);
    } catch (error) {
      isBroken = isServerAway(error);
      throw error;
    } finally {
      client.release(isBroken);
    }
  }

  /**
   * Waits until the transactions of this process that came before have ended.
   * @returns to be called at the end of the caller's.
   */
  async turnToWrite(): Promise<() => void> {
    const before = this.lastWrite;
    let done: () => void = () => undefined;
    this.lastWrite = new Promise((resolve) => (done = resolve));
    await before;
    return done;
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}

/** The URL with `sslmode` as PostgreSQL's own programs take it: `require` encrypts, `verify-full` also verifies. */
function withLibpqModes(url: string): string {
  return /[?&]sslmode=/.test(url) && !/[?&]uselibpqcompat=/.test(url) ? `${url}&uselibpqcompat=true` : url;
}
