import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { projectDir } from '../../config/project-dir.js';
import { keyFile } from '../../proof/key-file.js';
import { obtainCli } from '../../embedded/obtain-cli.js';
import { cliLocations } from '../../embedded/cli-sources.js';
import { readHostFile } from '../../embedded/host-file.js';
import { type Finished, mayShareProcess, runInOne } from './one-process.js';
import { waitFor } from './wait-for.js';

export type { Finished } from './one-process.js';

/** A command that runs. */
export interface Running {
  child: ChildProcess;
  /** What it has printed so far, on both. */
  output(): string;
  ended: Promise<Finished>;
}

/** Collects what a command prints until it ends. */
export function running(child: ChildProcessByStdio<null, Readable, Readable>): Running {
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<Finished>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, output: () => stdout + stderr, ended };
}

/** The short id of the installation that a catalog's file belongs to. */
export function shortIdIn(catalogFile: string): string {
  const database = new Database(catalogFile, { readonly: true, fileMustExist: true });
  try {
    const id = database.prepare(`select value from meta where key = 'installation'`).pluck().get() as string;
    return id.slice(0, 8);
  } finally {
    database.close();
  }
}

let cli: Promise<string> | undefined;

/** The Temporal CLI, obtained once for all tests of this project. */
export function temporalCli(): Promise<string> {
  return (cli ??= knownCli());
}

/**
 * The CLI that an earlier test file has obtained, if it is the same still: its hash is that of 150 MB, and there are
 * many files.
 */
async function knownCli(): Promise<string> {
  const given = process.env['TEMPORAL_CLI_PATH'];
  const note = path.join(projectDir, 'node_modules', '.tapeflow', 'cli-of-tests.json');
  const looks = (file: string) => {
    const { size, mtimeMs, ctimeMs } = statSync(file);
    return JSON.stringify({ file, given, size, mtimeMs, ctimeMs });
  };
  try {
    const noted = readFileSync(note, 'utf8');
    const { file } = JSON.parse(noted) as { file: string };
    if (looks(file) === noted) return file;
  } catch {
    // The first test file, or the CLI is another one now.
  }
  const file = await obtainCli(cliLocations(path.join(projectDir, '.tapeflow'), given, () => undefined));
  if (path.isAbsolute(file)) writeFileSync(note, looks(file));
  return file;
}

/**
 * An installation of its own, in a new folder: catalog, server, staging and tape. Everything is stopped and deleted at
 * the end.
 */
export class Installation {
  /** Folder of the program whose commands run: that of another version, where a test upgrades. */
  program = projectDir;

  private constructor(
    readonly root: string,
    readonly env: Record<string, string>,
  ) {}

  static async make(t: Pick<TestContext, 'after'>, env: Record<string, string> = {}): Promise<Installation> {
    const root = mkdtempSync(path.join(os.tmpdir(), 'tapeflow-test-'));
    const installation = new Installation(root, {
      TAPEFLOW_DATA_DIR: path.join(root, 'data'),
      BACKUP_COMPRESS_DIR: path.join(root, 'staging'),
      TAPEFLOW_LOCK_DIR: path.join(root, 'locks'),
      TEMPORAL_CLI_PATH: await temporalCli(),
      LANGUAGE_TAG: 'en',
      // Shorter than the defaults, which are tested on their own: a dead attempt is noticed soon.
      HEARTBEAT_SECONDS: '5',
      TAPE_RETRY_SECONDS: '1',
      // A process more with each `up`; its own tests turn it on.
      WEB_ADDRESS: 'off',
      ...env,
    });
    t.after(() => installation.destroy());
    return installation;
  }

  /** Gives it a key that is known, before its first command makes one. */
  useKey(key: string): void {
    mkdirSync(this.dataDir, { recursive: true });
    writeFileSync(keyFile(this.dataDir), `${key}\n`, { mode: 0o600 });
  }

  get dataDir(): string {
    return this.env['TAPEFLOW_DATA_DIR'] ?? path.join(this.root, 'data');
  }

  /** What names at the server bear of this installation; known once a command has opened the catalog for a server. */
  get shortId(): string {
    return shortIdIn(this.env['CATALOG_URL'] ?? path.join(this.dataDir, 'catalog.db'));
  }

  get stagingDir(): string {
    return path.join(this.root, 'staging');
  }

  get tapeDir(): string {
    return this.env['TAPE_PATH'] ?? path.join(this.dataDir, 'tape');
  }

