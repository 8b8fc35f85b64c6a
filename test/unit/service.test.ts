import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { homeDir, type Surroundings } from '../../config/home-dir.js';
import { projectDir } from '../../config/project-dir.js';
import { serviceStop, tellServiceManager } from '../../config/service-manager.js';
import { serviceFiles, type ServicePlan } from '../../client/service/service-files.js';
import { cleanEnv } from '../support/installation.js';
import { nobody } from '../support/other-user.js';
import { tempFolder } from '../support/trees.js';

const program = path.join(projectDir, 'bin', 'tapeflow.cjs');
const hasNo = (command: string) =>
  spawnSync(command, ['--version']).status === 0 ? false : `needs ${command}`;

/** An installation, with a `systemctl` that notes what it is asked for: no test may change this machine's services. */
function machine(t: TestContext) {
  const root = tempFolder(t);
  const bin = path.join(root, 'bin');
  mkdirSync(bin);
  const asked = path.join(root, 'asked');
  writeFileSync(path.join(bin, 'systemctl'), `#!/bin/sh\necho "$*" >> ${asked}\n`);
  chmodSync(path.join(bin, 'systemctl'), 0o755);
  const env: Record<string, string> = {
    ...cleanEnv(),
    HOME: root,
    XDG_CONFIG_HOME: path.join(root, 'config'),
    PATH: `${bin}:${process.env['PATH']}`,
    TAPEFLOW_DATA_DIR: path.join(root, 'data'),
    TAPEFLOW_LOCK_DIR: path.join(root, 'locks'),
  };
  const run = (args: string[], options: { env?: Record<string, string>; uid?: number } = {}) =>
    spawnSync(process.execPath, [program, 'service', ...args], {
      encoding: 'utf8',
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
      env: { ...env, ...options.env },
    });
  const systemctlAsked = () => readFileSync(asked, 'utf8').trim().split('\n');
  return { root, run, systemctlAsked };
}

const plan: ServicePlan = {
  forUser: false,
  ownServer: true,
  drives: ['lto1', 'lto-2'],
  projectDir,
  node: process.execPath,
  unitDir: '/etc/systemd/system',
  logDir: '/var/lib/my tapes/logs',
};

test('a service of a user is installed, and removed with all that was written', (t) => {
  const { root, run, systemctlAsked } = machine(t);
  const units = path.join(root, 'config', 'systemd', 'user');
  const installed = run(['install', '--user']);
  assert.equal(installed.status, 0, installed.stderr);
  assert.deepEqual(readdirSync(units), ['tapeflow-up.service']);
  const text = readFileSync(path.join(units, 'tapeflow-up.service'), 'utf8');
  assert.match(text, /^WantedBy=default\.target$/m);
  // What a user's systemd cannot do ends a service at its start.
  assert.doesNotMatch(text, /^(CapabilityBoundingSet|Protect|Device)/m);
  assert.match(installed.stderr, /TAPEFLOW_DATA_DIR is set in your environment only/);
  assert.deepEqual(systemctlAsked(), ['--user daemon-reload', '--user enable --now tapeflow-up.service']);
  assert.equal(run(['install', '--user']).status, 0, 'it can be repeated');
  const removed = run(['remove', '--user']);
  assert.equal(removed.status, 0, removed.stderr);
  assert.deepEqual(readdirSync(units), []);
  assert.ok(systemctlAsked().includes('--user disable --now tapeflow-up.service'));
  assert.match(run(['remove', '--user']).stdout, /nothing was removed/);
});

test('a unit that somebody wrote by hand stays, and --print writes nothing', (t) => {
  const { root, run } = machine(t);
  const units = path.join(root, 'config', 'systemd', 'user');
  const printed = run(['install', '--user', '--print']);
  assert.match(printed.stdout, /^ExecStart=/m);
  assert.ok(printed.stdout.startsWith(`# ${units}/tapeflow-up.service\n`));
  assert.throws(() => readdirSync(units), { code: 'ENOENT' });
  mkdirSync(units, { recursive: true });
  writeFileSync(path.join(units, 'tapeflow-up.service'), '[Unit]\n');
  const refused = run(['install', '--user']);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /was not written by `tapeflow service install`\. Move it away first/);
  run(['remove', '--user']);
  assert.equal(readFileSync(path.join(units, 'tapeflow-up.service'), 'utf8'), '[Unit]\n');
});

test('who is not root is told what to do', { skip: process.getuid?.() !== 0 && 'needs root' }, (t) => {
  const { root, run } = machine(t);
  chmodSync(root, 0o777);
  for (const what of ['install', 'remove']) {
    const { status, stderr } = run([what], { uid: nobody });
    assert.equal(status, 2);
    assert.equal(
      stderr,
      `tapeflow: A service of the whole machine is root's to change. Run \`sudo tapeflow service ${what}\`, or with ` +
        '--user for a service of this user alone.\n',
    );
  }
});

