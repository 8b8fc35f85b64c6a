import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import type { Problem } from './check-set.js';
import { FakeLtfs } from './fake-ltfs.js';
import { Installation } from './installation.js';
import { killSettings, killSource, resultOf, type Outcome } from './kill-set.js';
import type { Point } from './kill-point.js';
import { archivesOn } from './trees.js';

const page = 4096;
/** Bad places of each file on the tape, evenly spread. */
const placesEach = 6;
const readers = ['restore', 'verify', 'catalog'] as const;
const targetErrors = ['EIO', 'EDQUOT', 'ENOSPC', 'EROFS', 'EACCES'] as const;
const targetCalls = ['write', 'open', 'mkdir', 'chmod', 'rename'] as const;

interface Result {
  status?: string;
  problem?: string;
  path?: string;
  problems?: number;
  unset?: Record<string, number>;
}

/**
 * A set on a tape whose reads fail at chosen places (family `reading`), and a target whose calls fail (`targets`). Each
 * run must end by itself, name what it could not have, bring everything else back, and mark no copy for a target's
 * error.
 */
export class SideFaults {
  private readonly source: string;
  private setId = '';

  private constructor(
    private readonly installation: Installation,
    private readonly ltfs: FakeLtfs,
    private readonly target: FakeLtfs,
    private readonly atEnd: (() => unknown)[],
  ) {
    this.source = killSource(installation.root);
  }

  static async open(): Promise<SideFaults> {
    const atEnd: (() => unknown)[] = [];
    const after = (step?: unknown) => void atEnd.push(step as () => unknown);
    const t = { after, skip: () => undefined } as unknown as TestContext;
    const ltfs = await FakeLtfs.make(t);
    const target = await FakeLtfs.make(t);
    if (ltfs === undefined || target === undefined) throw new Error('needs FUSE 3 and Python');
    const installation = await Installation.make(t, { ...killSettings, TAPE_PATH: ltfs.mount });
    const lane = new SideFaults(installation, ltfs, target, atEnd);
    await installation.run(['tape', 'label', 'T1']);
    const { setId } = await installation.json<{ setId: string }>(['backup', lane.source]);
    await installation.quiet();
    lane.setId = setId;
    return lane;
  }

  points(family: 'reading' | 'targets'): Point[] {
    const point = (operation: string, file: string, occurrence: number): Point => ({
      ...{ family, role: 'tape', number: 0, operation, path: file, occurrence, after: false },
    });
    const found: Point[] = [];
    if (family === 'targets')
      for (const call of targetCalls)
        for (const error of targetErrors) found.push(point(`${call} ${error}`, 'target', 1));
    else
      for (const reader of readers)
        for (const file of archivesOn(this.ltfs.mount, this.setId)) {
          const pages = Math.ceil(statSync(file).size / page);
          for (let i = 0; i < placesEach; i += 1)
            found.push(point(reader, path.basename(file), Math.floor((pages * i) / placesEach) + 1));
        }
    return found.map((one, index) => ({ ...one, number: index + 1 }));
  }

  async run(point: Point): Promise<Outcome> {
    const began = Date.now();
    const problems: Problem[] = [];
    const wrong = (what: string, kind: Problem['kind'] = 'lost') => problems.push({ kind, what });
    // A new mount: nothing of the tape is in the system's cache.
    await this.ltfs.eject();
    await this.ltfs.load();
    if (point.family === 'targets') await this.failTarget(point, wrong);
    else await this.failReading(point, wrong);
    this.ltfs.faults({});
    const { status } = await this.installation.json<Result>(['verify', this.setId]);
    if (status !== 'completed') wrong(`without the fault a verify is ${status}`);
    await this.installation.quiet();
    const seconds = (Date.now() - began) / 1000;
    const { root } = this.installation;
    return { setId: this.setId, result: resultOf(problems, true), problems, seconds, root };
  }

  private async failReading(
    point: Point,
    wrong: (what: string, kind?: Problem['kind']) => void,
  ): Promise<void> {
    const from = (point.occurrence - 1) * page;
    this.ltfs.faults({ read: { errno: 'EIO', path: point.path, ranges: [[from, from + page]] } });
    const folder = path.join(this.installation.root, 'restored');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    const command = {
      restore: ['restore', this.setId, '--target', folder],
      verify: ['verify', this.setId],
      catalog: ['tape', 'catalog'],
    }[point.operation as (typeof readers)[number]];
    const { code, stdout, stderr } = await this.installation.run([...command, '--json']);
    const lines = stdout.trim().split('\n').map(parsed);
    if (lines.length === 0) wrong(`${point.operation} said nothing (${code}): ${stderr}`);
    if (point.operation !== 'restore') return;
    const named = new Set(lines.flatMap((line) => (line.problem === undefined ? [] : [line.path ?? ''])));
    for (const { path: file } of this.files()) {
      const back = path.join(folder, file);
      const isBack = existsSync(back) && readFileSync(back).equals(readFileSync(file));
      if (existsSync(back) && !isBack) wrong(`${file} has other bytes`, 'wrong bytes');
      if (!isBack && !named.has(file)) wrong(`${file} is missing, and not named`);
      if (isBack && named.has(file)) wrong(`${file} is named, and is there`, 'unclean');
    }
    if (named.size > 0 !== (code === 1))
      wrong(`the exit code is ${code} with ${named.size} problems`, 'unclean');
  }

  private async failTarget(
    point: Point,
    wrong: (what: string, kind?: Problem['kind']) => void,
  ): Promise<void> {
    const [call = '', errno = ''] = point.operation.split(' ');
    const folder = path.join(this.target.mount, `${call}-${errno}`);
    mkdirSync(folder);
    this.target.faults({ [call]: { errno, read_only: false } });
    const restore = this.installation.start(['restore', this.setId, '--target', folder, '--json']);
    const waits = ['ENOSPC', 'EDQUOT', 'EROFS'].includes(errno);
    const ended = await Promise.race([
      restore.ended,
      new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), waits ? 8000 : 60_000)),
    ]);
    if (ended === undefined && !waits) wrong(`a restore whose target fails with ${errno} does not end`);
    this.target.faults({});
    const last = ended ?? (await restore.ended);
    const { status, problems, unset } = parsed(last.stdout.trim().split('\n').at(-1) ?? '');
    // What an LTFS keeps of a mode is whether it may be written; the restore counts that.
    const isWhole = last.code === 3 && status === 'completed' && problems === 0 && unset?.mode !== undefined;
    if (ended === undefined && !isWhole)
      wrong(`it did not go on when the target was mended (${last.code}): ${last.stdout}`);
    const damaged = this.installation.query('select 1 from copies where damage is not null');
    if (damaged.length > 0) wrong(`a copy is called damaged for ${point.operation} of the target`);
    rmSync(folder, { recursive: true, force: true });
  }

  private files(): { path: string }[] {
    return this.installation
      .query<{ path: Buffer }>(`select path from files where type = 'file' and state = 'packed'`)
      .map((row) => ({ path: `/${row.path.toString()}` }));
  }

  async close(keep: boolean): Promise<void> {
    if (keep) await this.installation.killAll();
    else for (const step of this.atEnd) await step();
  }
}

function parsed(line: string): Result {
  try {
    return JSON.parse(line) as Result;
  } catch {
    return {};
  }
}
