import { fork, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectDir } from '../../config/project-dir.js';
import { choosePorts, startServer, type ServerPorts } from '../../embedded/temporal-server.js';
import { temporalCli } from './installation.js';
import { recoverMs } from './kill-set.js';
import { waitFor } from './wait-for.js';

/** The command of the program that is tested. */
export const script = path.join(projectDir, 'bin', 'tapeflow.cjs');
/** Milliseconds before what has died is started again. */
export const restartMs = 200;

interface Worker {
  child: ChildProcess;
  ready: boolean;
}

/** A Temporal server and workers as processes of their own, supervised as the host does: what dies is started again. */
export class Supervised {
  private readonly workers = new Map<string, Worker>();
  private server: ChildProcess | undefined;
  private readonly closing = new AbortController();
  /** The server answers, or is tried again. */
  serverUp: Promise<void> = Promise.resolve();

  private constructor(
    private readonly root: string,
    private readonly dataDir: string,
    private readonly cli: string,
    private readonly ports: ServerPorts,
  ) {}

  /**
   * Starts the server.
   *
   * @param root where the workers' logs are.
   * @param dataDir where the server's database is.
   */
  static async start(root: string, dataDir: string): Promise<Supervised> {
    const supervised = new Supervised(root, dataDir, await temporalCli(), await choosePorts(dataDir));
    supervised.runServer();
    return supervised;
  }

  get address(): string {
    return `127.0.0.1:${this.ports.server}`;
  }

  private get isClosing(): boolean {
    return this.closing.signal.aborted;
  }

  private runServer(): void {
    this.serverUp = startServer(this.cli, this.dataDir, this.ports, this.closing.signal).then(
      ({ child }) => {
        this.server = child;
        const again = () => {
          if (!this.isClosing) this.runServer();
        };
        if (child.exitCode !== null || child.signalCode !== null) again();
        else child.once('exit', again);
      },
      () => sleep(restartMs).then(() => this.isClosing || this.runServer()) as Promise<void>,
    );
  }

  /** @param name of its log, and for `pid` and `isReady`. */
  runWorker(name: string, args: readonly string[], env: Record<string, string>): void {
    void this.serverUp.then(() => {
      if (this.isClosing) return;
      const log = openSync(path.join(this.root, `${name}.log`), 'a');
      const child = fork(script, ['worker', ...args], { env, stdio: ['ignore', log, log, 'ipc'] });
      closeSync(log);
      const worker: Worker = { child, ready: false };
      this.workers.set(name, worker);
      child.on('message', (message: { ready?: true }) => (worker.ready ||= message.ready === true));
      child.once('exit', () => {
        worker.ready = false;
        void sleep(restartMs).then(() => this.runWorker(name, args, env));
      });
    });
  }

  /** Waits until the server answers and these workers run. */
  async ready(...names: string[]): Promise<void> {
    await waitFor(
      async () => {
        await this.serverUp;
        const serves = this.server?.exitCode === null && this.server.signalCode === null;
        return serves && names.every((name) => this.workers.get(name)?.ready);
      },
      `server and ${names.join(', ')} in ${this.root}`,
      recoverMs,
    );
  }

  /** Process id of a worker, or of the server; 0 when there is none. */
  pid(name: string): number {
    return (name === 'server' ? this.server : this.workers.get(name)?.child)?.pid ?? 0;
  }

  /** Kills everything, also a server that is being started. */
  async close(): Promise<void> {
    this.closing.abort();
    await this.serverUp;
    const children = [this.server, ...[...this.workers.values()].map((worker) => worker.child)];
    await Promise.all(children.map(async (child) => child && end(child)));
  }
}

/** Waits until a process has ended. */
export function exitOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

/** Kills a process, and waits until it has ended. */
export async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await exitOf(child);
}
