import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { keyFile } from '../../proof/key-file.js';
import { Installation, type Finished } from './installation.js';
import { OwnServer, type Worker } from './own-server.js';
import { PostgresServer } from './postgres.js';
import { writeTree } from './trees.js';

/** Two hosts of one installation: each has a data folder and a name; catalog, server and staging are shared. */
export class TwoHosts {
  private readonly workers: { worker: Worker; of: string }[] = [];

  private constructor(
    readonly postgres: PostgresServer,
    readonly server: OwnServer,
    private readonly root: string,
    private readonly env: Record<string, string>,
  ) {}

  static async make(t: TestContext, more: Record<string, string> = {}): Promise<TwoHosts> {
    const postgres = await PostgresServer.make(t);
    const installation = await Installation.make(t, { CATALOG_URL: await postgres.makeCatalog() });
    const server = await OwnServer.start(t, installation);
    const { root } = installation;
    const hosts = new TwoHosts(postgres, server, root, { MAX_GROUP_SIZE: '100kB', ...server.env, ...more });
    t.after(() => Promise.all(hosts.workers.map(({ worker }) => worker.kill().catch(() => undefined))));
    mkdirSync(hosts.data('b'), { recursive: true });
    writeFileSync(
      path.join(root, 'b.json'),
      JSON.stringify({ drives: { vault: { path: path.join(root, 'tape') } } }),
    );
    mkdirSync(path.join(root, 'tape'));
    return hosts;
  }

  data(host: string): string {
    return host === 'a' ? this.server.installation.dataDir : path.join(this.root, `data-${host}`);
  }

  of(host: string): Record<string, string> {
    return {
      ...this.env,
      ...{ TAPEFLOW_HOST: host, TAPEFLOW_DATA_DIR: this.data(host) },
      ...(host === 'b' ? { TAPEFLOW_CONFIG: path.join(this.root, 'b.json') } : {}),
    };
  }

  async worker(host: string, ...args: string[]): Promise<Worker> {
    return this.workerWith({}, host, ...args);
  }

  /** The same with more in its environment. */
  async workerWith(env: Record<string, string>, host: string, ...args: string[]): Promise<Worker> {
    const worker = await this.server.worker(args, { ...this.of(host), ...env });
    this.workers.push({ worker, of: [host, ...args].join(' ') });
    return worker;
  }

  /** Those that the test has started so. */
  workersOf(host: string, ...args: string[]): Worker[] {
    return this.workers.filter(({ of }) => of === [host, ...args].join(' ')).map(({ worker }) => worker);
  }

  run(host: string, ...args: string[]): Promise<Finished> {
    return this.server.installation.run(args, this.of(host));
  }

  /** Runs a command that succeeds, and returns the object that it prints last. */
  async ask<Result = Record<string, unknown>>(host: string, ...args: string[]): Promise<Result> {
    const { code, stdout, stderr } = await this.run(host, ...args, '--json');
    assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`);
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Result;
  }

  get catalog(): string {
    return this.server.installation.env['CATALOG_URL'] ?? '';
  }

  shareKey(): void {
    copyFileSync(keyFile(this.data('a')), keyFile(this.data('b')));
  }

  source(name: string): string {
    const folder = path.join(this.root, name);
    writeTree(folder, { one: Buffer.alloc(60_000, name), two: Buffer.alloc(70_000, name), 'a:/x': name });
    return folder;
  }

  folder(name: string): string {
    return path.join(this.root, name);
  }
}
