// The long form of kills.test.ts: kills at every file operation and every commit of every process, whoever is killed.
//   npm run test:faults -- [--lanes 3] [--process archive,tape,client]
//                          [--family staged,direct,incremental,labelling,embedded,restore,reading,targets,
//                          commands,users]
//                          [--target itself,server,client,all] [--points 10-20] [--every 5] [--report FILE] [--resume]
//                          [--catalog sqlite|postgres], which has the first four families
import path from 'node:path';
import { parseArgs } from 'node:util';
import { projectDir } from '../../config/project-dir.js';
import { embeddedPoints, killWholeTree } from '../support/embedded-kill.js';
import { printCommandTable } from '../support/command-family.js';
import { buildShim } from '../support/fault-shim.js';
import { KillLane, killWhileLabelling } from '../support/kill-lane.js';
import type { Outcome } from '../support/kill-set.js';
import { targets, type Point, type Target } from '../support/kill-point.js';
import { KillReport, keyOf, type Run } from '../support/kill-report.js';
import { PostgresServer } from '../support/postgres.js';
import { RestoreLane } from '../support/restore-kill.js';
import { SideFaults } from '../support/side-faults.js';
import { printUserTable } from '../support/user-family.js';

const { values: options } = parseArgs({
  options: {
    lanes: { type: 'string', default: '3' },
    family: {
      type: 'string',
      default: 'staged,direct,incremental,labelling,embedded,restore,reading,targets,commands,users',
    },
    process: { type: 'string', default: 'archive,tape,client' },
    target: { type: 'string', default: targets.join(',') },
    points: { type: 'string', default: '1-100000' },
    every: { type: 'string', default: '1' },
    report: { type: 'string', default: path.join(projectDir, '.tapeflow', 'faults', 'every-point.md') },
    resume: { type: 'boolean', default: false },
    catalog: { type: 'string', default: 'sqlite' },
  },
});

const ends: (() => unknown)[] = [];
if (options.catalog === 'postgres') {
  const server = await PostgresServer.make({ after: (end) => void ends.push(end as () => unknown) });
  process.env['CATALOG_OF_TESTS'] = server.database;
  options.family = options.family
    .split(',')
    .filter((family) => ['staged', 'direct', 'incremental', 'labelling'].includes(family))
    .join(',');
}

const families = options.family.split(',');
const commandsAreRight = !families.includes('commands') || (await printCommandTable());
const usersAreRefused = !families.includes('users') || (await printUserTable());
const tablesAreRight = commandsAreRight && usersAreRefused;
if (families.every((family) => ['commands', 'users'].includes(family))) process.exit(tablesAreRight ? 0 : 1);

const built = buildShim();
if (!('library' in built)) {
  console.error(`The kills at every point cannot run here: this ${built.missing}.`);
  process.exit(1);
}
const { library } = built;
const began = Date.now();
const report = new KillReport(path.resolve(options.report), options.resume);
const lanes: Promise<KillLane>[] = [];

function openLane(): Promise<KillLane> {
  const lane = KillLane.open(library);
  lanes.push(lane);
  return lane;
}

let restores: Promise<{ lane: RestoreLane; points: Point[] }> | undefined;
/** Restores are run one after the other in one installation. */
let turn: Promise<unknown> = Promise.resolve();

function restoreLane(): Promise<{ lane: RestoreLane; points: Point[] }> {
  return (restores ??= RestoreLane.open(library).then(async (lane) => ({
    lane,
    points: await lane.record(),
  })));
}

function killInRestore(point: Point, target: 'itself' | 'all'): Promise<Outcome> {
  const outcome = turn.then(async () => {
    const { lane } = await restoreLane();
    const run = await lane.run(point, target);
    if (run.problems.length > 0) {
      await lane.close(true);
      restores = undefined;
    }
    return run;
  });
  turn = outcome.catch(() => undefined);
  return outcome;
}

let sides: Promise<SideFaults> | undefined;

/** One after the other, as restores are. */
function failAt(point: Point): Promise<Outcome> {
  const outcome = turn.then(async () => (await (sides ??= SideFaults.open())).run(point));
  turn = outcome.catch(() => undefined);
  return outcome;
}

