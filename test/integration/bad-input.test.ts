import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { choosePorts } from '../../embedded/temporal-server.js';
import { Installation } from '../support/installation.js';
import { onlySet } from '../support/set-state.js';
import { longTest, manyFiles, tempFolder } from '../support/trees.js';

/** Every message is one sentence or two (with advice) on one line, and no stack trace. */
function isOneSentence(stderr: string): void {
  const lines = stderr.trim().split('\n');
  assert.equal(lines.length, 1, stderr);
  assert.match(lines[0] ?? '', /^tapeflow: [A-Z"`].*[.)?]$/);
  assert.doesNotMatch(stderr, /\bat .*\.js:\d+/);
}

test('bad input gets one clear sentence and the right exit code, and starts nothing', async (t) => {
  const source = tempFolder(t);
  manyFiles(source, 5);
  const installation = await Installation.make(t);
  mkdirSync(path.join(installation.stagingDir, 'final', 'x'), { recursive: true });
  mkdirSync(path.join(installation.dataDir, 'inside'), { recursive: true });
  const cases: { args: string[]; env?: Record<string, string>; code: number; says: RegExp }[] = [
    { args: ['backup', '/no/such/place'], code: 2, says: /source \/no\/such\/place does not exist/ },
    {
      args: ['backup', path.join(installation.stagingDir, 'final', 'x')],
      code: 2,
      says: /lies in .*staging, which is the staging folder of tapeflow/,
    },
    {
      args: ['backup', path.join(installation.dataDir, 'inside')],
      code: 2,
      says: /the data folder of tapeflow/,
    },
    {
      args: ['backup', source, '--set', 'tomorrow'],
      code: 2,
      says: /is not a set id: it must look like 2026-11_000001/,
    },
    { args: ['backup', source, '--drive', 'lto9'], code: 2, says: /no drive lto9; the drives are: lto1/ },
    { args: ['backup', source, '--pool', '../x'], code: 2, says: /is not a pool name/ },
    {
      args: ['backup', source, '--mode', 'partial'],
      code: 2,
      says: /There is no mode "partial"\./,
    },
    { args: ['status', '2026-01_000009'], code: 2, says: /no set 2026-01_000009 in the catalog/ },
    { args: ['trace', 'nothing-like-this'], code: 2, says: /No set, no archive and no path/ },
    { args: ['watch'], code: 2, says: /No set is unfinished/ },
    { args: ['tape', 'label', 'bad name'], code: 2, says: /is not a tape name/ },
    {
      args: ['sets'],
      env: { MAX_GROUP_SIZE: 'much' },
      code: 2,
      says: /MAX_GROUP_SIZE \(from environment\) is "much"/,
    },
    { args: ['sets'], env: { STAGING_MAX_BYTES: '1KB' }, code: 2, says: /must not be below one group/ },
    { args: ['sets'], env: { TAPEFLOW_DATADIR: '/x' }, code: 2, says: /unknown setting TAPEFLOW_DATADIR/ },
    {
      args: ['sets'],
      env: { CATALOG_URL: 'postgres://me:secret@127.0.0.1:1/x' },
      code: 1,
      says: /PostgreSQL does not answer for the catalog postgres:\/\/me@127\.0\.0\.1:1\/x \(ECONNREFUSED\)/,
    },
    {
      args: ['sets'],
      env: { CATALOG_URL: 'mysql://localhost/x' },
      code: 2,
      says: /must be the path of an SQLite file, or a URL postgres:\/\/USER@HOST\/DATABASE/,
    },
    {
      args: ['backup', source],
      env: { TEMPORAL_ADDRESS: '127.0.0.1:1' },
      code: 1,
      says: /server at 127\.0\.0\.1:1 does not answer/,
    },
    {
      args: ['backup', source],
      env: { TEMPORAL_CLI_PATH: '/no/temporal' },
      code: 1,
      says: /TEMPORAL_CLI_PATH names \/no\/temporal, which cannot be run/,
    },
    { args: ['worker', 'archive'], code: 1, says: /No Temporal server runs/ },
  ];
  for (const { args, env, code, says } of cases) {
    const result = await installation.run(args, env);
    assert.match(result.stderr, says, args.join(' '));
    assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
    if (args[0] !== 'worker') isOneSentence(result.stderr);
  }
  assert.deepEqual(installation.tryQuery('select * from sets'), []);
  const unknown = await installation.run(['bakcup', source]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /unknown command 'bakcup'/);
});

test('a damaged catalog is named and not touched', async (t) => {
  const source = tempFolder(t);
  manyFiles(source, 5);
  const installation = await Installation.make(t);
  mkdirSync(installation.dataDir, { recursive: true });
  writeFileSync(path.join(installation.dataDir, 'catalog.db'), 'this is no database'.repeat(100));
  for (const args of [['sets'], ['backup', source]]) {
    const { code, stderr } = await installation.run(args);
    assert.equal(code, 1);
    isOneSentence(stderr);
    assert.match(stderr, /catalog .*catalog\.db is damaged/);
  }
  const doctor = await installation.run(['doctor']);
  assert.equal(doctor.code, 1);
  assert.match(doctor.stdout, /TROUBLE {2}catalog: .*is damaged/);
});

test('a set id that exists is refused; --new starts another; sources inside each other count once', async (t) => {
  const source = tempFolder(t);
  manyFiles(source, 5);
  const installation = await Installation.make(t);
  const inside = path.join(source, 'd0000');
  await installation.run(['backup', source, inside, '--detach']);
  const first = await installation.json<{ setId: string; files: number }>(['watch', onlySet(installation)]);
  assert.equal(first.files, 7);
  const again = await installation.run(['backup', source, '--set', first.setId]);
  assert.equal(again.code, 2, again.stderr);
  assert.match(again.stderr, new RegExp(`set ${first.setId} exists and is completed`));
  const second = await installation.json<{ setId: string }>(['backup', source]);
  assert.notEqual(second.setId, first.setId);
  const refused: [string[], RegExp][] = [
    [['backup', source, '--set', '2026-11_000009', '--new'], /--set 2026-11_000009 names the set, and --new/],
    [['backup', source, '--exclude', ''], /--exclude cannot be "": it is empty. Give a name or a pattern/],
    [['find', '['], /The pattern cannot be "\[": a \[ in it is not closed/],
    [['restore', first.setId, '--target', source, '--include', '[a'], /--include cannot be "\[a"/],
  ];
  for (const [args, sentence] of refused) {
    const { code, stderr } = await installation.run(args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, sentence);
  }
  const find = ['find', '*', '--set', first.setId, '--larger', '10MB'];
  assert.match((await installation.run(find)).stderr, /No file of that time and size matches "\*"/);
});

test('a port in use is not taken: the embedded server is given others, and the same again while they are free', async (t) => {
  const dataDir = tempFolder(t);
  const given = await choosePorts(dataDir);
  assert.deepEqual(await choosePorts(dataDir), given);
  const blocker = net.createServer().listen(given.server, '127.0.0.1');
  await once(blocker, 'listening');
  t.after(() => blocker.close());
  const others = await choosePorts(dataDir);
  assert.notEqual(others.server, given.server);
  assert.deepEqual(await choosePorts(dataDir), others);
});

test('a port in use is not taken: the embedded server finds others', { skip: longTest }, async (t) => {
  const source = tempFolder(t);
  manyFiles(source, 5);
  const installation = await Installation.make(t);
  await installation.json(['backup', source]);
  const { server } = JSON.parse(
    readFileSync(path.join(installation.dataDir, 'temporal', 'ports.json'), 'utf8'),
  ) as { server: number };
  const blocker = net.createServer().listen(server, '127.0.0.1');
  await once(blocker, 'listening');
  t.after(() => blocker.close());
  const result = await installation.json<{ status: string }>(['backup', '--new', source]);
  assert.equal(result.status, 'completed');
});
