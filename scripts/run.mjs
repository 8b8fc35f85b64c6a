// Does the set-up that is missing (dependencies, build), then runs tapeflow or the tests. Plain Node without packages.
//   node scripts/run.mjs COMMAND ARGUMENT…      tapeflow
//   node scripts/run.mjs --test [FILE…]         the tests
//   node scripts/run.mjs --test-faults OPTION…  kills at every point; test/faults/every-point.ts has the options
//   node scripts/run.mjs --test-soak OPTION…    a long set under random kills; test/faults/soak.ts has the options
//   node scripts/run.mjs --test-server          a backup and restore with a real Temporal server; test/real-server/
//   node scripts/run.mjs --test-hosts OPTION…   three hosts in namespaces; test/hosts/run.ts has the options
//   node scripts/run.mjs --bench NAME OPTION…   a benchmark, or `all`; bench/NAME.ts has the options
//   node scripts/run.mjs --schemas              writes docs/schemas/ anew
//   node scripts/run.mjs --set-up               nothing else
//   node scripts/run.mjs --install-global       the same, for `npm install --global .`: see config/home-dir.ts
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import '../bin/require-node.cjs';
import { beginNative, finishNative, isNativeTried } from './build-native.mjs';
import { bundledName, bundledTests, testProcesses } from './test-files.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const stampDir = path.join(root, 'node_modules', '.tapeflow');
const lockDir = path.join(root, '.tapeflow-setup');
const benchmarks = ['archive', 'catalog', 'copy', 'pipeline', 'restore', 'scale', 'year', 'plot', 'all'];

function say(text) {
  console.error(text);
}

