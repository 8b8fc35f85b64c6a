import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeHolder, tryLock } from '../disk/exclusive-lock.js';
import { TapeflowFailure, describeError } from '../config/failures.js';
import type { Logger } from '../config/logger.js';
import { projectVersion } from '../config/project-dir.js';
import type { Settings } from '../config/settings.js';
import { hostLockFile, readHostFile, removeHostFile, writeHostFile, type HostFile } from './host-file.js';
import { obtainCli, realSources } from './obtain-cli.js';
import {
  choosePorts,
  endOrphan,
  serverAddress,
  startServer,
  type RunningServer,
  type ServerPorts,
} from './temporal-server.js';

/** Milliseconds before a worker or server that died is started again; longer when it dies at once. */
const restartMs = 500;
const mostRestartMs = 10_000;
/** Tries of the server's first start: it was seen to end at once, for a reason of its own, and then to start. */
const mostFirstStarts = 3;
/** Milliseconds that workers have for their shutdown before they are killed. */
const stopTimeoutMs = 25_000;
/**
 * Milliseconds for a killed worker to be gone: the system keeps one that is in a call of a drive which does not answer.
 */
const killedMs = 3000;
/** Milliseconds for the command that started a host to take its lease; it may have been killed meanwhile. */
const firstClientMs = 30_000;

export interface HostOptions {
  /** Stay when the last client has gone. */
  sticky: boolean;
  /** Tells a person what takes time. */
  say(sentence: string): void;
}

export interface Host {
  file: HostFile;
  /** Resolves when the host has stopped: by `stop`, a command, or its last client's going. */
  stopped: Promise<void>;
  stop(): void;
}

/**
 * Runs the embedded server and the workers of this installation, and starts again what dies, until it is stopped. One
 * for each data folder: throws `HostRuns` when there is one.
 */
