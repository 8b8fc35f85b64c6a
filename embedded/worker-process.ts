import { fork, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { english } from '../messages/sentence.js';
import type { Logger } from '../config/logger.js';
import type { WorkerReport } from './lease.js';

/** Milliseconds before a dead worker or server is restarted; longer when it dies at once. */
export const restartMs = 500;
export const maxRestartMs = 10_000;
/** Milliseconds that a process has for its shutdown before it is killed. */
const stopTimeoutMs = 25_000;
/** Milliseconds to wait for a killed worker: the system keeps a process that is in a call of a silent drive. */
const killedMs = 3000;

/** What a worker has of the host that runs it. */
export interface WorkerHost {
  /** The program that is run. */
  script: string;
  logger: Logger;
  /** `host:port` of the server, as it is now. */
  address(): string;
  /** Tells the clients that a worker has something new to report. */
  changed(): void;
  /** Tells the user what takes time. */
  say(sentence: string): void;
}

/** One worker process, which is started again when it dies, until it is stopped. */
export class WorkerProcess {
  private child: ChildProcess | undefined;
  private restarts = 0;
  private ready = false;
  /** Why it does not run, as a sentence for people. */
  private trouble: string | undefined;
  private stopping = false;

  /** @param args the words of the command that runs it, such as `worker archive`. */
  constructor(
    private readonly name: string,
    private readonly args: readonly string[],
    private readonly host: WorkerHost,
  ) {}

  /** What clients are told of it. */
  get report(): WorkerReport {
    const { name, ready, trouble } = this;
    return { name, ready, trouble: ready ? undefined : trouble };
  }

  run(): void {
    if (this.stopping) return;
    const child = fork(this.host.script, this.args, {
      env: { ...process.env, TAPEFLOW_EMBEDDED_ADDRESS: this.host.address() },
      // In its own session: Ctrl-C stops the host, and the host stops its workers in order.
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.child = child;
    child.on('message', (message: { ready?: true; failed?: string }) => {
      if (message.ready === true) {
        this.ready = true;
        this.restarts = 0;
        this.trouble = undefined;
      }
      if (message.failed !== undefined) {
        // Its process may stay for a long time if it hangs in a drive.
        this.ready = false;
        this.trouble = message.failed;
      }
      this.host.changed();
    });
    child.once('exit', (code, signal) => this.runAgain(code, signal));
  }

  /** Ends it at once; it is started again. */
  kill(): void {
    this.child?.kill('SIGKILL');
  }

  /** Ends it, or leaves it to the system when that cannot end it before a drive answers. */
  async stop(): Promise<void> {
    this.stopping = true;
    const { child, name } = this;
    const { logger, say } = this.host;
    if (child === undefined) return;
    const exit = new Promise<true>((resolve) => child.once('exit', () => resolve(true)));
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    const given = new AbortController();
    const limit = sleep(stopTimeoutMs + killedMs, false, { signal: given.signal }).catch(() => false);
    if (!(await Promise.race([exit, limit]))) {
      const pid = child.pid ?? 0;
      const sentence = english`The ${name} (pid ${pid}) cannot be ended before a drive or a disk answers; its locks
        are free then.`;
      logger.error({ worker: name, pid: child.pid }, `t${sentence.slice(1, -1)}`);
      say(sentence);
      if (child.connected) child.disconnect();
      child.unref();
    }
    given.abort();
    clearTimeout(late);
  }

  private runAgain(code: number | null, signal: string | null): void {
    this.child = undefined;
    this.ready = false;
    if (this.stopping) return;
    this.trouble ??=
      signal === null
        ? english`the ${this.name} ended with exit code ${code ?? 0} and is started again`
        : english`the ${this.name} ended with ${signal} and is started again`;
    this.host.logger.error({ worker: this.name, code, signal }, this.trouble);
    this.host.changed();
    const wait = Math.min(restartMs * 2 ** Math.min(this.restarts, 10), maxRestartMs);
    this.restarts += 1;
    setTimeout(() => this.run(), wait);
  }
}
