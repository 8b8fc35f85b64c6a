import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  appendFileSync,
  chownSync,
  constants,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import pg from 'pg';
import { waitFor } from './wait-for.js';

/** The folder of PostgreSQL's programs: Debian's newest; undefined where it is not installed. */
function programs(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...versions.map((version) => path.join(debian, version, 'bin'))];
  return [...folders, ...(process.env['PATH'] ?? '').split(':')].find((folder) =>
    existsSync(path.join(folder, 'initdb')),
  );
}

/** Why tests of PostgreSQL are skipped here; false: they are not. */
export const noPostgres: string | false = programs() === undefined ? 'PostgreSQL is not installed' : false;

/** The user that runs it, since it refuses to run as root: Debian's own, or nobody. */
function runAs(): { uid: number; gid: number } | Record<string, never> {
  if (process.getuid?.() !== 0) return {};
  const of = (name: string) =>
    new RegExp(`^${name}:[^:]*:(\\d+):(\\d+)`, 'm').exec(readFileSync('/etc/passwd', 'utf8'));
  const [, uid = '65534', gid = '65534'] = of('postgres') ?? of('nobody') ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

/** In memory where that is possible: it does for tests what a disk does, and syncs at once. */
function folderForData(): string {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return os.tmpdir();
  }
}

/** Where a server listens besides its socket. Whoever reaches the address is let in. */
export interface Listening {
  address: string;
  port: number;
  /** What to put before its command, so that it runs in the network that has the address. */
  within?: readonly string[];
}

/** A PostgreSQL server of its own, on a socket in a temporary folder; it ends with the test. */
export class PostgresServer {
  private process: ChildProcess | undefined;

  private constructor(
    private readonly folder: string,
    private readonly bin: string,
    private readonly listening: Listening | undefined,
  ) {}

  static async make(t: Pick<TestContext, 'after'>, listening?: Listening): Promise<PostgresServer> {
    const bin = programs();
    if (bin === undefined) throw new Error('PostgreSQL is not installed');
    const folder = mkdtempSync(path.join(folderForData(), 'tapeflow-pg-'));
    const user = runAs();
    if (user.uid !== undefined) chownSync(folder, user.uid, user.gid);
    const server = new PostgresServer(folder, bin, listening);
    t.after(async () => {
      await server.kill();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    });
    const data = path.join(folder, 'data');
    const locale = ['--locale-provider=icu', '--icu-locale=en-US', '--locale=C.UTF-8'];
    const args = [
      '-D',
      data,
      '-U',
      'tapeflow',
      '-E',
      'UTF8',
      '--auth=trust',
      '--no-sync',
      '--no-instructions',
    ];
    // An order of texts that is not that of their bytes, where this version has one.
    const made = [locale, ['--locale=C.UTF-8']].some(
      (how) => spawnSync(path.join(bin, 'initdb'), [...args, ...how], { ...user, cwd: folder }).status === 0,
    );
    if (!made) throw new Error('initdb failed');
    if (listening !== undefined)
      appendFileSync(path.join(data, 'pg_hba.conf'), `host all all ${listening.address}/24 trust\n`);
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const { address = '', port = 5432 } = this.listening ?? {};
    const listens = [`listen_addresses=${address}`, `port=${port}`];
    // Its shared memory goes with the folder, also when it is killed.
    const memory = 'dynamic_shared_memory_type=mmap';
    const settings = [...listens, `unix_socket_directories=${this.folder}`, 'max_connections=200', memory];
    const options = settings.flatMap((setting) => ['-c', setting]);
    const command = [path.join(this.bin, 'postgres'), '-D', path.join(this.folder, 'data'), ...options];
    // It refuses while the last processes of one that was killed are still ending.
    await waitFor(async () => {
      if (this.process === undefined || this.process.exitCode !== null || this.process.signalCode !== null)
        this.process = this.spawn(command);
      return this.answers();
    }, 'PostgreSQL to answer');
  }

  private spawn(command: readonly string[]): ChildProcess {
    const { within } = this.listening ?? {};
    const user = runAs();
    const options = { cwd: this.folder, stdio: 'ignore' } as const;
    if (within === undefined) return spawn(command[0] ?? '', command.slice(1), { ...user, ...options });
    // Only root gets there; its rights are dropped after that. The process is the same all the time.
    const as = ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', '--'];
    const [program = '', ...args] = [...within, ...as, ...command];
    return spawn(program, args, options);
  }

  /** SIGKILL, as of a power cut. */
  async kill(): Promise<void> {
    const { process } = this;
    if (process === undefined || process.exitCode !== null || process.signalCode !== null) return;
    const gone = new Promise((resolve) => process.once('close', resolve));
    process.kill('SIGKILL');
    await gone;
    // Its own processes notice that, and end.
    await waitFor(async () => !(await this.answers()), 'PostgreSQL to be gone');
  }

  /** The URL of a catalog: an empty schema of that name. */
  url(schema: string): string {
    // The socket is named after the port.
    const port = this.listening === undefined ? '' : `&port=${this.listening.port}`;
    return `postgres://tapeflow@/postgres?host=${this.folder}${port}&options=-csearch_path%3D${schema}`;
  }

  /** For `CATALOG_OF_TESTS`: of the database, without a schema. */
  get database(): string {
    return this.url('public').replace(/&options=.*/, '');
  }

  /** Makes an empty schema for a catalog; returns its URL. */
  async makeCatalog(): Promise<string> {
    const schema = `c${randomBytes(6).toString('hex')}`;
    await this.query(`create schema ${schema}`);
    return this.url(schema);
  }

  async query<Row extends pg.QueryResultRow>(sql: string, catalog = this.url('public')): Promise<Row[]> {
    const client = new pg.Client({ connectionString: catalog });
    await client.connect();
    try {
      return (await client.query<Row>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  private async answers(): Promise<boolean> {
    try {
      await this.query('select 1');
      return true;
    } catch {
      return false;
    }
  }
}
