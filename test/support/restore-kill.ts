import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { checkSet, checkTarget, type Problem } from './check-set.js';
import { FaultShim } from './fault-shim.js';
import { Installation, type Running } from './installation.js';
import { killGroups, killSettings, killSource, resultOf, type Outcome } from './kill-set.js';
import { pointsOf, strikeAt, type Point, type Target } from './kill-point.js';
import { waitFor } from './wait-for.js';

/** What `t.after` of node:test is for a test. */
type AtEnd = (() => unknown)[];

/**
 * An installation with a set on tape, which is restored again and again while a backup runs beside it. In each restore
 * one point may kill: the process that reaches it, or everything, and then the same command is run again.
 */
export class RestoreLane {
  private readonly shim: FaultShim;
  private readonly source: string;
  private readonly target: string;
  private setId = '';
  /** The set of the last backup, which the tape must keep, and those before it. */
  private newest: string | undefined;

  private constructor(
    library: string,
    private readonly installation: Installation,
    private readonly atEnd: AtEnd,
  ) {
    const { root, stagingDir, tapeDir } = installation;
    this.source = killSource(root);
    this.target = path.join(root, 'target');
    this.shim = new FaultShim(library, root, 'restore', {
      folders: [this.target, stagingDir, tapeDir],
      commits: this.catalog,
    });
  }

  static async open(library: string): Promise<RestoreLane> {
    const atEnd: AtEnd = [];
    const context = { after: (step?: unknown) => void atEnd.push(step as () => unknown) };
    const lane = new RestoreLane(library, await Installation.make(context, killSettings), atEnd);
    const { setId } = await lane.installation.json<{ setId: string }>(['backup', lane.source]);
    await lane.installation.quiet();
    lane.setId = setId;
    return lane;
  }

  get root(): string {
    return this.installation.root;
  }

  private get catalog(): string {
    return path.join(this.installation.dataDir, 'catalog.db');
  }

  /** Runs a restore without a kill; its points are what it does in the target, and the commits of everybody. */
  async points(): Promise<Point[]> {
    const { problems } = await this.run(undefined, 'itself');
    if (problems.length > 0)
      throw new Error(`a restore without a kill failed in ${this.root}: ${JSON.stringify(problems)}`);
    const how = { family: 'restore', role: 'tape', root: this.root, setId: this.setId } as const;
    return pointsOf(this.shim.operations(), how).filter(
      ({ path: file, after }) => !after && (file.startsWith('target') || file.startsWith('data/catalog')),
    );
  }

  /**
   * Restores, with a backup beside it, kills when the point is reached, and looks at everything when both have ended.
   */
  async run(point: Point | undefined, target: Target): Promise<Outcome> {
    const { installation, shim } = this;
    rmSync(this.target, { recursive: true, force: true });
    mkdirSync(this.target);
    const strike = point && { ...strikeAt(point, this.root, this.setId), pids: [-1] };
    // Server and workers carry the shim, and no command does.
    let up = await this.up();
    shim.arm(strike && (target === 'all' ? { ...strike, action: 'freeze' } : strike));
    const began = Date.now();
    const problems: Problem[] = [];
    const backup = ['backup', this.source, '--new', '--detach'];
    const { setId: beside } = await installation.json<{ setId: string }>(backup);
    const command = ['restore', this.setId, '--target', this.target];
    let restore = installation.start(command);
    let ended = false;
    void restore.ended.then(() => (ended = true));
    if (target === 'all' && point !== undefined) {
      await waitFor(() => ended || shim.struck().times > 0, `the point in ${this.root}`);
      // A point that comes later would freeze a process of the backup, which nobody would end.
      shim.disarm();
      if (shim.struck().times > 0) {
        await installation.killAll();
        up = await this.up();
        restore = installation.start(command);
      }
    }
    const { code, stdout, stderr } = await restore.ended;
    if (code !== 0)
      problems.push({ kind: 'lost', what: `the restore ended with ${code}: ${stdout}${stderr}` });
    const { times, when } = point === undefined ? { times: 0, when: began } : shim.struck();
    const seconds = (Date.now() - (times > 0 ? when : began)) / 1000;
    problems.push(...checkTarget(this.target, this.source));
    const watched = await installation.run(['watch', beside]);
    if (watched.code !== 0)
      problems.push({ kind: 'lost', what: `the backup beside it: ${watched.stdout}${watched.stderr}` });
    up.child.kill('SIGINT');
    await installation.quiet();
    problems.push(...this.checkBackup(beside));
    return { setId: beside, result: resultOf(problems, times > 0), problems, seconds, root: this.root };
  }

  private async up(): Promise<Running> {
    const up = this.installation.start(['up'], this.shim.env);
    await waitFor(() => up.output().includes('Ctrl-C stops'), `server and workers in ${this.root}`);
    return up;
  }

  async close(keep: boolean): Promise<void> {
    if (keep) await this.installation.killAll();
    else for (const step of this.atEnd) await step();
  }

  private checkBackup(setId: string): Problem[] {
    const { stagingDir, tapeDir } = this.installation;
    const places = { catalog: this.catalog, staging: stagingDir, tape: tapeDir, source: this.source };
    const problems = checkSet(places, setId, killGroups);
    if (problems.length > 0) return problems;
    if (this.newest !== undefined) rmSync(path.join(tapeDir, this.newest), { recursive: true });
    this.newest = setId;
    return [];
  }
}
