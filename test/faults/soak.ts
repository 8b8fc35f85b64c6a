import { rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { checkSet } from '../support/check-set.js';
import { Installation, commandLine } from '../support/installation.js';
import { manyFiles } from '../support/trees.js';

/**
 * The soak: one set of many small groups through `tapeflow backup`, while a process of it, chosen at random, is killed
 * with SIGKILL again and again: a worker, the server, the host, the command itself, or all of them. What ends with the
 * command is begun again by the same command.
 *
 *   npm run test:soak -- [--groups 2000] [--every 20] [--seed 1]
 */
const { values } = parseArgs({
  options: {
    groups: { type: 'string', default: '2000' },
    every: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
  },
});
const groups = Number(values.groups);
const everyMs = Number(values.every) * 1000;
let state = Number(values.seed) >>> 0;

/** Numbers of a fixed sequence below `below` (a linear congruential generator; Numerical Recipes, 7.1). */
function random(below: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

const atEnd: (() => unknown)[] = [];
const installation = await Installation.make(
  { after: (step?: unknown) => void atEnd.push(step as () => unknown) },
  { MAX_GROUP_SIZE: '4KB', STAGING_MAX_BYTES: '1MB', RETRY_SECONDS: '0.5' },
);
const source = path.join(installation.root, 'source');
// Ten files of 400 bytes fill a group; a folder begins every 100.
manyFiles(source, groups * 10, 400);

const kills = new Map<string, number>();
const began = performance.now();
const seconds = () => ((performance.now() - began) / 1000).toFixed(0);
let command = installation.start(['backup', source, '--json']);
let code: number | null | undefined;
const follow = (running: typeof command) => void running.ended.then((ended) => (code = ended.code));
follow(command);
let commands = 1;
for (let next = everyMs; code !== 0;) {
  if (code !== undefined) {
    // The command ended with what was killed: somebody runs it again.
    code = undefined;
    command = installation.start(['backup', source, '--json']);
    commands += 1;
    follow(command);
  }
  await sleep(200);
  if (performance.now() - began < next) continue;
  next += everyMs;
  const killed = await killOne();
  kills.set(killed, (kills.get(killed) ?? 0) + 1);
  const done = installation.tryQuery<{ n: number }>(
    `select count(*) n from copies where state = 'committed'`,
  )[0]?.n;
  console.log(`${seconds()} s: killed ${killed}; ${done ?? 0} archives committed`);
}

async function killOne(): Promise<string> {
  const victims = ['archive worker', 'tape worker', 'server', 'host', 'command', 'everything'] as const;
  const victim = victims[random(victims.length)] ?? 'everything';
  if (victim === 'everything') {
    await installation.killAll();
    return victim;
  }
  const words = {
    'archive worker': ['worker', 'archive'],
    'tape worker': ['worker', 'tape'],
    server: ['server', 'start-dev'],
    host: ['embedded-host'],
    command: ['backup'],
  }[victim];
  for (const pid of await installation.processes()) {
    const args = commandLine(pid);
    if (words.every((word) => args.includes(word))) process.kill(pid, 'SIGKILL');
  }
  return victim;
}

const result = JSON.parse((await command.ended).stdout.trim().split('\n').at(-1) ?? '{}') as {
  setId?: string;
  groups?: number;
};
await installation.quiet();
const sets = installation.query<{ id: string }>('select id from sets');
const { dataDir, stagingDir: staging, tapeDir: tape, root } = installation;
const problems = checkSet(
  { catalog: path.join(dataDir, 'catalog.db'), staging, tape, source },
  result.setId ?? '',
  result.groups ?? 0,
);
const total = [...kills.values()].reduce((sum, count) => sum + count, 0);
console.log(
  `${result.groups ?? 0} groups in ${seconds()} s, ${total} kills (${[...kills].map(([what, count]) => `${count} × ${what}`).join(', ')}), ` +
    `the command was begun ${commands} times, ${sets.length} set`,
);
for (const { kind, what } of problems.slice(0, 20)) console.log(`  ${kind}: ${what}`);
console.log(`${problems.length} problems`);
if (problems.length > 0 || sets.length !== 1) {
  console.log(`kept: ${root}`);
  process.exitCode = 1;
} else {
  for (const step of atEnd) await step();
  rmSync(root, { recursive: true, force: true });
}
