import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { finalSetStates } from '../../catalog/schema/set-tables.js';
import { backupWorkflowId } from '../../workflows/workflow-ids.js';
import { checkSet, type Places, type Problem } from './check-set.js';
import { FaultShim, type Operation } from './fault-shim.js';
import { cleanEnv } from './installation.js';
import { LaneCatalog } from './lane-catalog.js';
import { pointsOf, strikeAt, type Family, type Point, type Role, type Target } from './kill-point.js';
import { end, exitOf, restartMs, script, Supervised } from './supervised.js';
import { waitFor } from './wait-for.js';
import {
  changeKillSource,
  groupsOf,
  killSettings,
  killSource,
  type Outcome,
  recoverMs,
  resultOf,
  unchangedInKillSource,
} from './kill-set.js';

/**
 * An installation whose server and workers are processes of their own, supervised as the host does: what dies is
 * started again. Sets run in it one after the other; in each, one point may kill.
 */
export class KillLane {
  private readonly places: Omit<Places, 'catalog'>;
  private readonly env: Record<string, string>;
  private readonly shims: Record<Role, FaultShim>;
  private connection: Connection | undefined;
  private client: ChildProcess | undefined;
  private sets = 0;
  private closing = false;
  private firstStart: Operation[] = [];
  /** Whether the point of `open` was reached. */
  firstStruck = false;
  /** The newest set whose archives are kept on the tape. */
  private onTape: string | undefined;
  /** The newest full set, if those of the family `incremental` build on it: it is kept, too. */
  private base: string | undefined;
  /** Every kind of operation that a process has made in this lane, such as `tape rename`. */
  readonly kinds = new Set<string>();

  private constructor(
    readonly root: string,
    library: string,
    private readonly processes: Supervised,
    private readonly catalog: LaneCatalog,
  ) {
    const data = path.join(this.root, 'data');
    this.places = {
      staging: path.join(this.root, 'staging'),
      tape: path.join(data, 'tape'),
      source: killSource(this.root),
    };
    this.env = {
      ...cleanEnv(),
      TAPEFLOW_DATA_DIR: data,
      BACKUP_COMPRESS_DIR: this.places.staging,
      TAPEFLOW_LOCK_DIR: path.join(this.root, 'locks'),
      TEMPORAL_ADDRESS: processes.address,
      ...this.catalog.env,
      ...killSettings,
    };
    const watched = { folders: [this.places.staging, this.places.tape], commits: this.catalog.file };
    const shim = (role: Role) => new FaultShim(library, this.root, role, watched);
    this.shims = { archive: shim('archive'), tape: shim('tape'), client: shim('client') };
  }

  /** @param point where the tape worker kills itself in its first start, if at all. */
  static async open(library: string, point?: Point): Promise<KillLane> {
    const root = mkdtempSync(path.join(os.tmpdir(), 'tapeflow-kill-'));
    const data = path.join(root, 'data');
    const catalog = await LaneCatalog.make(data);
    const lane = new KillLane(root, library, await Supervised.start(root, data), catalog);
    if (point !== undefined) lane.shims.tape.arm({ ...strikeAt(point, root, '*'), pids: [-1] });
    lane.runWorker('tape', '--drive', 'lto1');
    try {
      // The first to open the catalog makes it: always the same worker, so that its operations are always the same.
      await lane.processes.ready('tape');
      lane.runWorker('archive');
      await lane.ready();
    } catch (error) {
      await lane.close(true);
      throw error;
    }
    lane.firstStart = lane.shims.tape.operations();
    lane.firstStruck = lane.shims.tape.struck().times > 0;
    return lane;
  }

  /** The points of the tape worker's first start. */
  labelling(): Point[] {
    return pointsOf(this.firstStart, { family: 'labelling', role: 'tape', root: this.root, setId: '{set}' });
  }

  /** Runs a set without a kill, and returns the points of each process in it. */
  async record(family: Family): Promise<Record<Role, Point[]>> {
    const { setId, problems } = await this.run(undefined, 'itself', { family });
    if (problems.length > 0)
      throw new Error(`a set without a kill failed in ${this.root}: ${JSON.stringify(problems)}`);
    const points = (role: Role) =>
      pointsOf(this.shims[role].operations(), { family, role, root: this.root, setId });
    return { archive: points('archive'), tape: points('tape'), client: points('client') };
  }

