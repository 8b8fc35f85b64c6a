import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { keyFile } from '../../proof/key-file.js';
import { PostgresServer } from '../support/postgres.js';
import { DevServer, type TeamServer } from './dev-server.js';
import { Machine, Network } from './machine.js';
import { RealServer } from './real-server.js';

/** The catalog's schema in the one database. */
const schema = 'team';

/** Several machines with one staging, one PostgreSQL and one Temporal server, and one key. */
export class Team {
  readonly machines: Machine[] = [];
  private readonly key = `${randomBytes(32).toString('hex')}\n`;

  private constructor(
    readonly root: string,
    readonly network: Network,
    readonly postgres: PostgresServer,
    readonly server: TeamServer,
    private readonly atEnd: (() => unknown)[],
  ) {}

  /** @param realServer Temporal's own server on the same PostgreSQL, instead of that of its command line. */
  static async make(realServer: boolean): Promise<Team> {
    const atEnd: (() => unknown)[] = [];
    try {
      const root = mkdtempSync(path.join(os.tmpdir(), 'tapeflow-hosts-'));
      atEnd.unshift(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }));
      const network = await Network.make();
      atEnd.unshift(() => network.end());
      const { within } = network;
      const after = (end?: unknown) => void atEnd.unshift(end as () => unknown);
      const listening = { address: Network.address, port: 5432, within };
      const postgres = await PostgresServer.make({ after }, listening);
      await postgres.query(`create schema ${schema}`);
      const server = realServer
        ? await RealServer.start(root, listening)
        : await DevServer.start(root, Network.address, within);
      atEnd.unshift(() => server.kill());
      return new Team(root, network, postgres, server, atEnd);
    } catch (error) {
      for (const step of atEnd) await step();
      throw error;
    }
  }

  /**
   * Boots a machine.
   *
   * @param like the machine of the same host, whose folders it shares.
   */
  async machine(name: string, env: Record<string, string>, like = name): Promise<Machine> {
    const machine = new Machine(this.network, this.root, name, this.machines.length + 1, like, {});
    machine.env = {
      TAPEFLOW_DATA_DIR: machine.here('data'),
      BACKUP_COMPRESS_DIR: machine.here('staging'),
      TAPEFLOW_LOCK_DIR: machine.here('locks'),
      CATALOG_URL: `postgres://tapeflow@${Network.address}/postgres?options=-csearch_path%3D${schema}`,
      TEMPORAL_ADDRESS: this.server.address,
      TEMPORAL_NAMESPACE: 'tapes',
      ...this.server.env,
      // Shorter than the defaults: a dead attempt is noticed soon.
      HEARTBEAT_SECONDS: '5',
      TAPE_RETRY_SECONDS: '1',
      ...env,
    };
    mkdirSync(machine.seen('data'), { recursive: true });
    writeFileSync(keyFile(machine.seen('data')), this.key, { mode: 0o600 });
    await machine.boot();
    this.machines.push(machine);
    this.atEnd.unshift(() => machine.powerOff());
    return machine;
  }

  /** Prepares the server, which listens before it takes calls. */
  async setUp(machine: Machine): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      const { code, stdout, stderr } = await machine.run(['admin', 'setup'], this.server.adminEnv);
      if (code === 0) return;
      if (tries > 60) throw new Error(`the server cannot be prepared: ${stdout}${stderr}`);
      await sleep(1000);
    }
  }

  query<Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> {
    return this.postgres.query<Row>(sql, this.postgres.url(schema));
  }

  async end(): Promise<void> {
    for (const step of this.atEnd) await step();
  }
}