function stampOf(name) {
  const file = path.join(stampDir, name);
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

function stamp(name, value) {
  mkdirSync(stampDir, { recursive: true });
  writeFileSync(path.join(stampDir, name), value);
}

/** Changes with every dependency, and with the Node version that native ones were compiled for. */
function dependencyKey() {
  const lock = readFileSync(path.join(root, 'package-lock.json'));
  return createHash('sha256')
    .update(lock)
    .update(process.versions.modules)
    .update(process.arch)
    .digest('hex');
}

/** Changes with every source file. */
function sourceKey() {
  const { include: sourceDirs } = JSON.parse(readFileSync(path.join(root, 'tsconfig.json'), 'utf8'));
  const hash = createHash('sha256');
  const add = (file) =>
    hash.update(path.relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  const walk = (dir) => {
    for (const name of readdirSync(dir).sort()) {
      const file = path.join(dir, name);
      if (statSync(file).isDirectory()) walk(file);
      else if (/\.(?:tsx?|js|css|svg)$/.test(name)) add(file);
    }
  };
  for (const dir of sourceDirs) if (existsSync(path.join(root, dir))) walk(path.join(root, dir));
  for (const name of ['tsconfig.json', 'package.json', 'scripts/build.mjs', 'scripts/bundle.mjs'])
    add(path.join(root, name));
  return hash.digest('hex') + dependencyKey();
}

function needs() {
  const install = stampOf('installed') !== dependencyKey();
  const key = sourceKey();
  const build =
    install || stampOf('built') !== key || !existsSync(path.join(root, 'dist', 'workflow-bundle.js'));
  // Nobody else waits for these.
  const tests = first === '--test' && (build || stampOf('bundled-tests') !== key);
  return { install, build, tests, native: install || !isNativeTried() };
}

/** The folder of this Node: its installations and its packages for Linux have the headers beside the executable. */
const nodeFolder = path.dirname(path.dirname(process.execPath));

/**
 * The folder of this Node, if its headers lie beside it: native packages are compiled with them then, even where npm's
 * setting `nodedir` names those of another Node.
 */
function headersOfThisNode() {
  const file = path.join(nodeFolder, 'include', 'node', 'node_version.h');
  if (!existsSync(file)) return {};
  const version = /^#define NODE_MODULE_VERSION (\d+)$/m.exec(readFileSync(file, 'utf8'))?.[1];
  return version === process.versions.modules ? { npm_config_nodedir: nodeFolder } : {};
}

/** A module for another Node ends every command with a message of the loader, which says nothing about what to do. */
function requireSqlite() {
  const script = "new (require('better-sqlite3'))(':memory:')";
  const { status, stderr } = spawnSync(process.execPath, ['-e', script], { cwd: root, encoding: 'utf8' });
  if (status === 0) return;
  const why = /NODE_MODULE_VERSION/.test(stderr)
    ? "it was compiled with the headers of another Node: see npm's setting nodedir"
    : (stderr.split('\n').find((line) => /Error/.test(line)) ?? stderr).trim();
  say(`The package better-sqlite3 does not load in Node ${process.version}: ${why}.`);
  process.exit(1);
}

function step(command, args, options = {}) {
  const env = { ...process.env, ...headersOfThisNode(), npm_config_loglevel: 'error' };
  // Of `npm install --global .`, which runs this: here npm installs into this folder.
  for (const name of ['npm_config_global', 'npm_config_location', 'npm_config_prefix']) delete env[name];
  // What this script prints is the user's to read: set-up goes to stderr, so that `--json` stays clean.
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], env, ...options });
  if (result.status !== 0) {
    say(
      `The set-up step failed: ${command} ${args.join(' ')}${result.error ? ` (${result.error.message})` : ''}`,
    );
    process.exit(1);
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Two commands at once: one sets up, the other waits. A lock of a killed one is taken over. */
async function setUp() {
  const todo = needs();
  if (!Object.values(todo).includes(true)) return;
  for (;;) {
    try {
      mkdirSync(lockDir);
      writeFileSync(path.join(lockDir, 'pid'), String(process.pid));
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const file = path.join(lockDir, 'pid');
      const pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
      if (pid > 0 && !isRunning(pid)) rmSync(lockDir, { recursive: true, force: true });
      await sleep(300);
    }
  }
  try {
    const now = needs();
    // Beside the rest. May fail: then everything works without it, and it is not tried again before something changes.
    const native = now.native ? beginNative() : undefined;
    if (now.install) {
      say('Installing the dependencies (once; about a minute) …');
      const npm = process.env.npm_execpath;
      const args = ['ci', '--no-fund', '--no-audit'];
      if (npm?.endsWith('.js')) step(process.execPath, [npm, ...args]);
      else
        step(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, { shell: process.platform === 'win32' });
      requireSqlite();
      stamp('installed', dependencyKey());
    }
    if (now.build) {
      say('Building …');
      step(process.execPath, [path.join(root, 'scripts', 'build.mjs')]);
      stamp('built', sourceKey());
    }
    if (now.tests) {
      step(process.execPath, [path.join(root, 'scripts', 'bundle-tests.mjs')]);
      stamp('bundled-tests', sourceKey());
    }
    if (native !== undefined) await finishNative(native);
  } finally {
    rmSync(lockDir, { recursive: true, force: true });
  }
}

const [first, ...rest] = process.argv.slice(2);
await setUp();
if (first === '--set-up') process.exit(0);
if (first === '--install-global') {
  // Not with the other marks in node_modules, which npm empties at an upgrade.
  writeFileSync(path.join(root, '.tapeflow-global'), '');
  process.exit(0);
}
let args;
if (first === '--test') {
  const reporter = pathToFileURL(path.join(root, 'scripts', 'test-report.mjs')).href;
  const flags = ['--test', `--test-reporter=${reporter}`];
  // A test with a server keeps a core busy, but waits for time-outs often: two more than there are cores.
  args = [
    ...flags,
    ...(process.versions.node.localeCompare('20.10', 'en', { numeric: true }) >= 0
      ? [`--test-concurrency=${cpus().length + 2}`]
      : []),
  ];
  const names = rest.length > 0 ? rest.map(bundledName) : [...testProcesses().keys()];
  args.push(...names.map((name) => path.join(root, 'dist', bundledTests, `${name}.js`)));
} else if (first === '--test-faults') {
  args = [path.join(root, 'dist', 'test', 'faults', 'every-point.js'), ...rest];
} else if (first === '--test-soak') {
  args = [path.join(root, 'dist', 'test', 'faults', 'soak.js'), ...rest];
} else if (first === '--test-server') {
  args = [path.join(root, 'dist', 'test', 'real-server', 'whole-way.js'), ...rest];
} else if (first === '--test-hosts') {
  args = [path.join(root, 'dist', 'test', 'hosts', 'run.js'), ...rest];
} else if (first === '--schemas') {
  args = [path.join(root, 'scripts', 'schemas.mjs')];
} else if (first === '--bench') {
  const named = rest[0] === undefined || rest[0].startsWith('-') ? 'all' : rest.shift();
  if (!benchmarks.includes(named)) {
    say(`There is no benchmark ${named}; there are: ${benchmarks.join(', ')}.`);
    process.exit(2);
  }
  args = [path.join(root, 'dist', 'bench', `${named}.js`), ...rest];
} else {
  args = [path.join(root, 'bin', 'tapeflow.cjs'), ...(first === undefined ? [] : [first]), ...rest];
}
const child = spawn(process.execPath, args, {
  stdio: 'inherit',
  cwd: first?.startsWith('--test') === true ? root : process.cwd(),
});
// The child gets the terminal's Ctrl-C itself, and says what it has to say; this script ends with it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => signal === 'SIGINT' || child.kill(signal));
child.on('exit', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 128 + 15;
});