  /**
   * Runs a set, kills when the point is reached, waits until the set has recovered, and looks at everything.
   * @param options.then where the same process is killed again, once it has been started again.
   */
  async run(
    point: Point | undefined,
    target: Target,
    options: { family?: Family; then?: Point } = {},
  ): Promise<Outcome> {
    const family = options.family ?? point?.family ?? 'staged';
    const base = family === 'incremental' ? await this.fullSet() : undefined;
    // A full set takes the place of the one before it.
    const former = family === 'incremental' ? undefined : this.base;
    if (family !== 'incremental') this.base = undefined;
    await this.ready();
    // Nothing is under way: the next set makes these folders again, as the first one does.
    rmSync(this.places.staging, { recursive: true, force: true });
    this.sets += 1;
    const setId = `2026-11_${String(this.sets).padStart(6, '0')}`;
    if (base !== undefined) changeKillSource(this.root, setId);
    const began = Date.now();
    const client = this.startClient(setId, family);
    // In the same turn of the event loop: the client has executed nothing yet.
    this.arm(point, target, setId, client.pid ?? 0);
    const problems: Problem[] = [];
    let ended = began;
    try {
      if (point !== undefined && options.then !== undefined) await this.armAgain(point, options.then, setId);
      await Promise.all([
        this.followed(client, setId, family),
        this.closed(setId).then(() => (ended = Date.now())),
      ]);
    } catch (error) {
      ended = Date.now();
      problems.push({ kind: 'lost', what: error instanceof Error ? error.message : String(error) });
    }
    const catalog = await this.catalog.fileToCheck();
    const unchanged = base === undefined ? undefined : { base, files: unchangedInKillSource };
    problems.push(...checkSet({ ...this.places, catalog }, setId, groupsOf(family), unchanged));
    for (const role of ['archive', 'tape'] as const)
      for (const { name } of this.shims[role].operations()) this.kinds.add(`${role} ${name}`);
    const { times, when } = point === undefined ? { times: 0, when: began } : this.shims[point.role].struck();
    const seconds = (ended - (times > 0 ? when : began)) / 1000;
    if (problems.length === 0) {
      // Room for the next sets. The newest stays: a tape without its last archive is refused.
      for (const earlier of new Set([this.onTape, former]))
        if (earlier !== undefined && earlier !== this.base)
          rmSync(path.join(this.places.tape, earlier), { recursive: true });
      this.onTape = setId;
    }
    return { setId, result: resultOf(problems, times > 0), problems, seconds, root: this.root };
  }

  /** Kills everything, and deletes the folders unless they are still wanted. Only the first call counts. */
  async close(keep = false): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    await this.connection?.close();
    await this.catalog.close();
    if (this.client !== undefined) await end(this.client);
    await this.processes.close();
    if (!keep) rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
  }

  /** The set on which others build; made when there is none. */
  private async fullSet(): Promise<string> {
    if (this.base !== undefined) return this.base;
    // What has changed just before a set began counts as changed in the next one.
    await sleep(3000);
    const { setId, problems } = await this.run(undefined, 'itself', { family: 'staged' });
    if (problems.length > 0)
      throw new Error(`the full set failed in ${this.root}: ${JSON.stringify(problems)}`);
    return (this.base = setId);
  }

  private arm(point: Point | undefined, target: Target, setId: string, client: number): void {
    const [server = 0, archive = 0, tape = 0] = ['server', 'archive', 'tape'].map((name) =>
      this.processes.pid(name),
    );
    const pids = { itself: [-1], server: [server], client: [client], all: [server, archive, tape, client] };
    for (const role of ['archive', 'tape', 'client'] as const) {
      const here = point?.role === role ? point : undefined;
      this.shims[role].arm(here && { ...strikeAt(here, this.root, setId), pids: pids[target] });
    }
  }

  /** Between the death of the process and the first step of its successor. */
  private async armAgain(first: Point, then: Point, setId: string): Promise<void> {
    const shim = this.shims[first.role];
    await waitFor(() => shim.struck().times > 0, `the first kill in ${this.root}`);
    shim.arm({ ...strikeAt(then, this.root, setId), pids: [-1] });
  }

  private runWorker(role: 'archive' | 'tape', ...args: string[]): void {
    this.processes.runWorker(role, [role, ...args], { ...this.env, ...this.shims[role].env });
  }

  private ready(): Promise<void> {
    return this.processes.ready('archive', 'tape');
  }

  private startClient(setId: string, family: Family): ChildProcess {
    const log = openSync(path.join(this.root, 'client.log'), 'a');
    const more: Partial<Record<Family, string[]>> = {
      direct: ['--direct'],
      incremental: ['--mode', 'differential'],
    };
    const args = ['backup', this.places.source, '--set', setId, '--json', ...(more[family] ?? [])];
    const child = spawn(process.execPath, [script, ...args], {
      cwd: this.root,
      env: { ...this.env, ...this.shims.client.env },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.client = child;
    return child;
  }

  /** Waits for the client; one that was killed, or that gave up, is started again until its set has ended. */
  private async followed(first: ChildProcess, setId: string, family: Family): Promise<void> {
    const deadline = Date.now() + recoverMs;
    for (let client = first; ; client = this.startClient(setId, family)) {
      await exitOf(client);
      if (await this.hasEnded(setId)) return;
      if (Date.now() > deadline) throw new Error('clients ended again and again before the set did');
      await sleep(restartMs);
      await this.processes.serverUp;
    }
  }

  /** Waits until the set has ended in the catalog, and its workflow too: the last steps come after the state. */
  private async closed(setId: string): Promise<void> {
    await waitFor(() => this.hasEnded(setId), `the end of set ${setId}`, recoverMs);
    this.connection ??= Connection.lazy({ address: this.env['TEMPORAL_ADDRESS'] ?? '' });
    const handle = new Client({ connection: this.connection }).workflow.getHandle(
      backupWorkflowId(setId, await this.catalog.shortId()),
    );
    await waitFor(
      async () => {
        try {
          return (await handle.describe()).status.name !== 'RUNNING';
        } catch {
          return false;
        }
      },
      `the end of the workflow of set ${setId}`,
      recoverMs,
    );
  }

  private async hasEnded(setId: string): Promise<boolean> {
    return finalSetStates.includes((await this.catalog.stateOf(setId)) ?? 'scanning');
  }
}

/** A whole life of an installation whose tape worker dies while it labels the tape, and a set in it. */
export async function killWhileLabelling(library: string, point: Point): Promise<Outcome> {
  const lane = await KillLane.open(library, point);
  const outcome = await lane.run(undefined, 'itself');
  await lane.close(outcome.problems.length > 0);
  return { ...outcome, result: resultOf(outcome.problems, lane.firstStruck) };
}
