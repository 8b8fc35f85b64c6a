import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { keyFile } from '../../proof/key-file.js';
import { checkStaging, checkTarget, type Problem } from './check-set.js';
import { FaultShim } from './fault-shim.js';
import { cleanEnv, type Finished, type Running, running } from './installation.js';
import { killSettings, killSource, type Outcome, recoverMs, resultOf } from './kill-set.js';
import { pointsOf, strikeAt, type Point, type Role, type Target } from './kill-point.js';
import { LaneCatalog } from './lane-catalog.js';
import { end, restartMs, script, Supervised } from './supervised.js';
import { waitFor } from './wait-for.js';

/** Roles whose operations are points: the drive's worker, and the one that unpacks on the target's host. */
const roles = ['tape', 'archive'] as const;

/**
 * Two hosts of one installation, which share staging and a catalog in PostgreSQL. A set is on the tape of one of them,
 * and is restored again and again to the other. In each restore one point may kill.
 */
export class HostRestoreLane {
  private readonly shims: Record<(typeof roles)[number], FaultShim>;
  private readonly source: string;
  private readonly staging: string;
  private readonly target: string;
  private client: ChildProcess | undefined;
  private setId = '';

  private constructor(
    readonly root: string,
    library: string,
    private readonly processes: Supervised,
    private readonly catalog: LaneCatalog,
  ) {
    this.source = killSource(root);
    this.staging = path.join(root, 'staging');
    this.target = path.join(root, 'target');
    const shim = (name: string, folders: string[]) =>
      new FaultShim(library, root, name, { folders, commits: this.catalog.file });
    this.shims = {
      tape: shim('tape', [this.staging, path.join(this.data('drive'), 'tape')]),
      archive: shim('archive', [this.staging, this.target]),
    };
  }

  static async open(library: string): Promise<HostRestoreLane> {
    const root = mkdtempSync(path.join(os.tmpdir(), 'tapeflow-kill-'));
    const data = path.join(root, 'drive');
    const catalog = await LaneCatalog.make(data);
    const lane = new HostRestoreLane(root, library, await Supervised.start(root, data), catalog);
    try {
      await lane.begin();
    } catch (error) {
      await lane.close(true);
      throw error;
    }
    return lane;
  }

  private async begin(): Promise<void> {
    const { processes, shims } = this;
    const [drive, other] = [this.envOf('drive'), this.envOf('other')];
    processes.runWorker('home', ['archive'], drive);
    // It makes the key of the installation, which all hosts have.
    await processes.ready('home');
    mkdirSync(this.data('other'), { recursive: true });
    copyFileSync(keyFile(this.data('drive')), keyFile(this.data('other')));
    processes.runWorker('tape', ['tape', '--drive', 'lto1'], { ...drive, ...shims.tape.env });
    processes.runWorker('archive', ['archive'], { ...other, ...shims.archive.env });
    await this.ready();
    const { code, stdout, stderr } = await this.command('backup', this.source).ended;
    if (code !== 0) throw new Error(`the backup ended with ${code}: ${stdout}${stderr}`);
    this.setId = lastLine(stdout).setId ?? '';
  }

  /** Runs a restore without a kill, and returns the points of both workers. */
  async points(): Promise<Point[]> {
    const { problems } = await this.run(undefined, 'itself');
    if (problems.length > 0)
      throw new Error(`a restore without a kill failed in ${this.root}: ${JSON.stringify(problems)}`);
    return roles.flatMap((role) =>
      pointsOf(this.shims[role].operations(), {
        ...{ family: 'to-host', role, root: this.root, setId: this.setId },
      }),
    );
  }

  /** Restores, kills when the point is reached, and looks at everything when the restore has ended. */
  async run(point: Point | undefined, target: Target): Promise<Outcome> {
    await this.ready();
    // Nothing is under way: the next restore makes these folders again, as the first one does.
    for (const folder of [this.target, this.staging]) rmSync(folder, { recursive: true, force: true });
    const problems: Problem[] = [];
    const began = Date.now();
    const first = this.restore();
    this.arm(point, target, first.child.pid ?? 0);
    try {
      const { code, stdout, stderr } = await this.followed(first);
      if (code !== 0)
        problems.push({ kind: 'lost', what: `the restore ended with ${code}: ${stdout}${stderr}` });
      await waitFor(
        async () => (await this.catalog.unfinishedRetrievals()) === 0,
        'every restore to end',
        recoverMs,
      );
    } catch (error) {
      problems.push({ kind: 'lost', what: error instanceof Error ? error.message : String(error) });
    }
    const { times, when } =
      point === undefined ? { times: 0, when: began } : this.shimOf(point.role).struck();
    const seconds = (Date.now() - (times > 0 ? when : began)) / 1000;
    problems.push(...checkTarget(this.target, this.source), ...checkStaging({ staging: this.staging }));
    return { setId: this.setId, result: resultOf(problems, times > 0), problems, seconds, root: this.root };
  }

  async close(keep: boolean): Promise<void> {
    await this.catalog.close();
    if (this.client !== undefined) await end(this.client);
    await this.processes.close();
    if (!keep) rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
  }

  private ready(): Promise<void> {
    return this.processes.ready('home', 'tape', 'archive');
  }

  private data(host: 'drive' | 'other'): string {
    return path.join(this.root, host);
  }

  private envOf(host: 'drive' | 'other'): Record<string, string> {
    return {
      ...cleanEnv(),
      TAPEFLOW_HOST: host,
      TAPEFLOW_DATA_DIR: this.data(host),
      BACKUP_COMPRESS_DIR: this.staging,
      TAPEFLOW_LOCK_DIR: path.join(this.root, 'locks'),
      TEMPORAL_ADDRESS: this.processes.address,
      ...this.catalog.env,
      ...killSettings,
    };
  }

  /** A command on the host of the drive. */
  private command(...args: string[]): Running {
    const child = spawn(process.execPath, [script, ...args, '--json'], {
      cwd: this.root,
      env: this.envOf('drive'),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.client = child;
    return running(child);
  }

  private restore(): Running {
    return this.command('restore', this.setId, '--to', `other:${this.target}`);
  }

  /** Waits for the command; one that was killed, or that gave up, is started again until its restore has ended. */
  private async followed(first: Running): Promise<Finished> {
    const deadline = Date.now() + recoverMs;
    for (let command = first; ; command = this.restore()) {
      const finished = await command.ended;
      if (lastLine(finished.stdout).status !== undefined || Date.now() > deadline) return finished;
      await sleep(restartMs);
      await this.processes.serverUp;
    }
  }

  private shimOf(role: Role): FaultShim {
    return role === 'tape' ? this.shims.tape : this.shims.archive;
  }

  private arm(point: Point | undefined, target: Target, client: number): void {
    const pids = (...names: string[]) => names.map((name) => this.processes.pid(name));
    const killed = {
      itself: [-1],
      server: pids('server'),
      client: [client],
      all: [...pids('server', 'home', 'tape', 'archive'), client],
    };
    for (const role of roles) {
      const here = point?.role === role ? point : undefined;
      this.shims[role].arm(here && { ...strikeAt(here, this.root, this.setId), pids: killed[target] });
    }
  }
}

/** The object that a command prints last; empty when it was killed before. */
function lastLine(stdout: string): { setId?: string; status?: string } {
  try {
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { setId?: string };
  } catch {
    return {};
  }
}
