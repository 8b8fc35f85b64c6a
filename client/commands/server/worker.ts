import type { Command } from 'commander';
import { catalogFailure } from '../../../catalog/catalog-failure.js';
import { TapeflowFailure, describeError } from '../../../config/failures.js';
import { createLogger, type Logger } from '../../../config/logger.js';
import type { Settings } from '../../../config/settings/settings.js';
import { driveNamed } from '../../../config/settings/drives.js';
import { runArchiveWorker } from '../../../workers/processes/archive-worker.js';
import { runTapeWorker } from '../../../workers/processes/tape-worker.js';
import { serverForWorker } from '../../../workers/server/own-server.js';
import type { TemporalTarget } from '../../../workers/server/temporal-target.js';
import { exitCodes } from '../../exit-codes.js';
import { openSession } from '../../session.js';

/** Milliseconds for a failed worker to write its last log lines. */
const lastWordsMs = 1000;

/** `worker archive`, `worker tape --drive NAME`: one worker, until a signal. `up` runs all of them. */
export function addWorker(program: Command): void {
  const worker = program.command('worker');
  worker
    .command('archive')
    .description('scans, compresses and moves')
    .action((_options, command: Command) =>
      runWorker(command, 'archive-worker', ({ settings, target, logger }) =>
        runArchiveWorker(settings, target, logger),
      ),
    );
  worker
    .command('tape')
    .description('writes to one drive')
    .requiredOption('--drive <drive>', 'the drive, as the settings name it')
    .action(({ drive }: { drive: string }, command: Command) =>
      runWorker(command, `tape-worker-${drive}`, ({ settings, target, logger }) =>
        runTapeWorker(settings, driveNamed(settings, drive), target, logger),
      ),
    );
}

/** Ends this process. A hanging system call would keep it alive even in `exit`, so the system has to kill it. */
function end(error: unknown): void {
  const hangs =
    (error instanceof TapeflowFailure && (error.code === 'DriveSilent' || error.code === 'SourceSilent')) ||
    (error instanceof Error && error.name === 'GracefulShutdownPeriodExpiredError');
  if (hangs) process.kill(process.pid, 'SIGKILL');
  process.exit(exitCodes.failure);
}

interface WorkerContext {
  settings: Settings;
  target: TemporalTarget;
  logger: Logger;
}

async function runWorker(
  command: Command,
  role: string,
  run: (context: WorkerContext) => Promise<void>,
): Promise<void> {
  const { settings } = openSession(command);
  const logger = createLogger(settings, role, process.send === undefined);
  try {
    await run({ settings, target: serverForWorker(settings, process.env), logger });
  } catch (error) {
    const sentence = describeError(catalogFailure(error, settings.CATALOG_URL));
    // The sentence of a known failure says everything.
    logger.error(error instanceof TapeflowFailure ? { code: error.code } : { err: error }, sentence);
    // The host that forked this worker shows the sentence to its clients.
    if (process.connected) process.send?.({ failed: sentence });
    // Threads of the SDK or of a half-created worker would keep alive a process that serves nothing.
    setTimeout(() => end(error), lastWordsMs).unref();
    throw error;
  } finally {
    // An open channel to the host would keep this process alive.
    if (process.connected) process.disconnect();
  }
}