export async function startHost(settings: Settings, logger: Logger, options: HostOptions): Promise<Host> {
  const dataDir = settings.TAPEFLOW_DATA_DIR;
  const locked = tryLock(hostLockFile(dataDir), { role: 'host', dataDir });
  if (!('lock' in locked)) {
    throw new TapeflowFailure(
      'HostRuns',
      `Server and workers of ${dataDir} run already: ${describeHolder(locked.heldBy)}.`,
    );
  }
  const { lock } = locked;
  try {
    const before = readHostFile(dataDir);
    if (before !== undefined && (await endOrphan(before.serverPid, dataDir))) {
      logger.warn({ pid: before.serverPid }, 'ended the server that a killed host had left behind');
    }
    const cli = await obtainCli(realSources(dataDir, settings.TEMPORAL_CLI_PATH, options.say));
    const host = new RunningHost(
      settings,
      logger,
      cli,
      await choosePorts(dataDir),
      options.sticky,
      options.say,
    );
    await host.start();
    const stopped = host.stopped.finally(() => {
      removeHostFile(dataDir);
      lock.release();
    });
    return { file: host.file, stopped, stop: () => host.stop() };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** One worker process that the host keeps running. */
interface Kept {
  name: string;
  args: string[];
  child: ChildProcess | undefined;
  restarts: number;
  ready: boolean;
  /** Why it does not run, in a sentence for people. */
  trouble: string | undefined;
}

class RunningHost {
  file!: HostFile;
  readonly stopped: Promise<void>;
  private resolveStopped!: () => void;
  private server: RunningServer | undefined;
  private control: net.Server | undefined;
  private readonly clients = new Set<net.Socket>();
  /** Every connection, also those that only gave a command. */
  private readonly sockets = new Set<net.Socket>();
  private readonly workers: Kept[];
  private stopping = false;
  private readonly serverStarts = new AbortController();
  private restarting: Promise<void> = Promise.resolve();

  constructor(
    private readonly settings: Settings,
    private readonly logger: Logger,
    private readonly cli: string,
    private ports: ServerPorts,
    private sticky: boolean,
    private readonly say: HostOptions['say'],
  ) {
    this.stopped = new Promise((resolve) => (this.resolveStopped = resolve));
    const kept = (name: string, args: string[]): Kept => {
      return { name, args, child: undefined, restarts: 0, ready: false, trouble: undefined };
    };
    this.workers = [
      kept('archive worker', ['worker', 'archive']),
      ...settings.drives.map((drive) =>
        kept(`tape worker ${drive.name}`, ['worker', 'tape', '--drive', drive.name]),
      ),
    ];
  }

  async start(): Promise<void> {
    // They load while the server starts, and wait for it.
    for (const worker of this.workers) this.runWorker(worker);
    for (let tries = 1; ; tries += 1) {
      try {
        await this.runServer();
        break;
      } catch (error) {
        if (tries === mostFirstStarts) {
          this.stopping = true;
          await this.stopAll();
          throw error;
        }
        this.logger.warn({ err: error }, `the Temporal server is started again: ${describeError(error)}`);
        // Another program may have taken one since it was found to be free.
        this.ports = await choosePorts(this.settings.TAPEFLOW_DATA_DIR);
        // They are started again with the new address.
        for (const { child } of this.workers) child?.kill('SIGKILL');
      }
    }
    this.control = await this.listen();
    const { port } = this.control.address() as net.AddressInfo;
    this.file = {
      pid: process.pid,
      serverPid: this.server?.child.pid ?? 0,
      address: this.server?.address ?? '',
      ui: this.server?.ui ?? '',
      controlPort: port,
      token: randomBytes(16).toString('hex'),
      sticky: this.sticky,
      program: projectVersion,
    };
    writeHostFile(this.settings.TAPEFLOW_DATA_DIR, this.file);
    setTimeout(() => {
      if (this.clients.size === 0 && !this.sticky) this.stop();
    }, firstClientMs).unref();
  }

  stop(): void {
    if (this.stopping) return;
    this.stopping = true;
    this.serverStarts.abort();
    void this.stopAll().finally(() => this.resolveStopped());
  }

  private async runServer(): Promise<void> {
    const { signal } = this.serverStarts;
    this.server = await startServer(this.cli, this.settings.TAPEFLOW_DATA_DIR, this.ports, signal);
    const { child } = this.server;
    this.logger.info({ pid: child.pid, address: this.server.address }, 'Temporal server runs');
    child.removeAllListeners('exit');
    child.once('exit', (code, signal) => {
      if (this.stopping) return;
      this.logger.error({ code, signal }, 'the Temporal server died; it is started again');
      this.restarting = this.restartServer();
    });
  }

  private async restartServer(): Promise<void> {
    for (let wait = restartMs; !this.stopping; wait = Math.min(wait * 2, mostRestartMs)) {
      await sleep(wait);
      if (this.stopping) return;
      try {
        await this.runServer();
        this.updateFile({ serverPid: this.server?.child.pid ?? 0 });
        return;
      } catch (error) {
        if (this.stopping) return;
        this.logger.error(
          { err: error },
          `the Temporal server could not be started again: ${describeError(error)}`,
        );
      }
    }
  }

  /** Tells other commands what has changed. A full disk must not end the host: it only goes on telling the old. */
  private updateFile(change: Partial<HostFile>): void {
    this.file = { ...this.file, ...change };
    try {
      writeHostFile(this.settings.TAPEFLOW_DATA_DIR, this.file);
    } catch (error) {
      this.logger.error({ err: error }, `the host's file could not be written: ${describeError(error)}`);
    }
  }

  private runWorker(worker: Kept): void {
    if (this.stopping) return;
    const script = path.join(this.settings.projectDir, 'bin', 'tapeflow.cjs');
    const child = fork(script, worker.args, {
      env: { ...process.env, TAPEFLOW_EMBEDDED_ADDRESS: serverAddress(this.ports) },
      // A session of its own: Ctrl-C stops the host, and the host its workers, in order.
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    worker.child = child;
    child.on('message', (message: { ready?: true; failed?: string }) => {
      if (message.ready === true) {
        worker.ready = true;
        worker.restarts = 0;
        worker.trouble = undefined;
      }
      if (message.failed !== undefined) {
        // Its process may stay for long, when it hangs in a drive.
        worker.ready = false;
        worker.trouble = message.failed;
      }
      this.broadcast();
    });
    child.once('exit', (code, signal) => {
      worker.child = undefined;
      worker.ready = false;
      if (this.stopping) return;
      worker.trouble ??= `the ${worker.name} ended with ${signal ?? `exit code ${code}`} and is started again`;
      this.logger.error({ worker: worker.name, code, signal }, worker.trouble);
      this.broadcast();
      const wait = Math.min(restartMs * 2 ** Math.min(worker.restarts, 10), mostRestartMs);
      worker.restarts += 1;
      setTimeout(() => this.runWorker(worker), wait);
    });
  }

  /** Clients hold a connection for as long as they need the host; it ends with them, however they end. */
  private listen(): Promise<net.Server> {
    const server = net.createServer((socket) => {
      let said = '';
      this.sockets.add(socket);
      socket.setEncoding('utf8');
      socket.on('error', () => undefined);
      socket.on('data', (text: string) => {
        said += text;
        for (let end = said.indexOf('\n'); end >= 0; end = said.indexOf('\n')) {
          this.hear(socket, said.slice(0, end));
          said = said.slice(end + 1);
        }
        if (said.length > 1000) socket.destroy();
      });
      socket.on('close', () => {
        this.sockets.delete(socket);
        if (this.clients.delete(socket) && this.clients.size === 0 && !this.sticky) this.stop();
      });
    });
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => resolve(server));
    });
  }

  private hear(socket: net.Socket, line: string): void {
    const [token, verb] = line.split(' ');
    if (token !== this.file.token) {
      socket.destroy();
      return;
    }
    if (verb === 'hold') {
      this.clients.add(socket);
      this.tell(socket);
    } else if (verb === 'stay') {
      this.sticky = true;
      this.updateFile({ sticky: true });
      socket.write('{}\n');
    } else if (verb === 'stop') {
      this.stop();
    }
  }

  private broadcast(): void {
    for (const client of this.clients) this.tell(client);
  }

  private tell(client: net.Socket): void {
    const workers = this.workers.map(({ name, ready, trouble }) => ({
      name,
      ready,
      trouble: ready ? undefined : trouble,
    }));
    client.write(`${JSON.stringify({ workers })}\n`);
  }

  private async stopAll(): Promise<void> {
    await Promise.all(this.workers.map((worker) => this.stopWorker(worker)));
    // A server that is being started again must not outlive the host.
    await this.restarting;
    await this.stopServer();
    this.control?.close();
    for (const socket of this.sockets) socket.destroy();
    this.logger.info('host stopped');
  }

  /** Ends a worker, or leaves it to the system when that cannot end it before a drive answers. */
  private async stopWorker({ name, child }: Kept): Promise<void> {
    if (child === undefined) return;
    const exit = new Promise<true>((resolve) => child.once('exit', () => resolve(true)));
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    const given = new AbortController();
    const limit = sleep(stopTimeoutMs + killedMs, false, { signal: given.signal }).catch(() => false);
    if (!(await Promise.race([exit, limit]))) {
      const sentence = `the ${name} (pid ${child.pid ?? 0}) cannot be ended before a drive or a disk answers; its locks are free then`;
      this.logger.error({ worker: name, pid: child.pid }, sentence);
      this.say(`${sentence[0]?.toUpperCase()}${sentence.slice(1)}.`);
      if (child.connected) child.disconnect();
      child.unref();
    }
    given.abort();
    clearTimeout(late);
  }

  private async stopServer(): Promise<void> {
    const child = this.server?.child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    await exit;
    clearTimeout(late);
  }
}
