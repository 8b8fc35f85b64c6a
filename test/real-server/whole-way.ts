import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Installation } from '../support/installation.js';
import { PostgresServer } from '../support/postgres.js';
import { assertSameTree, manyFiles } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';
import { TemporalCluster, buildServer, freePorts } from './temporal-cluster.js';

/**
 * One whole backup and restore with a real Temporal server: built from its Go module, on PostgreSQL, with API keys, and
 * none of the switches of the embedded one. Server and database are killed while the set runs.
 *
 *   npm run test:server
 *
 * Needs Go, PostgreSQL (Debian's package `postgresql`) and, for the first time, the Go module proxy.
 */
const began = performance.now();
const say = (what: string) => console.log(`${((performance.now() - began) / 1000).toFixed(1)} s: ${what}`);
const atEnd: (() => unknown)[] = [];
const after = (step?: unknown) => void atEnd.unshift(step as () => unknown);
const installation = await Installation.make({ after });

try {
  say('building the server');
  buildServer();
  const [port = 0] = await freePorts(1);
  const listening = { address: '127.0.0.1', port };
  const postgres = await PostgresServer.make({ after }, listening);
  const cluster = await TemporalCluster.start(path.join(installation.root, 'temporal'), listening);
  atEnd.unshift(() => cluster.kill());
  say(`the server listens at ${cluster.address}`);

  const as = (...rights: string[]) => ({
    TEMPORAL_ADDRESS: cluster.address,
    TEMPORAL_NAMESPACE: 'tapes',
    ...cluster.access(...rights),
  });
  const admin = as('temporal-system:admin');
  const member = as('tapes:write');
  const refused = async (args: string[], env: Record<string, string>, sentence: RegExp) => {
    const { code, stdout, stderr } = await installation.run(args, env);
    assert.equal(code, 1, stdout + stderr);
    assert.match(stderr, sentence);
    say(stderr.trim());
  };
  // It listens before its services have found each other.
  for (let tries = 0; ; tries += 1) {
    const { code, stderr } = await installation.run(['admin', 'setup'], admin);
    if (code === 0) break;
    say(stderr.trim());
    assert.ok(tries < 20, 'the server never took a call');
    await sleep(1000);
  }
  // Whoever may only work in the namespace changes nothing there.
  await refused(['admin', 'setup', '--retention', '9d'], member, /does not let you change the retention/);
  await refused(['admin', 'setup'], { ...member, TEMPORAL_NAMESPACE: 'mine' }, /refuses the API key/);
  const expired = { ...member, TEMPORAL_API_KEY: cluster.keys.issue(['tapes:write'], -60) };
  await refused(['backup', installation.root], expired, /refuses the API key/);
  await refused(['worker', 'archive'], expired, /refuses the API key/);
  const told = await installation.json<{
    namespace: { outcome: string };
    attributes: { outcome: string }[];
  }>(['admin', 'setup'], member);
  assert.equal(told.namespace.outcome, 'there');
  assert.ok(told.attributes.every(({ outcome }) => outcome === 'there'));
  say('`admin setup` has prepared it, and finds everything there');

  for (const args of [['archive'], ['tape', '--drive', 'lto1']]) {
    const worker = installation.start(['worker', ...args], member);
    await waitFor(() => worker.output().includes('worker runs'), `worker ${args.join(' ')}`);
  }
  const source = path.join(installation.root, 'source');
  manyFiles(source, 6000, 3000);
  const begun = await installation.json<{ setId: string }>(['backup', source, '--detach'], {
    ...member,
    MAX_GROUP_SIZE: '200KB',
  });
  const { setId } = begun;
  const committed = () =>
    installation.query<{ n: number }>(`select count(*) n from copies where state = 'committed'`)[0]?.n ?? 0;
  const state = () => installation.query<{ state: string }>('select state from sets')[0]?.state;
  await waitFor(() => committed() > 5, 'the first archives');
  await cluster.kill();
  say(`the server was killed with ${committed()} archives on tape`);
  await cluster.goOn();
  const before = committed();
  await waitFor(() => committed() > before + 5, 'more archives');
  await postgres.kill();
  say(`PostgreSQL was killed with ${committed()} archives on tape`);
  await postgres.start();
  await waitFor(() => state() === 'completed', 'the set to complete');
  say(`set ${setId} is completed with ${committed()} archives`);

  const target = path.join(installation.root, 'target');
  mkdirSync(target);
  const restored = await installation.run(['restore', setId, '--target', target], member);
  assert.equal(restored.code, 0, restored.stdout + restored.stderr);
  assertSameTree(path.join(target, source), source, { folderTimes: true });
  say('what was restored is what was backed up');
  const { stdout } = await installation.run(['doctor'], member);
  for (const line of stdout.split('\n').filter((each) => /Temporal|namespace|search|queue/.test(each)))
    say(line.trim());
} finally {
  await installation.killAll();
  for (const step of atEnd) await step();
}
