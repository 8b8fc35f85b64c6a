import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkStaging } from '../support/check-set.js';
import { noPostgres } from '../support/postgres.js';
import { assertSameTree, manyFiles, noise, settled, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';
import { type BackedUp, checkTeam } from './check-team.js';
import { noMachines, type Machine, type Worker } from './machine.js';
import { Team } from './team.js';

/**
 * Three hosts on this machine, each in namespaces of its own, with one staging, one PostgreSQL and one Temporal server:
 * two file servers back up at once to one drive host. Everything is killed in turn, and hosts are cut off from the
 * network, while that runs.
 *
 *   npm run test:hosts [-- --real-server]
 *
 * `--real-server`: Temporal's own server, on the same PostgreSQL, built by Go (see test/real-server/). Needs root on
 * Linux, iproute2, util-linux, and Debian's package `postgresql`.
 */
const began = performance.now();
const say = (what: string) => console.log(`${((performance.now() - began) / 1000).toFixed(1)} s: ${what}`);
/** A minute that a host is cut off, and the longest wait for what comes after it. */
const minuteMs = 60_000;
const patientMs = 10 * minuteMs;

const why = noMachines() || noPostgres;
if (why !== false) {
  console.log(`not run: this ${why}`);
  process.exit(1);
}
const team = await Team.make(process.argv.includes('--real-server'));
try {
  say(`PostgreSQL and a Temporal server run at ${team.server.address}`);
  const host = (name: string, env: Record<string, string> = {}) =>
    team.machine(name, { TAPEFLOW_HOST: name, ...env });
  const alpha = await host('alpha');
  const bravo = await host('bravo');
  const tapes = await host('tapes', { TAPE_PATH: path.join(team.root, 'here', 'tape') });
  const tape = tapes.seen('tape');
  mkdirSync(tape);
  await team.setUp(alpha);
  await command(tapes, 'tape', 'label', 'T1', '--drive', 'lto1');
  const workers = {
    alpha: await alpha.worker('archive'),
    bravo: await bravo.worker('archive'),
    tapes: await tapes.worker('tape', '--drive', 'lto1'),
  };
  say('three hosts work');
  const sets = [
    ...(await killsInTurn(alpha, bravo, workers)),
    ...(await cutWhileCompressing(alpha)),
    ...(await cutWhileWriting(alpha, bravo, tapes)),
  ];
  const problems = await checkTeam(team, sets, tape);
  for (const { kind, what } of problems) say(`${kind}: ${what}`);
  assert.equal(problems.length, 0);
  say('everything is on tape, once, and nothing else is');
  for (const [index, { setId, machine, source }] of sets.entries()) {
    // In turn to the host that it came from, to the other file server, and to the host of the drive.
    const to = [machine, machine === alpha ? bravo : alpha, tapes][index % 3] ?? tapes;
    const target = path.join('target', setId);
    await command(bravo, 'restore', setId, '--to', `${to.name}:${to.here(target)}`);
    const restored = path.join(to.seen(target), source);
    assertSameTree(restored, machine.seenAt(source), { folderTimes: true, nearTimes: true });
    say(`set ${setId} of ${machine.name} was restored to ${to.name}`);
  }
  const left = checkStaging({ staging: path.join(team.root, 'shared') });
  assert.deepEqual(left, [], 'a restore leaves nothing in staging');
  say(`${sets.length} sets were restored and are what was backed up`);
} finally {
  await team.end();
}

async function command(machine: Machine, ...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await machine.run(args);
  assert.equal(code, 0, `${machine.name}: ${args.join(' ')}: ${stdout}${stderr}`);
}

/** Two file servers back up at once, while every process is killed, one after the other. */
async function killsInTurn(
  alpha: Machine,
  bravo: Machine,
  workers: Record<'alpha' | 'bravo' | 'tapes', Worker>,
): Promise<BackedUp[]> {
  for (const { name, seen } of [alpha, bravo].map((one) => ({ name: one.name, seen: one.seen('first') }))) {
    manyFiles(seen, 3000, 3000);
    for (let file = 0; file < 60; file += 1)
      writeTree(seen, { [`noise/${file}`]: noise(1_500_000, `${name} ${file}`) });
  }
  const sets = [await begin(alpha, 'first', '2MB'), await begin(bravo, 'first', '2MB')];
  const kills: [string, () => Promise<unknown>][] = [
    ...(['alpha', 'bravo', 'tapes'] as const).map((name): [string, () => Promise<unknown>] => [
      workers[name].name,
      async () => {
        await workers[name].kill();
        workers[name] = await workers[name].again();
      },
    ]),
    [
      'PostgreSQL',
      () =>
        team.postgres
          .kill()
          .then(() => sleep(2000))
          .then(() => team.postgres.start()),
    ],
    [
      'the Temporal server',
      () =>
        team.server
          .kill()
          .then(() => sleep(2000))
          .then(() => team.server.goOn()),
    ],
    [
      'the machine bravo',
      async () => {
        await bravo.powerOff();
        await bravo.boot();
        workers.bravo = await workers.bravo.again();
      },
    ],
  ];
  for (const [whom, kill] of kills) {
    const before = await committed();
    await waitFor(
      async () => (await committed()) > before + 2,
      `archives before the kill of ${whom}`,
      patientMs,
    );
    assert.ok(await unfinished(sets), `all is on tape before ${whom} is killed`);
    say(`kill -9 of ${whom}, with ${await committed()} archives on tape`);
    await kill();
  }
  await end(sets);
  return sets;
}

/**
 * The machine that compresses is cut off, and its disks and the staging are not: it goes on by itself. Another machine
 * of the same host compresses the group meanwhile.
 */
async function cutWhileCompressing(alpha: Machine): Promise<BackedUp[]> {
  for (let file = 0; file < 3; file += 1)
    writeTree(alpha.seen('second'), { [`noise/${file}`]: noise(150_000_000, `second ${file}`) });
  const other = await team.machine('alpha-2', { TAPEFLOW_HOST: 'alpha' }, 'alpha');
  const set = await begin(alpha, 'second', '160MB');
  const compressing = (also = '') =>
    team.query<{ no: number; token: string }>(
      `select no, token from groups where set_id = '${set.setId}' and state = 'compressing' ${also} order by no`,
    );
  let cut: { no: number; token: string } | undefined;
  while (cut === undefined) {
    assert.ok(await unfinished([set]), 'no group was met that is compressed');
    const [group] = await compressing();
    if (group === undefined) continue;
    alpha.cut();
    // What it has told the catalog before that has arrived by now.
    await sleep(500);
    [cut] = await compressing(`and no = ${group.no} and token = '${group.token}'`);
    if (cut === undefined) alpha.mend();
  }
  const { no, token } = cut;
  const cutAt = performance.now();
  say(`${alpha.name} is cut off while it compresses group ${no}`);
  const second = await other.worker('archive');
  const madeBy = async () =>
    (
      await team.query<{ token: string }>(
        `select token from archives where set_id = '${set.setId}' and group_no = ${no}`,
      )
    )[0]?.token;
  await waitFor(madeBy, 'the other machine to compress it', patientMs);
  assert.notEqual(await madeBy(), token, 'the machine that was cut off has published it');
  say(`${other.name} has compressed it`);
  await sleep(Math.max(0, minuteMs - (performance.now() - cutAt)));
  alpha.mend();
  say(`${alpha.name} is there again`);
  await end([set]);
  assert.notEqual(await madeBy(), token, 'the stale attempt has published it');
  await second.kill();
  // Its first machine does everything again, and has had the time to do something wrong.
  manyFiles(alpha.seen('then'), 100);
  const then = await begin(alpha, 'then', '2MB');
  await end([then]);
  return [set, then];
}

/** The drive's host is cut off in the middle of a write. */
async function cutWhileWriting(alpha: Machine, bravo: Machine, tapes: Machine): Promise<BackedUp[]> {
  for (const machine of [alpha, bravo])
    for (let file = 0; file < 12; file += 1)
      writeTree(machine.seen('third'), { [`${file}`]: noise(20_000_000, `${machine.name} third ${file}`) });
  const sets = [await begin(alpha, 'third', '25MB'), await begin(bravo, 'third', '25MB')];
  const writing = async () =>
    (
      await team.query<{ set_id: string; no: number }>(
        `select set_id, no from groups where state = 'writing'`,
      )
    )[0];
  for (;;) {
    assert.ok(await unfinished(sets), 'no write was met');
    await waitFor(writing, 'a write', patientMs);
    tapes.cut();
    // What it has told the catalog before that has arrived by now.
    await sleep(500);
    const group = await writing();
    if (group !== undefined) {
      say(`${tapes.name} is cut off while it writes group ${group.no} of set ${group.set_id}`);
      break;
    }
    tapes.mend();
  }
  await sleep(minuteMs);
  tapes.mend();
  say(`${tapes.name} is there again`);
  await end(sets);
  return sets;
}

/** Starts a backup of a machine's folder, and leaves it to the workers. */
async function begin(machine: Machine, name: string, size: string, ...more: string[]): Promise<BackedUp> {
  const source = machine.here(name);
  await settled(machine.seen(name));
  const args = ['backup', source, '--detach', ...more, '--json'];
  // Slow, so that there is time to kill.
  const { code, stdout, stderr } = await machine.run(args, { MAX_GROUP_SIZE: size, COMPRESSION_LEVEL: '9' });
  assert.equal(code, 0, stdout + stderr);
  const { setId } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { setId: string };
  return { setId, machine, source };
}

async function end(sets: readonly BackedUp[]): Promise<void> {
  await waitFor(async () => !(await unfinished(sets)), `the end of ${sets.length} sets`, patientMs);
  for (const { setId, machine } of sets) say(`set ${setId} of ${machine.name} has ended`);
}

async function unfinished(sets: readonly BackedUp[]): Promise<boolean> {
  const ids = sets.map(({ setId }) => `'${setId}'`).join(', ');
  const open = `id in (${ids}) and finished_at is null`;
  return (await team.query(`select 1 from sets where ${open}`)).length > 0;
}

async function committed(): Promise<number> {
  const [row] = await team.query<{ n: number }>(
    `select count(*)::int as n from copies where state = 'committed'`,
  );
  return row?.n ?? 0;
}