  /** Starts a command of the client, in a process group of its own. */
  start(args: string[], env: Record<string, string> = {}): Running {
    const child = spawn(process.execPath, [path.join(this.program, 'bin', 'tapeflow.cjs'), ...args], {
      cwd: this.root,
      env: { ...cleanEnv(), ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    return running(child);
  }

  /** Runs a command of the client to its end, in a process that others run in too, unless it needs its own. */
  run(args: string[], env: Record<string, string> = {}): Promise<Finished> {
    const asked = { args, env: { ...this.env, ...env }, cwd: this.root };
    if (this.program !== projectDir || !mayShareProcess(asked)) return this.start(args, env).ended;
    return runInOne(asked, cleanEnv());
  }

  /** Keeps server and workers running from now on: they take longer to start than most commands that need them. */
  async keepUp(): Promise<Running> {
    const up = this.start(['up']);
    await waitFor(() => this.hostPid() !== undefined, `the server: ${up.output()}`);
    return up;
  }

  /** Runs a command with `--json`; its last line as an object. */
  async json<Result = Record<string, unknown>>(
    args: string[],
    env: Record<string, string> = {},
  ): Promise<Result> {
    const { stdout, stderr } = await this.run([...args, '--json'], env);
    const last = stdout.trim().split('\n').at(-1) ?? '';
    try {
      return JSON.parse(last) as Result;
    } catch {
      throw new Error(`no JSON from ${args.join(' ')}: ${stdout}${stderr}`);
    }
  }

  /** Rows of a query on the catalog's file. */
  query<Row = Record<string, unknown>>(sql: string, ...values: unknown[]): Row[] {
    const file = this.env['CATALOG_URL'] ?? path.join(this.dataDir, 'catalog.db');
    const database = new Database(file, {
      readonly: true,
      fileMustExist: true,
    });
    try {
      return database.prepare(sql).all(...values) as Row[];
    } finally {
      database.close();
    }
  }

  /** The same, but no rows while there is no catalog yet. */
  tryQuery<Row = Record<string, unknown>>(sql: string, ...values: unknown[]): Row[] {
    try {
      return this.query<Row>(sql, ...values);
    } catch {
      return [];
    }
  }

  /** Process ids of everything that runs for this installation: host, server, workers, clients. */
  async processes(): Promise<number[]> {
    const found: number[] = [];
    for (const entry of await readdir('/proc')) {
      if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
      try {
        const environment = readFileSync(`/proc/${entry}/environ`, 'utf8');
        const state = /^State:\s+(\w)/m.exec(readFileSync(`/proc/${entry}/status`, 'utf8'))?.[1];
        if (environment.includes(`TAPEFLOW_DATA_DIR=${this.dataDir}\0`) && state !== 'Z')
          found.push(Number(entry));
      } catch {
        // It ended meanwhile.
      }
    }
    return found;
  }

  /** SIGKILL to everything that runs for this installation. */
  async killAll(): Promise<void> {
    for (;;) {
      const pids = await this.processes();
      if (pids.length === 0) return;
      for (const pid of pids) kill(pid, 'SIGKILL');
      await waitFor(
        async () => !(await this.processes()).some((pid) => pids.includes(pid)),
        'killed processes to be gone',
      );
    }
  }

  /** Waits until nothing runs for this installation any more. */
  async quiet(): Promise<void> {
    await waitFor(
      async () => (await this.processes()).length === 0,
      'every process of the installation to end',
    );
  }

  /** Process id of the worker for a role: `archive`, or a drive's name. */
  async worker(role: string): Promise<number | undefined> {
    for (const pid of await this.processes()) {
      const args = commandLine(pid);
      if (args.includes('worker') && args.includes(role)) return pid;
    }
    return undefined;
  }

  hostPid(): number | undefined {
    return readHostFile(this.dataDir)?.pid;
  }

  private async destroy(): Promise<void> {
    await this.killAll();
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A process's arguments; none when it has ended. */
export function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended meanwhile.
  }
}

/** The environment without settings of whoever runs the tests. */
export function cleanEnv(): Record<string, string> {
  const clean: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    const ours =
      /^(TAPEFLOW_|TAPE_|POOL_|TEMPORAL_|BACKUP_|COMPRESS|STAGING_|MAX_GROUP|PARALLEL_|INIT_CWD|LOG_|WEB_|NODE_TEST)/.test(
        name,
      );
    if (value !== undefined && !ours) clean[name] = value;
  }
  return clean;
}
