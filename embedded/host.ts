import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { english } from '../messages/sentence.js';
import { describeHolder, tryLock } from '../disk/exclusive-lock.js';
import { TapeflowFailure, describeError } from '../config/failures.js';
import type { Logger } from '../config/logger.js';
import { serviceStop } from '../config/service-manager.js';
import { projectDir, projectVersion } from '../config/project-dir.js';
import type { Settings } from '../config/settings/settings.js';
import { ControlPort } from './control-port.js';
import { hostLockFile, readHostFile, removeHostFile, writeHostFile, type HostFile } from './host-file.js';
import { obtainCli } from './obtain-cli.js';
import { cliLocations } from './cli-sources.js';
import {
  choosePorts,
  stopOrphanServer,
  serverAddress,
  startServer,
  type RunningServer,
  type ServerPorts,
} from './temporal-server.js';
import { WorkerProcess, maxRestartMs, restartMs } from './worker-process.js';

/** Attempts of the server's first start: it has been seen to exit at once for no clear reason and then to start. */
const maxFirstStarts = 3;
/** Milliseconds that the command which started a host has to take its lease; it may have been killed. */
const firstClientMs = 30_000;

/** What the command that runs a host wants of it. */
export interface HostOptions {
  /** Keep running when the last client is gone. */
  sticky: boolean;
  /** Tells the user what takes time. */
  say(sentence: string): void;
}

/** A host that runs in this process. */
export interface Host {
  file: HostFile;
  /** Resolves when each worker serves, or has said why it cannot yet: a drive that is away must not be waited for. */
  told: Promise<void>;
  /** Resolves when the host has stopped: by `stop`, a command, or because its last client left. */
  stopped: Promise<void>;
  stop(): void;
}

/**
 * Runs the embedded server and the workers of this installation and restarts what dies, until it is stopped. One per
 * data folder: throws `HostRuns` when there is one already.
 */
export async function startHost(settings: Settings, logger: Logger, options: HostOptions): Promise<Host> {
  const dataDir = settings.TAPEFLOW_DATA_DIR;
  const locked = tryLock(hostLockFile(dataDir), { role: 'host', dataDir });
  if (!('lock' in locked)) {
    throw new TapeflowFailure(
      'HostRuns',
      english`Server and workers of ${dataDir} run already: ${describeHolder(locked.heldBy)}.`,
    );
  }
  const { lock } = locked;
  try {
    const before = readHostFile(dataDir);
    if (before !== undefined && (await stopOrphanServer(before.serverPid, dataDir))) {
      logger.warn({ pid: before.serverPid }, 'ended the server that a killed host had left behind');
    }
    const cli = await obtainCli(cliLocations(dataDir, settings.TEMPORAL_CLI_PATH, options.say));
    const host = new RunningHost(settings, logger, options, cli, await choosePorts(dataDir));
    await host.start();
    const stopped = host.stopped.finally(() => {
      removeHostFile(dataDir);
      lock.release();
    });
    return { file: host.file, told: host.told, stopped, stop: () => host.stop() };
  } catch (error) {
    lock.release();
    throw error;
  }
}

class RunningHost {
  file!: HostFile;
  readonly stopped: Promise<void>;
  readonly told: Promise<void>;
  private resolveStopped!: () => void;
  private resolveTold!: () => void;
  private server: RunningServer | undefined;
  private readonly control: ControlPort;
  private readonly workers: WorkerProcess[];
  private sticky: boolean;
  private stopping = false;
  private readonly serverStarts = new AbortController();
  private restarting: Promise<void> = Promise.resolve();

