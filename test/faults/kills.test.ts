import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { embeddedPoints, killWholeTree } from '../support/embedded-kill.js';
import { buildShim } from '../support/fault-shim.js';
import { KillLane } from '../support/kill-lane.js';
import type { Outcome } from '../support/kill-set.js';
import { describePoint, type Family, type Point, type Role, type Target } from '../support/kill-point.js';
import { longTest } from '../support/trees.js';

// The short form of `npm run test:faults`, which kills at every point: here every kind of operation of both workers,
// every one whose death may be the worst, and everyone who can be killed.
const archive = (group: number) => `backup_{set}_00000${group}.tar.gz`;
const part = (group: number) => `${archive(group)}.{attempt}.part`;
const [temp, final, tape, commits] = [
  'staging/temp/{set}',
  'staging/final/{set}',
  'data/tape/{set}',
  'data/catalog.db-wal',
];
/** `long`: nearly as another one. */
const spread: readonly [Family, Role, Target, string, string, number, 'long'?][] = [
  ['staged', 'archive', 'client', 'mkdir', temp, 1, 'long'],
  ['staged', 'archive', 'server', 'open', `${temp}/${part(1)}`, 1, 'long'],
  ['staged', 'archive', 'itself', 'write', `${temp}/${part(2)}`, 5, 'long'],
  ['staged', 'archive', 'all', 'fsync', commits, 10, 'long'],
  ['staged', 'archive', 'itself', 'rename', `${temp}/${archive(1)}`, 1, 'long'],
  ['staged', 'archive', 'all', 'rename', `${final}/${archive(2)}`, 1, 'long'],
  ['staged', 'archive', 'itself', 'unlink', `${final}/${archive(1)}`, 1],
  ['staged', 'archive', 'server', 'rmdir', temp, 1, 'long'],
  ['staged', 'tape', 'server', 'mkdir', tape, 1, 'long'],
  ['staged', 'tape', 'client', 'open', `${tape}/${part(1)}`, 1, 'long'],
  ['staged', 'tape', 'itself', 'write', `${tape}/${part(2)}`, 2],
  ['staged', 'tape', 'itself', 'rename', `${tape}/${archive(2)}`, 1, 'long'],
  ['staged', 'tape', 'all', 'fsync', commits, 12],
  ['direct', 'tape', 'itself', 'rename', `${tape}/${archive(2)}`, 1],
  ['staged', 'client', 'itself', 'fsync', commits, 1, 'long'],
];
const points = spread.map(([family, role, target, operation, path, occurrence, long]) => {
  const point: Point = { family, role, number: 0, operation, path, occurrence, after: false };
  return { point, target, skip: long === 'long' && longTest };
});

const built = buildShim();
const skip = 'missing' in built ? built.missing : false;
const library = 'library' in built ? built.library : '';

/** The states in which the first labelling of the default tape can be left behind. */
const labellings = [
  { operation: 'rename', path: 'data/tape/tapeflow-label.json', after: false },
  { operation: 'rename', path: 'data/tape/tapeflow-label.json', after: true },
].map((point): Point => ({ family: 'labelling', role: 'tape', number: 0, occurrence: 1, ...point }));

/** Sets side by side: most of a run is waiting for a time-out. */
const lanesAtOnce = 2;
const lanes: Promise<KillLane>[] = [];
const free: Promise<KillLane>[] = [];

/** Works in a lane that is free; in a new one with a point of its own. */
async function inLane<Result>(work: (lane: KillLane) => Promise<Result>, labelling?: Point): Promise<Result> {
  const taken = (labelling === undefined ? free.shift() : undefined) ?? KillLane.open(library, labelling);
  if (!lanes.includes(taken)) lanes.push(taken);
  try {
    return await work(await taken);
  } finally {
    free.push(taken);
  }
}

/** Runs a point, and once more when what goes on at once went on in another order, so that the point did not come. */
async function killAt(once: () => Promise<Outcome>): Promise<void> {
  let outcome = await once();
  if (outcome.result === 'not reached') outcome = await once();
  assert.deepEqual(outcome.problems, []);
  assert.equal(outcome.result, 'recovered');
}

describe('A set outlives SIGKILL:', { concurrency: lanesAtOnce, skip }, () => {
  after(async () => {
    for (const lane of await Promise.allSettled(lanes))
      if (lane.status === 'fulfilled') await lane.value.close();
  });
  for (const point of labellings) {
    const name = `the tape worker itself, ${describePoint(point)}, in its first start`;
    test(name, { skip: point.after && longTest }, () =>
      inLane(async (lane) => {
        assert.ok(lane.firstStruck);
        assert.equal((await lane.run(undefined, 'itself')).problems.length, 0);
      }, point),
    );
  }
  const [again] = points.filter(({ point }) => point.role === 'tape' && point.operation === 'write');
  test('the tape worker itself in the middle of an archive, and again when it clears that away', () =>
    inLane(async (lane) => {
      const clearing = { ...(again?.point as Point), operation: 'unlink', occurrence: 1 };
      const outcome = await lane.run(again?.point, 'itself', { then: clearing });
      assert.deepEqual([outcome.result, outcome.problems], ['recovered', []]);
    }));
  for (const { point, target, skip } of points.filter((candidate) => candidate !== again)) {
    const who =
      target === 'itself' ? 'the process itself' : target === 'all' ? 'all processes' : `the ${target}`;
    test(`${who}, ${describePoint(point)}, ${point.role}, ${point.family}`, { skip }, () =>
      inLane((lane) => killAt(() => lane.run(point, target))),
    );
  }
  // The last one: all is done but the end, and the command must not begin another set.
  const whole = embeddedPoints.at(-1);
  test('the command with its server and workers, when the same command is run again', () =>
    killAt(() => killWholeTree(library, whole as Point)));
});

test('the kills above cover every kind of file operation that the workers make', { skip }, async () => {
  const made = new Set((await Promise.all(lanes)).flatMap((lane) => [...lane.kinds]));
  const killed = new Set(points.map(({ point }) => `${point.role} ${point.operation}`)).add('tape unlink');
  assert.deepEqual(
    [...made].filter((kind) => !killed.has(kind)),
    [],
  );
  assert.ok(made.size >= 12, [...made].join(', '));
});
