import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { projectDir } from '../../config/project-dir.js';
import { killAndWait } from '../support/end-process.js';
import type { Listening } from '../support/postgres.js';
import { waitFor } from '../support/wait-for.js';
import { Keys } from './keys.js';

/** The release in the CLI that is embedded is 1.32.0; this is the last one of that line. */
const version = '1.32.1';
const bin = path.join(projectDir, 'node_modules', '.tapeflow', `temporal-server-${version}`);

/** The frontend of the server's own workers, which have no API key, is not one of those that start by default. */
const services = ['frontend', 'internal-frontend', 'matching', 'history', 'worker'].flatMap((service) => [
  '--service',
  service,
]);

/** Builds Temporal's server and the tool for its tables by Go, once: about four minutes of two cores. */
export function buildServer(): void {
  if (existsSync(path.join(bin, 'server')) && existsSync(path.join(bin, 'sql'))) return;
  mkdirSync(bin, { recursive: true });
  const { status, error } = spawnSync(
    'go',
    ['install', ...['server', 'tools/sql'].map((name) => `go.temporal.io/server/cmd/${name}@v${version}`)],
    { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, GOBIN: bin } },
  );
  if (status !== 0) throw error ?? new Error('Temporal’s server could not be built');
}

/**
 * A Temporal server as an administrator runs one: its four services on PostgreSQL, every setting as it comes, and an
 * API key for whoever calls it.
 */
export class TemporalCluster {
  private process: ChildProcess | undefined;

  private constructor(
    private readonly folder: string,
    private readonly listening: Listening,
    readonly keys: Keys,
  ) {}

  /** @param postgres where PostgreSQL listens; the server listens at another port of the same address. */
  static async start(folder: string, postgres: Listening): Promise<TemporalCluster> {
    mkdirSync(folder, { recursive: true });
    for (const name of ['temporal', 'visibility']) makeTables(postgres, name);
    const keys = new Keys(path.join(folder, 'jwks.json'));
    const ports = await freePorts(11);
    writeFileSync(path.join(folder, 'config.json'), JSON.stringify(configOf(postgres, keys, ports)));
    const cluster = new TemporalCluster(folder, { ...postgres, port: ports[0] ?? 0 }, keys);
    await cluster.goOn();
    return cluster;
  }

  get address(): string {
    return `${this.listening.address}:${this.listening.port}`;
  }

  /** Settings of whoever has these rights, such as `tapes:write` in a namespace. */
  access(...rights: string[]): Record<string, string> {
    return { TEMPORAL_TLS: 'false', TEMPORAL_API_KEY: this.keys.issue(rights) };
  }

  /** Starts it, again after `kill`. */
  async goOn(): Promise<void> {
    const log = openSync(path.join(this.folder, 'log'), 'a');
    const { within = [], address, port } = this.listening;
    const config = path.join(this.folder, 'config.json');
    const command = [...within, path.join(bin, 'server'), '--config-file', config, 'start', ...services];
    this.process = spawn(command[0] ?? '', command.slice(1), {
      cwd: this.folder,
      stdio: ['ignore', log, log],
    });
    const { process } = this;
    await waitFor(() => {
      if (process.exitCode !== null) throw new Error(`Temporal’s server has ended: see ${this.folder}/log`);
      // Another network is not reached from here.
      return within.length > 0 || listens(address, port);
    }, 'Temporal’s server to listen');
  }

  async kill(): Promise<void> {
    const { process } = this;
    this.process = undefined;
    await killAndWait(process);
  }
}

/** Who uses the database, and may make others. */
const user = 'tapeflow';

function makeTables({ address, port, within = [] }: Listening, name: string): void {
  const database = name === 'temporal' ? name : `temporal_${name}`;
  const at = ['--plugin', 'postgres12', '--endpoint', address, '--port', String(port)];
  const login = ['--user', user, '--password', user, '--database', database];
  for (const step of [
    ['create-database'],
    ['setup-schema', '--version', '0.0'],
    ['update-schema', '--schema-name', `postgresql/v12/${name}`],
  ]) {
    const command = [...within, path.join(bin, 'sql'), ...at, ...login, ...step];
    const { status, stdout, stderr } = spawnSync(command[0] ?? '', command.slice(1), { encoding: 'utf8' });
    if (status !== 0) throw new Error(`sql ${step.join(' ')}: ${stdout}${stderr}`);
  }
}

/** As in `config/development-postgres12.yaml` and `config/development-jwt.yaml` of the server's own sources. */
function configOf({ address, port }: Listening, keys: Keys, ports: readonly number[]) {
  const store = (databaseName: string) => ({
    sql: {
      ...{ pluginName: 'postgres12', databaseName, connectAddr: `${address}:${port}` },
      ...{ connectProtocol: 'tcp', user, password: user, maxConns: 20, maxIdleConns: 20 },
    },
  });
  const rpc = (at: number) => {
    const [grpcPort, membershipPort] = [ports[at], ports[at + 1]];
    return { rpc: { grpcPort, membershipPort, bindOnIP: address } };
  };
  const active = { enabled: true, initialFailoverVersion: 1, rpcName: 'frontend' };
  return {
    log: { stdout: true, level: 'warn' },
    persistence: {
      ...{ defaultStore: 'main', visibilityStore: 'visibility', numHistoryShards: 4 },
      datastores: { main: store('temporal'), visibility: store('temporal_visibility') },
    },
    global: {
      membership: { maxJoinDuration: '30s', broadcastAddress: address },
      authorization: {
        ...{ authorizer: 'default', claimMapper: 'default' },
        jwtKeyProvider: { keySourceURIs: [`file://${keys.file}`] },
      },
    },
    // Without an own frontend for its own workers, those would need a key too.
    services: {
      ...{ frontend: rpc(0), matching: rpc(2), history: rpc(4), worker: rpc(6) },
      'internal-frontend': rpc(8),
    },
    clusterMetadata: {
      ...{ enableGlobalNamespace: false, failoverVersionIncrement: 10 },
      ...{ masterClusterName: 'active', currentClusterName: 'active' },
      clusterInformation: { active: { ...active, rpcAddress: `${address}:${ports[0] ?? 0}` } },
    },
  };
}

/**
 * Ports of 127.0.0.1 that nobody listens at. Below 32,768: the server's tables in PostgreSQL hold a port in a signed
 * number of 16 bits.
 */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  while (found.size < count) {
    const port = 10_000 + Math.floor(Math.random() * 22_000);
    const server = net.createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    await once(server.close(), 'close');
    found.add(port);
  }
  return [...found];
}

function listens(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, address);
    const end = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}
