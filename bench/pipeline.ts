// A whole backup against each of its stages alone, with a throttled drive:
//   npm run bench -- pipeline [--size 3GB] [--speed 50MB] [--group 200MB] [--drain 0] [--dir FOLDER] [--seed 1]
//   --size   bytes of source files: text, programs and noise
//   --speed  bytes in a second that the drive takes
//   --group  MAX_GROUP_SIZE
//   --drain  TAPE_DRAIN_AT
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { projectDir } from '../config/project-dir.js';
import { makeCorpus } from './corpora.js';
import { Report, bytesOf, median, readOptions, rounded } from './report.js';
import { mountSlowTape, type SlowTape } from './slow-tape.js';

const options = readOptions({
  ...{ size: '3GB', speed: '50MB', group: '200MB', drain: '0' },
  ...{ dir: os.tmpdir(), seed: '1' },
});
const root = mkdtempSync(path.join(options.dir, 'tapeflow-bench-'));
const report = new Report('pipeline', options);
const corpus = path.join(root, 'corpus');
const sliceBytes = 50_000_000;

/**
 * Text, programs and noise in each slice, so that every group takes about as long to compress and to write as the next.
 */
function makeMixture(): void {
  const slices = Math.max(1, Math.round(bytesOf(options.size) / sliceBytes));
  for (let i = 0; i < slices; i += 1) {
    const folder = path.join(corpus, `slice-${String(i).padStart(4, '0')}`);
    makeCorpus('mixed', folder, bytesOf(options.size) / slices, Number(options.seed) + i);
  }
}

/** An installation of its own, with its drive and a labelled tape that is not in it yet. */
class Installation {
  private readonly data: string;
  private readonly env: NodeJS.ProcessEnv;
  private readonly tapeFolder: string;
  private tape: SlowTape | undefined;

  constructor(private readonly folder: string) {
    this.data = path.join(folder, 'data');
    this.tapeFolder = path.join(folder, 'tape');
    mkdirSync(folder);
    const staging = String(3 * bytesOf(options.size));
    this.env = {
      ...process.env,
      TAPEFLOW_DATA_DIR: this.data,
      BACKUP_COMPRESS_DIR: path.join(folder, 'staging'),
      TAPEFLOW_LOCK_DIR: path.join(folder, 'locks'),
      ...{ TAPE_KIND: 'ltfs', TAPE_PATH: path.join(this.tapeFolder, 'mount') },
      ...{ MAX_GROUP_SIZE: options.group, TAPE_DRAIN_AT: options.drain },
      // Never what holds a stage up.
      ...{ STAGING_MAX_BYTES: staging, TAPE_SYNC_BYTES: staging },
    };
  }

  /** False where there is no FUSE. */
  async load(): Promise<boolean> {
    this.tape = await mountSlowTape(this.tapeFolder, bytesOf(options.speed));
    return this.tape !== undefined;
  }

  async eject(): Promise<void> {
    await this.tape?.eject();
    this.tape = undefined;
  }

