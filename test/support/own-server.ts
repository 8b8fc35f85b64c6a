import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import type { TestContext } from 'node:test';
import type { Client } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { projectDir } from '../../config/project-dir.js';
import { messageKey } from '../../proof/key-file.js';
import { provingClient } from '../../workers/server/proving-client.js';
import { backupWorkflowId } from '../../workflows/workflow-ids.js';
import { temporalCli, type Installation, type Running } from './installation.js';
import { waitFor } from './wait-for.js';

/**
 * A Temporal server of the test's own, as somebody with TEMPORAL_ADDRESS has one; its workers are the test's to start.
 */
export class OwnServer {
  private constructor(
    readonly environment: TestWorkflowEnvironment,
    readonly installation: Installation,
  ) {}

  static async start(
    t: TestContext,
    installation: Installation,
    extraArgs: string[] = [],
  ): Promise<OwnServer> {
    const executable = { type: 'existing-path', path: await temporalCli() } as const;
    const environment = await TestWorkflowEnvironment.createLocal({ server: { executable, extraArgs } });
    t.after(async () => {
      await installation.killAll();
      await environment.teardown();
    });
    return new OwnServer(environment, installation);
  }

  get env(): { TEMPORAL_ADDRESS: string } {
    return { TEMPORAL_ADDRESS: this.environment.address };
  }

  /** A client whose messages the workers obey; that of the environment is a stranger's. */
  get client(): Client {
    const { connection, namespace = 'default' } = this.environment;
    return provingClient(messageKey(this.installation.dataDir), { connection, namespace });
  }

  /** Starts a worker process, and waits until it runs. */
  async worker(args: string[], env: Record<string, string> = {}): Promise<Worker> {
    const running = this.installation.start(['worker', ...args], { ...this.env, ...env });
    return Worker.whenReady(running);
  }

  /** Starts a worker under strace, which injects faults into the system calls of that process alone. */
  async tracedWorker(args: string[], inject: string[], env: Record<string, string> = {}): Promise<Worker> {
    const { installation } = this;
    const log = path.join(installation.root, `strace-${Math.random().toString(36).slice(2)}.log`);
    const program = [process.execPath, path.join(projectDir, 'bin', 'tapeflow.cjs'), 'worker', ...args];
    // -D: strace is the grandchild, so the process that is started is the worker itself.
    const child = spawn('strace', ['-D', '-f', '-o', log, ...inject, ...program], {
      cwd: installation.root,
      env: { ...process.env, ...installation.env, ...this.env, UV_THREADPOOL_SIZE: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (said += text));
    const ended = once(child, 'close').then(() => ({ code: child.exitCode, stdout: said, stderr: said }));
    return Worker.whenReady({ child, output: () => said, ended });
  }

  /** Attempt of a pending activity of a set, by its type; undefined while there is none. */
  async attemptOf(setId: string, activity: string): Promise<number | undefined> {
    const handle = this.environment.client.workflow.getHandle(
      backupWorkflowId(setId, this.installation.shortId),
    );
    const { raw } = await handle.describe();
    const pending = raw.pendingActivities?.find((one) => one.activityType?.name === activity);
    return pending === undefined ? undefined : (pending.attempt ?? 1);
  }

  /** Waits until the server has given up the first attempt of an activity. */
  async givenUp(setId: string, activity: string): Promise<void> {
    await waitFor(
      async () => ((await this.attemptOf(setId, activity)) ?? 0) > 1,
      `the server to give up ${activity}`,
    );
  }
}

/** A worker process of the test's own. */
export class Worker {
  private constructor(
    readonly child: ChildProcess,
    readonly output: () => string,
    readonly ended: Running['ended'],
  ) {}

  static async whenReady({ child, output, ended }: Running): Promise<Worker> {
    const worker = new Worker(child, output, ended);
    await waitFor(() => {
      if (child.exitCode !== null) throw new Error(`the worker ended: ${output()}`);
      return output().includes('worker runs');
    }, 'the worker to run');
    return worker;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }

  /** Waits until the process has stopped by SIGSTOP, its own or an injected one. */
  async stopped(): Promise<void> {
    const stateOf = (task: string): string => {
      try {
        const status = readFileSync(`/proc/${this.pid}/task/${task}/status`, 'utf8');
        return /^State:\s+(\w)/m.exec(status)?.[1] ?? '';
      } catch {
        // A thread that has ended since the listing: the process runs.
        return '';
      }
    };
    const states = () => readdirSync(`/proc/${this.pid}/task`).map(stateOf);
    // Under strace a thread is in this state for a moment at every traced call: all of them at once, twice, is a stop.
    let seen = 0;
    await waitFor(() => {
      seen = states().every((state) => state.toLowerCase() === 't') ? seen + 1 : 0;
      return seen > 2;
    }, `process ${this.pid} to stop`);
  }

  /** Numbers of the process's threads: by these FUSE knows who calls. */
  threads(): number[] {
    return readdirSync(`/proc/${this.pid}/task`).map(Number);
  }

  /** Waits until the process has no file open whose path ends so. */
  async closed(name: RegExp): Promise<void> {
    const open = () =>
      readdirSync(`/proc/${this.pid}/fd`).some((fd) => {
        try {
          return name.test(readlinkSync(`/proc/${this.pid}/fd/${fd}`).replace(/ \(deleted\)$/, ''));
        } catch {
          return false;
        }
      });
    await waitFor(() => !open(), `process ${this.pid} to close ${name.source}`);
  }

  /** Tells the worker to stop, and waits until every attempt in it has come to its end. */
  async stop(): Promise<void> {
    this.signal('SIGTERM');
    await this.ended;
  }
}

/**
 * A way to a server that can be cut and mended, as by a switch between them: nothing is closed, nothing goes through.
 */
export class Cable {
  private readonly sockets = new Set<net.Socket>();
  private cutNow = false;

  private constructor(private readonly server: net.Server) {}

  static async to(t: TestContext, address: string): Promise<Cable> {
    const at = address.lastIndexOf(':');
    const target = { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
    const cable: Cable = new Cable(net.createServer((near) => cable.join(near, net.connect(target))));
    cable.server.listen(0, '127.0.0.1');
    await once(cable.server, 'listening');
    t.after(() => {
      cable.server.close();
      cable.hangUp();
    });
    return cable;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as net.AddressInfo).port}`;
  }

  private join(near: net.Socket, far: net.Socket): void {
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(from);
      from.on('data', (data) => void to.write(data));
      from.on('error', () => undefined);
      from.on('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
      if (this.cutNow) from.pause();
    }
  }

  /** Ends every connection through it, as a server does that is killed. */
  hangUp(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  cut(): void {
    this.cutNow = true;
    for (const socket of this.sockets) socket.pause();
  }

  mend(): void {
    this.cutNow = false;
    for (const socket of this.sockets) socket.resume();
  }
}