/**
 * Every run that the options ask for and that was not done before, one target after the other, each in the order of
 * the flow: a run that is interrupted has been at as many points as possible.
 */
async function plan(lane: KillLane): Promise<Run[]> {
  const asked = (list: string, name: string) => list.split(',').includes(name);
  const [from = 1, to = from] = options.points.split('-').map(Number);
  const points: Point[] = [];
  for (const family of ['staged', 'direct', 'incremental'] as const) {
    if (!asked(options.family, family)) continue;
    const recorded = await lane.record(family);
    points.push(...recorded.archive, ...recorded.tape, ...recorded.client);
  }
  if (asked(options.family, 'labelling')) points.push(...lane.labelling());
  if (asked(options.family, 'embedded')) points.push(...embeddedPoints);
  if (asked(options.family, 'restore')) points.push(...(await restoreLane()).points);
  for (const family of ['reading', 'targets'] as const)
    if (asked(options.family, family)) points.push(...(await (sides ??= SideFaults.open())).points(family));
  const done = report.done();
  const here = points.filter(
    ({ role, number }) =>
      asked(options.process, role) && number >= from && number <= to && number % Number(options.every) === 0,
  );
  return options.target
    .split(',')
    .flatMap((target) => here.map((point): Run => ({ point, target: target as Target })))
    .filter((run) => targetsOf(run.point).includes(run.target) && !done.has(keyOf(run)));
}

function targetsOf({ family, role }: Point): Run['target'][] {
  if (family === 'embedded') return ['all'];
  if (family === 'labelling' || isSide(family)) return ['itself'];
  if (family === 'restore') return ['itself', 'all'];
  return targets.filter((target) => role !== 'client' || target !== 'client');
}

function isSide(family: Point['family']): boolean {
  return family === 'reading' || family === 'targets';
}

/** One lane's work: run after run until none is left. A lane where something went wrong is kept as it is. */
async function work(first: KillLane, runs: Run[]): Promise<void> {
  let lane = first;
  for (let run = runs.shift(); run !== undefined; run = runs.shift()) {
    const { point, target } = run;
    const once = () => {
      if (point.family === 'embedded') return killWholeTree(library, point);
      if (point.family === 'labelling') return killWhileLabelling(library, point);
      if (isSide(point.family)) return failAt(point);
      if (point.family === 'restore') return killInRestore(point, target as 'itself' | 'all');
      return lane.run(point, target);
    };
    let outcome = await once();
    // The order of what goes on at once differs from run to run: a point may not come.
    if (outcome.result === 'not reached') outcome = await once();
    report.add({ ...run, outcome });
    if (outcome.root === lane.root && outcome.problems.length > 0) {
      await lane.close(true);
      lane = await openLane();
    }
  }
  await lane.close();
}

/** Ends every process that was started here. */
async function closeAll(): Promise<void> {
  for (const lane of await Promise.allSettled(lanes))
    if (lane.status === 'fulfilled') await lane.value.close();
  await (await restores)?.lane.close(false);
  await (await sides)?.close(false);
  for (const end of ends) await end();
}

let interrupted = false;
process.once('SIGINT', () => {
  interrupted = true;
  // Calls under way find their lane gone.
  process.on('uncaughtException', () => undefined);
  void closeAll().then(() => {
    report.end((Date.now() - began) / 1000);
    process.exit(130);
  });
});

const firstLane = await openLane();
const runs = await plan(firstLane);
console.error(`${runs.length} runs are ahead.`);
const others = Array.from({ length: Math.min(Number(options.lanes), runs.length) - 1 }, async () =>
  openLane(),
);
try {
  await Promise.all([Promise.resolve(firstLane), ...others].map(async (lane) => work(await lane, runs)));
} catch (error) {
  // The lanes are closed under their runs.
  if (interrupted) await new Promise(() => undefined);
  throw error;
}
await closeAll();
process.exitCode = report.end((Date.now() - began) / 1000) && tablesAreRight ? 0 : 1;