test(
  'systemd finds nothing wrong with what is installed, also where a path has a space and a percent sign',
  {
    skip: hasNo('systemd-analyze'),
  },
  (t) => {
    const root = tempFolder(t);
    // `%n` would be the name of the unit.
    const odd = path.join(root, `it's 100%n "mine"`);
    mkdirSync(path.join(odd, 'deploy'), { recursive: true });
    spawnSync('cp', ['-r', path.join(projectDir, 'deploy', 'systemd'), path.join(odd, 'deploy')]);
    spawnSync('cp', ['-r', path.join(projectDir, 'bin'), odd]);
    for (const ownServer of [true, false]) {
      const files = serviceFiles({ ...plan, ownServer, projectDir: odd });
      const start = files.map(({ text }) => /^ExecStart=.*$/m.exec(text)?.[0] ?? '').join('\n');
      assert.ok(start.includes(`"${root}/it's 100%%n \\"mine\\"/bin/tapeflow.cjs"`), start);
      const written = files
        .filter(({ path: file }) => file.endsWith('.service'))
        .map(({ path: file, text }) => {
          const copy = path.join(root, path.basename(file).replace('@', '@lto1'));
          writeFileSync(copy, text);
          return copy;
        });
      const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...written], {
        encoding: 'utf8',
      });
      assert.deepEqual(
        stderr.split('\n').filter((line) => line.includes(root) || line.includes('tapeflow')),
        [],
      );
    }
  },
);

test('the rotation of the logs is taken by logrotate', { skip: hasNo('logrotate') }, (t) => {
  const rotation = serviceFiles(plan).find(({ path: file }) => file.includes('logrotate'));
  const file = path.join(tempFolder(t), 'tapeflow');
  writeFileSync(file, rotation?.text ?? '', { mode: 0o644 });
  const { status, stderr } = spawnSync('logrotate', ['--debug', file], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.doesNotMatch(stderr, /^error:/m);
});

test(
  'systemd is told that the service is ready',
  {
    skip: hasNo('systemd-notify') || hasNo('python3'),
  },
  async (t) => {
    const socket = path.join(tempFolder(t), 'notify');
    // Node has no sockets for datagrams of this kind.
    const script = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    text = s.recv(4096).decode()
    if text.startswith('READY'): print(text.strip(), flush=True)
`;
    const manager = spawn('python3', ['-c', script, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => manager.kill());
    const lines = createInterface(manager.stdout)[Symbol.asyncIterator]();
    const said = async () => (await lines.next()).value as string;
    assert.equal(await said(), 'bound');
    await tellServiceManager('READY=1', { ...process.env, NOTIFY_SOCKET: socket });
    assert.equal(await said(), 'READY=1');
    // Nothing has asked: nothing is run, not even where systemd-notify is missing.
    await tellServiceManager('STOPPING=1', { PATH: '/nowhere' });
  },
);

test('a program that belongs to npm, or to somebody else, keeps no data in its folder', () => {
  const around = (given: Partial<Surroundings>): Surroundings => ({
    env: {},
    platform: 'linux',
    uid: 1000,
    home: '/home/ana',
    exists: () => false,
    isWritable: () => true,
    ...given,
  });
  const clone = '/opt/tapeflow';
  const installed = '/usr/lib/node_modules/tapeflow';
  const global = { exists: (file: string) => file === '/opt/tapeflow/.tapeflow-global' };
  assert.equal(homeDir(clone, around({})), clone);
  assert.equal(homeDir(clone, around({ isWritable: () => false })), '/home/ana/.local/share/tapeflow');
  assert.equal(homeDir(clone, around(global)), '/home/ana/.local/share/tapeflow');
  assert.equal(homeDir(clone, around({ ...global, uid: 0, home: '/root' })), '/var/lib/tapeflow');
  assert.equal(homeDir(installed, around({ env: { XDG_DATA_HOME: '/data' } })), '/data/tapeflow');
  assert.equal(
    homeDir(installed, around({ env: { XDG_DATA_HOME: 'data' } })),
    '/home/ana/.local/share/tapeflow',
  );
  assert.equal(
    homeDir(installed, around({ platform: 'darwin', home: '/Users/ana' })),
    '/Users/ana/Library/Application Support/tapeflow',
  );
  // An installation that is there stays where it is, also for those who may only read it.
  for (const name of ['.tapeflow', 'tapeflow.config.json'])
    assert.equal(
      homeDir(clone, around({ exists: (file) => file === `/opt/tapeflow/${name}`, isWritable: () => false })),
      clone,
    );
});

test('a service says how it is stopped, and who is none says nothing', () => {
  const env = { NOTIFY_SOCKET: '/run/systemd/notify' };
  const stop = (groups: string, its: NodeJS.ProcessEnv = env) => serviceStop(its, () => groups);
  assert.equal(stop('0::/system.slice/tapeflow-up.service\n'), 'systemctl stop tapeflow-up.service');
  assert.equal(
    stop('12:pids:/x\n1:name=systemd:/system.slice/tapeflow-up.service\n0::/\n'),
    'systemctl stop tapeflow-up.service',
  );
  assert.equal(
    stop('0::/user.slice/user-1000.slice/user@1000.service/app.slice/tapeflow-up.service\n'),
    'systemctl --user stop tapeflow-up.service',
  );
  assert.equal(stop('0::/user.slice/user-1000.slice/session-2.scope\n'), undefined);
  assert.equal(stop('0::/system.slice/tapeflow-up.service\n', {}), undefined);
});