  /** Seconds of a command. */
  async run(...args: string[]): Promise<number> {
    const began = performance.now();
    const program = path.join(projectDir, 'bin', 'tapeflow.cjs');
    const child = spawn(process.execPath, [program, ...args], {
      cwd: this.folder,
      env: this.env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`tapeflow ${args.join(' ')} ended with ${String(code)}`);
    return (performance.now() - began) / 1000;
  }

  query<Row>(sql: string): Row[] {
    const database = new Database(path.join(this.data, 'catalog.db'), { readonly: true });
    try {
      return database.prepare(sql).all() as Row[];
    } finally {
      database.close();
    }
  }

  /** Waits until a query has a row. */
  async sees(sql: string): Promise<void> {
    while (this.query(sql).length === 0) await sleep(50);
  }

  events(stage: string): { at: number; bytes: number }[] {
    return this.query(`select at, bytes from events where stage = '${stage}' order by id`);
  }
}

async function labelled(name: string): Promise<Installation | undefined> {
  const installation = new Installation(path.join(root, name));
  if (!(await installation.load())) return undefined;
  await installation.run('tape', 'label', 'BENCH1');
  return installation;
}

/**
 * How the drive was used from the first staged archive on, until all of it was on tape. It takes its bytes at one speed
 * whenever it has any: what they take of the time is how long it ran. It writes one archive at a time, so that its
 * events alternate.
 */
function driveUse(installation: Installation) {
  const [began, ended] = [installation.events('writing'), installation.events('written')];
  const first = installation.events('queued')[0]?.at ?? 0;
  const last = installation.events('synced').at(-1)?.at ?? 0;
  const used = ended.reduce((sum, { at }, i) => sum + at - (began[i]?.at ?? at), 0);
  const pauses = began.slice(1).map(({ at }, i) => at - (ended[i]?.at ?? at));
  const written = ended.reduce((sum, { bytes }) => sum + bytes, 0);
  const streamed = (1000 * written) / bytesOf(options.speed);
  return {
    archives: ended.length,
    'MB on tape': rounded(written / 1e6, 0),
    'drive busy %': rounded((100 * streamed) / (last - first), 2),
    'an archive in its slot %': rounded((100 * used) / (last - first), 2),
    'median pause between archives, ms': median(pauses),
  };
}

/** Compresses everything while no tape is there, then writes everything. Seconds of each, by its events. */
async function stagesAlone(installation: Installation): Promise<{ compress: number; write: number }> {
  await installation.eject();
  await installation.run('backup', corpus, '--detach');
  await installation.sees(
    `select 1 from sets where scanned = 1 and not exists (select 1 from groups where state not in ('queued'))`,
  );
  await installation.load();
  await installation.sees(`select 1 from sets where state = 'completed'`);
  await installation.run('down');
  const first = (stage: string) => installation.events(stage)[0]?.at ?? 0;
  const last = (stage: string) => installation.events(stage).at(-1)?.at ?? 0;
  await installation.eject();
  return {
    compress: (last('queued') - first('planned')) / 1000,
    write: (last('released') - first('writing')) / 1000,
  };
}

/**
 * The whole backup, by its events, and by the clock of who gave the command: with the start and end of server and
 * workers.
 */
async function whole(installation: Installation): Promise<{ seconds: number; command: number }> {
  const command = await installation.run('backup', corpus);
  const [first, last] = [installation.events('planned')[0], installation.events('completed').at(-1)];
  return { seconds: ((last?.at ?? 0) - (first?.at ?? 0)) / 1000, command };
}

/** Seconds in which the drive has nothing to do yet. */
function untilStaged(installation: Installation): number {
  const at = (stage: string) => installation.events(stage)[0]?.at ?? 0;
  return (at('queued') - at('planned')) / 1000;
}

async function measureAll(): Promise<void> {
  const [stages, full] = [await labelled('stages'), await labelled('whole')];
  if (stages === undefined || full === undefined) return;
  try {
    const { compress, write } = await stagesAlone(stages);
    const { seconds, command } = await whole(full);
    const slower = Math.max(compress, write);
    report.show(`a set of ${options.size} in groups of ${options.group}, a drive of ${options.speed}/s`, [
      { what: 'compress all, s', value: rounded(compress) },
      { what: 'write all, s', value: rounded(write) },
      { what: 'the whole backup, s', value: rounded(seconds) },
      { what: 'of it until the first archive was staged, s', value: rounded(untilStaged(full)) },
      { what: 'whole / slower stage', value: rounded(seconds / slower, 3) },
      { what: 'the command, with start and end of server and workers, s', value: rounded(command) },
      ...Object.entries(driveUse(full)).map(([what, value]) => ({ what, value })),
    ]);
    report.write();
  } finally {
    await stages.eject();
    await full.eject();
  }
}

try {
  makeMixture();
  await measureAll();
} finally {
  rmSync(root, { recursive: true, force: true });
}
