import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DefaultLogger,
  NativeConnection,
  Runtime,
  type MetricsExporterConfig,
  type NativeConnectionOptions,
  type RuntimeOptions,
  type Worker,
  type WorkerOptions,
} from '@temporalio/worker';
import { IllegalStateError } from '@temporalio/common';
import type { Logger } from '../../config/logger.js';
import { projectDir } from '../../config/project-dir.js';
import { tellServiceManager } from '../../config/service-manager.js';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import { installationKey, ownInstallation } from '../../workflows/proof/own-installation.js';
import { requireNamespace } from '../server/prepare-server.js';
import { grpc } from '../server/grpc-status.js';
import { unreachable } from '../server/connection-trouble.js';
import type { TemporalTarget } from '../server/temporal-target.js';
import { english } from '../../messages/sentence.js';

/** The workflows, bundled when the project was built. */
const bundlePath = path.join(projectDir, 'dist', 'workflow-bundle.js');

/** The workflows with the installation's key and short id inserted, so that they can prove and check messages. */
export function bundledWorkflows(installation: string, key: string): { code: string } {
  let code = readFileSync(bundlePath, 'utf8');
  for (const [place, put] of [
    [installationKey, key],
    [ownInstallation, installation],
  ] as const) {
    const parts = code.split(place);
    if (parts.length !== 2)
      throw new TapeflowFailure(
        'WrongBundle',
        english`${bundlePath} has no place for what is the installation's own.`,
        {
          advice: english`Build the project again (\`npm run build\`).`,
        },
      );
    code = parts.join(put);
  }
  return { code };
}

/** Options of the worker that runs workflows. */
export const workflowOptions = {
  // By default a workflow whose code throws, or whose history does not replay after an upgrade, retries its task for
  // ever, and a set hangs silently. The catalog is the truth: such a workflow ends, and `resume` or `backup` starts a
  // new one.
  workflowFailureErrorTypes: { '*': ['Error'] },
  // A killed worker's workflows stay assigned to it this long (10 s by default); then another worker replays them.
  stickyQueueScheduleToStartTimeout: '3s',
} satisfies Partial<WorkerOptions>;

/** Options common to all our workers. */
export const workerOptions = {
  // The default sends heartbeats at 0.8 × the timeout, so that cancellations would arrive 20 s late.
  maxHeartbeatThrottleInterval: '1s',
  defaultHeartbeatThrottleInterval: '1s',
  // Activities resume by themselves, so a stop need not wait for a whole archive.
  shutdownGraceTime: '1s',
  // A hung device must not keep a process for ever.
  shutdownForceTime: '20s',
} satisfies Partial<WorkerOptions>;

/**
 * Sends the SDK's own log lines, from TypeScript and Rust, through our logger.
 *
 * @param metrics where it publishes its own figures. A worker that cannot do that works without.
 */
export function installRuntime(logger: Logger, metrics?: MetricsExporterConfig): void {
  const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;
  const logging = { forward: {}, filter: 'WARN,temporalio_sdk_core=WARN' };
  const options: RuntimeOptions = {
    logger: new DefaultLogger('INFO', ({ level, message, meta }) => {
      logger[levels[level]]({ ...plainMeta(meta), sdk: true }, message);
    }),
    telemetryOptions: { logging },
    // We handle signals: a worker that its host stops must not stop twice.
    shutdownSignals: [],
  };
  try {
    Runtime.install(metrics === undefined ? options : { ...options, telemetryOptions: { logging, metrics } });
  } catch (error) {
    if (metrics === undefined) throw error;
    logger.warn(`the metrics of the Temporal SDK are missing: ${describeError(error)}`);
    Runtime.install(options);
  }
}

function plainMeta(meta: Record<string, unknown> | undefined): Record<string, unknown> {
  const { error, ...rest } = meta ?? {};
  return error instanceof Error ? { ...rest, err: error } : { ...rest };
}

/** Milliseconds that a host's worker waits for its server, which starts at the same time, and between its attempts. */
const serverStartMs = 60_000;
const lookAgainMs = 50;

/** Connects a worker process; throws a sentence when the server does not answer. */
export async function connectWorker(target: TemporalTarget): Promise<NativeConnection> {
  const deadline = performance.now() + (target.embedded && process.connected ? serverStartMs : 0);
  for (;;) {
    try {
      // The native connection ignores the client's additional options (a connect timeout).
      const connection = await NativeConnection.connect(target.connection as NativeConnectionOptions);
      await requireNamespace(connection, target);
      return connection;
    } catch (error) {
      if (error instanceof TapeflowFailure) throw error;
      // A host that is gone has taken its server with it.
      if (performance.now() > deadline || !process.connected)
        throw await unreachable(target, inPlainWords(error));
      await sleep(lookAgainMs);
    }
  }
}

/** Closes a worker's connection. If a hanging step still uses it, it closes with the process. */
export async function closeConnection(connection: NativeConnection): Promise<void> {
  await connection.close().catch((error: unknown) => {
    if (!(error instanceof IllegalStateError)) throw error;
  });
}

/** An error of the SDK's native part in plain words; a server that refuses us has its status in them only. */
function inPlainWords(error: unknown): Error {
  const isRefused = /does not have permission|valid authentication credentials/.test(describeError(error));
  return Object.assign(
    new Error(plainWords(error), { cause: error instanceof Error ? error.cause : undefined }),
    isRefused ? { code: grpc.PERMISSION_DENIED } : {},
  );
}

/** The words in an error of the SDK's native part, which is a formatted Rust structure. */
function plainWords(error: unknown): string {
  const message = describeError(error);
  if (!/::|\{|\(|code: '/.test(message)) return message;
  const words = /message: "((?:[^"\\]|\\.)*)"/.exec(message)?.[1] ?? /"((?:[^"\\]|\\.)*)"/.exec(message)?.[1];
  return words ?? 'the connection failed';
}

/**
 * Runs workers until a signal, or until the host that forked this process is gone. Says `ready` to such a host.
 * Resolves when all have shut down.
 */
export async function runWorkers(workers: Worker[], logger: Logger): Promise<void> {
  const stop = () => {
    void tellServiceManager('STOPPING=1');
    for (const worker of workers) {
      if (worker.getState() === 'RUNNING') worker.shutdown();
    }
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.on('disconnect', stop);
  const running = Promise.all(
    workers.map((worker) =>
      worker.run().finally(() => {
        // One of them has failed: the others of this process must not continue alone.
        stop();
      }),
    ),
  );
  logger.info({ queues: workers.map((worker) => worker.options.taskQueue) }, 'worker runs');
  process.send?.({ ready: true });
  void tellServiceManager('READY=1');
  await running;
}
