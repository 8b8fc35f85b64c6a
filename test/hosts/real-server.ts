import path from 'node:path';
import { buildServer, TemporalCluster } from '../real-server/temporal-cluster.js';
import type { Listening } from '../support/postgres.js';
import type { TeamServer } from './dev-server.js';

/** Temporal's own server, built by Go, on the PostgreSQL that has the catalog; with API keys. */
export class RealServer implements TeamServer {
  readonly env: Record<string, string>;
  readonly adminEnv: Record<string, string>;

  private constructor(private readonly cluster: TemporalCluster) {
    this.env = cluster.access('tapes:write');
    this.adminEnv = cluster.access('temporal-system:admin');
  }

  static async start(folder: string, listening: Listening): Promise<RealServer> {
    buildServer();
    return new RealServer(await TemporalCluster.start(path.join(folder, 'temporal'), listening));
  }

  get address(): string {
    return this.cluster.address;
  }

  kill(): Promise<void> {
    return this.cluster.kill();
  }

  goOn(): Promise<void> {
    return this.cluster.goOn();
  }
}