  constructor(
    private readonly settings: Settings,
    private readonly logger: Logger,
    { sticky, say }: HostOptions,
    private readonly cli: string,
    private ports: ServerPorts,
  ) {
    this.sticky = sticky;
    this.stopped = new Promise((resolve) => (this.resolveStopped = resolve));
    this.told = new Promise((resolve) => (this.resolveTold = resolve));
    this.control = new ControlPort({
      reports: () => this.workers.map((worker) => worker.report),
      isSticky: () => this.sticky,
      isStopping: () => this.stopping,
      stay: () => this.stay(),
      stop: () => this.stop(),
      leftAlone: () => this.stopUnlessSticky(),
    });
    const host = {
      script: path.join(projectDir, 'bin', 'tapeflow.cjs'),
      ...{ logger, say, address: () => serverAddress(this.ports), changed: () => this.tellAll() },
    };
    this.workers = [
      new WorkerProcess('archive worker', ['worker', 'archive'], host),
      ...settings.drives.map(
        ({ name }) => new WorkerProcess(`tape worker ${name}`, ['worker', 'tape', '--drive', name], host),
      ),
    ];
  }

  async start(): Promise<void> {
    // They load while the server starts, and wait for it.
    for (const worker of this.workers) worker.run();
    await this.runFirstServer();
    const controlPort = await this.control.listen();
    const stop = serviceStop();
    this.file = {
      pid: process.pid,
      serverPid: this.server?.child.pid ?? 0,
      address: this.server?.address ?? '',
      ui: this.server?.ui ?? '',
      controlPort,
      token: this.control.token,
      sticky: this.sticky,
      program: projectVersion,
      ...(stop === undefined ? {} : { serviceStop: stop }),
    };
    writeHostFile(this.settings.TAPEFLOW_DATA_DIR, this.file);
    setTimeout(() => {
      if (!this.control.isHeld) this.stopUnlessSticky();
    }, firstClientMs).unref();
  }

  stop(): void {
    if (this.stopping) return;
    this.stopping = true;
    this.serverStarts.abort();
    void this.stopAll().finally(() => this.resolveStopped());
  }

  private tellAll(): void {
    this.control.tellAll();
    const reports = this.workers.map((worker) => worker.report);
    if (reports.every(({ ready, trouble }) => ready || trouble !== undefined)) this.resolveTold();
  }

  private stay(): void {
    this.sticky = true;
    this.updateFile({ sticky: true });
  }

  private stopUnlessSticky(): void {
    if (!this.sticky) this.stop();
  }

  /** Throws when the server does not start in a few tries. */
  private async runFirstServer(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.runServer();
        return;
      } catch (error) {
        if (tries === maxFirstStarts) {
          this.stopping = true;
          await this.stopAll();
          throw error;
        }
        this.logger.warn({ err: error }, `the Temporal server is started again: ${describeError(error)}`);
        // Another program may have taken a port meanwhile.
        this.ports = await choosePorts(this.settings.TAPEFLOW_DATA_DIR);
        // They are restarted with the new address.
        for (const worker of this.workers) worker.kill();
      }
    }
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
    for (let wait = restartMs; !this.stopping; wait = Math.min(wait * 2, maxRestartMs)) {
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

  /** Publishes changes to other commands. A full disk must not stop the host; the file then stays outdated. */
  private updateFile(change: Partial<HostFile>): void {
    this.file = { ...this.file, ...change };
    try {
      writeHostFile(this.settings.TAPEFLOW_DATA_DIR, this.file);
    } catch (error) {
      this.logger.error({ err: error }, `the host's file could not be written: ${describeError(error)}`);
    }
  }

  private async stopAll(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.stop()));
    // A server that is being restarted must not outlive the host.
    await this.restarting;
    await this.stopServer();
    this.control.close();
    this.logger.info('host stopped');
  }

  /**
   * Nobody uses it any more, and what it has answered is in its database, which survives this (`serverArguments`). By
   * itself it would first pause for a second, in which other servers of a cluster could turn away from it
   * (`requestDrainTime` of Temporal's frontend service).
   */
  private async stopServer(): Promise<void> {
    const child = this.server?.child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGKILL');
    await exit;
  }
}
