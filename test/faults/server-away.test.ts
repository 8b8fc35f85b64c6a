import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { projectDir } from '../../config/project-dir.js';
import { readHostFile } from '../../embedded/host-file.js';
import { choosePorts, startServer, type RunningServer } from '../../embedded/temporal-server.js';
import { Installation, temporalCli } from '../support/installation.js';
import { assertWholeOnTape, countEvents, onlySet } from '../support/set-state.js';
import { noise, tempFolder, writeTree, longTest } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

const options = { MAX_GROUP_SIZE: '1MB', HEARTBEAT_SECONDS: '3', RETRY_SECONDS: '0.2' };

function sourceOf(t: TestContext, groups: number): string {
  const source = tempFolder(t);
  for (let i = 0; i < groups; i += 1) writeTree(source, { [`f${i}`]: noise(700_000, `server ${i}`) });
  return source;
}

test(
  'the embedded server is killed and its port taken for a while: the client says so, and the set goes on',
  { skip: longTest },
  async (t) => {
    const source = sourceOf(t, 12);
    const installation = await Installation.make(t, options);
    const backup = installation.start(['backup', source]);
    await waitFor(() => countEvents(installation, 'compressed') >= 2, 'two archives');
    const host = readHostFile(installation.dataDir);
    assert.ok(host !== undefined);
    process.kill(host.serverPid, 'SIGKILL');
    const squatter = net.createServer((socket) => socket.destroy());
    t.after(() => squatter.close());
    await waitFor(() => listens(squatter, Number(host.address.split(':')[1])), 'the port of the dead server');
    await waitFor(
      () => backup.output().includes(`The Temporal server at ${host.address} does not answer`),
      'the client to say that the server is away',
    );
    const status = await installation.run(['status', onlySet(installation)]);
    assert.equal(status.code, 0, 'the catalog still tells what was done');
    assert.match(status.stdout, /does not answer.*The set goes on by itself when it does/);
    squatter.close();
    const { code, stdout } = await backup.ended;
    assert.equal(code, 0, stdout);
    assert.equal(countEvents(installation, 'failed'), 0);
    assertWholeOnTape(t, installation, onlySet(installation), source);
  },
);

test(
  'a port that another program takes at the last moment: the server starts on another one',
  { skip: longTest },
  async (t) => {
    const source = sourceOf(t, 1);
    const folder = tempFolder(t);
    const asked = path.join(folder, 'asked');
    const cli = path.join(folder, 'temporal');
    // The first start waits until its port is taken, and fails for it; every other is the true one.
    writeFileSync(
      cli,
      `#!/bin/sh
if [ "$1" = server ] && [ ! -e '${asked}.taken' ]; then
  echo "$@" > '${asked}.part'
  mv '${asked}.part' '${asked}'
  while [ ! -e '${asked}.taken' ]; do sleep 0.05; done
fi
exec '${await temporalCli()}' "$@"
`,
      { mode: 0o755 },
    );
    const installation = await Installation.make(t, { ...options, TEMPORAL_CLI_PATH: cli });
    const backup = installation.start(['backup', source]);
    await waitFor(() => existsSync(asked), 'the first start of the server');
    const squatter = net.createServer((socket) => socket.destroy());
    t.after(() => squatter.close());
    const port = Number(/ --port (\d+)/.exec(readFileSync(asked, 'utf8'))?.[1]);
    await waitFor(() => listens(squatter, port), 'the port of the first start');
    writeFileSync(`${asked}.taken`, '');
    const { code, stdout, stderr } = await backup.ended;
    assert.equal(code, 0, stdout + stderr);
    assertWholeOnTape(t, installation, onlySet(installation), source);
  },
);

test(
  'a server that hangs for longer than the heartbeat time-out: no step is done twice',
  { skip: longTest },
  async (t) => {
    const source = sourceOf(t, 12);
    const installation = await Installation.make(t, options);
    const backup = installation.start(['backup', source]);
    await waitFor(() => countEvents(installation, 'compressed') >= 2, 'two archives');
    const pid = readHostFile(installation.dataDir)?.serverPid ?? 0;
    process.kill(pid, 'SIGSTOP');
    // The client looks every ten seconds: by the time it says so, every heartbeat is long overdue.
    await waitFor(
      () => backup.output().includes('does not answer'),
      'the client to say that the server hangs',
    );
    process.kill(pid, 'SIGCONT');
    const { code, stdout } = await backup.ended;
    assert.equal(code, 0, stdout);
    assert.equal(countEvents(installation, 'failed'), 0);
    assertWholeOnTape(t, installation, onlySet(installation), source);
  },
);

test(
  'an own server that is killed and comes back: workers that were run by hand go on with it',
  { skip: longTest },
  async (t) => {
    const source = sourceOf(t, 12);
    const folder = tempFolder(t);
    const ports = await choosePorts(folder);
    let server = await ownServer(t, folder, ports);
    const installation = await Installation.make(t, { ...options, TEMPORAL_ADDRESS: server.address });
    const workers = [['archive'], ['tape', '--drive', 'lto1']].map((args) => worker(t, installation, args));
    const backup = installation.start(['backup', source]);
    await waitFor(() => countEvents(installation, 'compressed') >= 2, 'two archives');
    const gone = new Promise((resolve) => server.child.once('exit', resolve));
    server.child.kill('SIGKILL');
    await gone;
    await waitFor(
      () => backup.output().includes('does not answer'),
      'the client to say that the server is away',
    );
    server = await ownServer(t, folder, ports);
    const { code, stdout } = await backup.ended;
    assert.equal(code, 0, stdout);
    assert.deepEqual(
      workers.map((child) => child.exitCode ?? child.signalCode),
      [null, null],
      'the same workers serve on',
    );
    assert.equal(countEvents(installation, 'failed'), 0);
    assertWholeOnTape(t, installation, onlySet(installation), source);
  },
);

async function ownServer(
  t: TestContext,
  folder: string,
  ports: { server: number; ui: number },
): Promise<RunningServer> {
  const server = await startServer(await temporalCli(), folder, ports);
  t.after(() => server.child.kill('SIGKILL'));
  return server;
}

function worker(t: TestContext, installation: Installation, args: string[]) {
  const child = spawn(process.execPath, [path.join(projectDir, 'bin', 'tapeflow.cjs'), 'worker', ...args], {
    env: { ...process.env, ...installation.env },
    stdio: 'ignore',
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

/** Takes a port; false while somebody else has it. */
function listens(server: net.Server, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
}
