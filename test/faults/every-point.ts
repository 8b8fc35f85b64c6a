// The long form of kills.test.ts: kills at every file operation and every commit of every process, whoever is killed.
//   npm run test:faults -- [--lanes 3] [--process archive,tape,client]
//                          [--family staged,direct,incremental,labelling,embedded,restore,reading,targets,
//                          commands,users]
//                          [--target itself,server,client,all] [--points 10-20] [--every 5] [--report FILE] [--resume]
//                          [--catalog sqlite|postgres], which has the first four families, and to-host
import path from 'node:path';
import { parseArgs } from 'node:util';
import { projectDir } from '../../config/project-dir.js';
import { embeddedPoints, killWholeTree } from '../support/embedded-kill.js';
import { printCommandTable } from '../support/command-family.js';
import { buildShim } from '../support/fault-shim.js';
import { KillLane, killWhileLabelling } from '../support/kill-lane.js';
import { targets, type Point, type Target } from '../support/kill-point.js';
import { KillReport, keyOf, type Run } from '../support/kill-report.js';
import { PostgresServer } from '../support/postgres.js';
import { isShared, SharedLanes } from '../support/shared-lanes.js';
import { printUserTable } from '../support/user-family.js';

const { values: options } = parseArgs({
  options: {
    lanes: { type: 'string', default: '3' },
    family: { type: 'string' },
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
}

const all = {
  sqlite: [
    ...['staged', 'direct', 'incremental', 'labelling', 'embedded', 'restore', 'reading', 'targets'],
    ...['commands', 'users'],
  ],
  postgres: ['staged', 'direct', 'incremental', 'labelling', 'to-host'],
};
const there = all[options.catalog === 'postgres' ? 'postgres' : 'sqlite'];
const families = options.family?.split(',').filter((family) => there.includes(family)) ?? there;
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

/** The one in which the points are recorded. */
function firstLane(): Promise<KillLane> {
  return lanes[0] ?? openLane();
}

const shared = new SharedLanes(library);

/**
 * Every run that the options ask for and that was not done before, one target after the other, each in the order of
 * the flow: a run that is interrupted has been at as many points as possible.
 */
async function plan(): Promise<Run[]> {
  const asked = (list: string, name: string) => list.split(',').includes(name);
  const [from = 1, to = from] = options.points.split('-').map(Number);
  const points: Point[] = [];
  for (const family of ['staged', 'direct', 'incremental'] as const) {
    if (!families.includes(family)) continue;
    const recorded = await (await firstLane()).record(family);
    points.push(...recorded.archive, ...recorded.tape, ...recorded.client);
  }
  if (families.includes('labelling')) points.push(...(await firstLane()).labelling());
  if (families.includes('embedded')) points.push(...embeddedPoints);
  for (const family of ['restore', 'to-host', 'reading', 'targets'] as const)
    if (families.includes(family)) points.push(...(await shared.points(family)));
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
  if (['labelling', 'reading', 'targets'].includes(family)) return ['itself'];
  if (family === 'restore') return ['itself', 'all'];
  return targets.filter((target) => role !== 'client' || target !== 'client');
}

/** One lane's work: run after run until none is left. A lane where something went wrong is kept as it is. */
async function work(lane: KillLane | undefined, runs: Run[]): Promise<void> {
  for (let run = runs.shift(); run !== undefined; run = runs.shift()) {
    const { point, target } = run;
    const once = async () => {
      if (point.family === 'embedded') return killWholeTree(library, point);
      if (point.family === 'labelling') return killWhileLabelling(library, point);
      if (isShared(point.family)) return shared.run(point.family, point, target);
      lane ??= await openLane();
      return lane.run(point, target);
    };
    let outcome = await once();
    // The order of what goes on at once differs from run to run: a point may not come.
    if (outcome.result === 'not reached') outcome = await once();
    report.add({ ...run, outcome });
    if (outcome.root === lane?.root && outcome.problems.length > 0) {
      await lane.close(true);
      lane = undefined;
    }
  }
  await lane?.close();
}

/** Ends every process that was started here. */
async function closeAll(): Promise<void> {
  for (const lane of await Promise.allSettled(lanes))
    if (lane.status === 'fulfilled') await lane.value.close();
  await shared.close();
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

try {
  const runs = await plan();
  console.error(`${runs.length} runs are ahead.`);
  const working = Array.from({ length: Math.min(Number(options.lanes), runs.length) }, (_, index) => index);
  await Promise.all(working.map(async (index) => work(index === 0 ? await lanes[0] : undefined, runs)));
} catch (error) {
  // The lanes are closed under their runs.
  if (interrupted) await new Promise(() => undefined);
  await closeAll();
  throw error;
}
await closeAll();
process.exitCode = report.end((Date.now() - began) / 1000) && tablesAreRight ? 0 : 1;
