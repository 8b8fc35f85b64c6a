import { spawn, type ChildProcess } from 'node:child_process';
import { openSync } from 'node:fs';
import path from 'node:path';
import { killAndWait } from '../support/end-process.js';
import { temporalCli } from '../support/installation.js';

/** A Temporal server for several machines. */
export interface TeamServer {
  readonly address: string;
  /** Settings of whoever uses it, besides its address. */
  readonly env: Record<string, string>;
  /** The same for whoever prepares it. */
  readonly adminEnv: Record<string, string>;
  kill(): Promise<void>;
  /** Starts it, again after `kill`. */
  goOn(): Promise<void>;
}

/** The server of Temporal's command line, without any of the switches that tapeflow gives its own. */
export class DevServer implements TeamServer {
  private process: ChildProcess | undefined;
  readonly env = {};
  readonly adminEnv = {};

  private constructor(
    private readonly cli: string,
    private readonly folder: string,
    private readonly ip: string,
    private readonly within: readonly string[],
  ) {}

  static async start(folder: string, ip: string, within: readonly string[]): Promise<DevServer> {
    const server = new DevServer(await temporalCli(), folder, ip, within);
    await server.goOn();
    return server;
  }

  get address(): string {
    return `${this.ip}:7233`;
  }

  goOn(): Promise<void> {
    const log = openSync(path.join(this.folder, 'temporal.log'), 'a');
    const database = ['--db-filename', path.join(this.folder, 'temporal.db')];
    // Its parts look for each other at 127.0.0.1: it has to listen there too, in this network that leads nowhere.
    const args = ['server', 'start-dev', '--headless', '--ip', '0.0.0.0', '--port', '7233', ...database];
    const [program = '', ...rest] = [...this.within, this.cli, ...args, '--log-level', 'warn'];
    this.process = spawn(program, rest, { stdio: ['ignore', log, log] });
    return Promise.resolve();
  }

  async kill(): Promise<void> {
    const { process } = this;
    this.process = undefined;
    await killAndWait(process);
  }
}
