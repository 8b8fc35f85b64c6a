import type http from 'node:http';
import path from 'node:path';
import { describeError } from '../../config/failures.js';
import type { Logger } from '../../config/logger.js';
import { tryLock, type ExclusiveLock } from '../../disk/exclusive-lock.js';
import { listening, textServer } from './local-socket.js';

/** Milliseconds between two tries to be the one that answers Prometheus. */
const tryEveryMs = 5000;

/** What an endpoint is, and whose. */
export interface EndpointOptions {
  /** `ADDRESS:PORT`. */
  address: string;
  dataDir: string;
  /** Of the worker, as in its log. */
  role: string;
  logger: Logger;
  text(): Promise<string>;
}

/**
 * The address of this host where Prometheus finds the figures of all its workers. One of the workers of a data folder
 * has it: the one that holds a lock. When that ends, however it ends, the next one takes over within seconds.
 */
export class Endpoint {
  private lock: ExclusiveLock | undefined;
  private server: http.Server | undefined;
  private timer: NodeJS.Timeout | undefined;
  private trouble: string | undefined;
  private trying: Promise<void>;
  private ended = false;

  constructor(private readonly options: EndpointOptions) {
    this.trying = this.tryOnce();
  }

  async end(): Promise<void> {
    this.ended = true;
    clearTimeout(this.timer);
    await this.trying;
    this.server?.close();
    this.server?.closeAllConnections();
    this.lock?.release();
  }

  /** Nothing of this may stop a worker: what goes wrong is in its log, once, and is tried again. */
  private async tryOnce(): Promise<void> {
    const { address, logger } = this.options;
    try {
      if (!this.isMine()) return;
      const [, host = '', port] = /^\[?(.+?)\]?:(\d+)$/.exec(address) ?? [];
      this.server = await listening(textServer(this.options.text), { host, port: Number(port) });
      this.trouble = undefined;
      logger.info(`metrics of all workers of this host: http://${address}/metrics`);
    } catch (error) {
      const trouble = `no metrics at ${address} (METRICS_ADDRESS), which is tried again: ${describeError(error)}`;
      if (trouble !== this.trouble) logger.warn(trouble);
      this.trouble = trouble;
    } finally {
      if (this.server === undefined && !this.ended) this.tryLater();
    }
  }

  private tryLater(): void {
    this.timer = setTimeout(() => {
      this.trying = this.tryOnce();
    }, tryEveryMs).unref();
  }

  private isMine(): boolean {
    const { dataDir, role } = this.options;
    if (this.lock === undefined) {
      const locked = tryLock(path.join(dataDir, 'metrics.lock'), { role: `${role}, metrics`, dataDir });
      if ('lock' in locked) this.lock = locked.lock;
    }
    return this.lock !== undefined;
  }
}
