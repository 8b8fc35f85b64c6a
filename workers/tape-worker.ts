import { Worker } from '@temporalio/worker';
import { driveActivities, driveHostActivities } from '../activities/index.js';
import { openCatalog, shortInstallationId } from '../catalog/open-catalog.js';
import type { Logger } from '../config/logger.js';
import type { DriveSettings, Settings } from '../config/settings.js';
import { messageKey } from '../proof/key-file.js';
import { awaitDrive } from '../tape/awaited-drive.js';
import { prepareOwnTape } from '../tape/label-tape.js';
import { queuesOf } from '../workflows/queues.js';
import { stepChecks } from './check-steps.js';
import { RefusalLog } from './refusal-log.js';
import { identityOf, type TemporalTarget } from './temporal-target.js';
import { connectWorker, installRuntime, runWorkers, workerOptions } from './worker-process.js';

/** Waits for archives and tapes at once, over all sets of this drive. */
const waitingSlots = 200;

/**
 * Serves one drive: a slot for its writes, and an ordinary queue for what only looks. While another
 * installation has the drive, its steps say so and wait. Throws `DriveBusy`, naming the holder, where another worker of this one
 * has it.
 */
export async function runTapeWorker(
  settings: Settings,
  driveSettings: DriveSettings,
  target: TemporalTarget,
  logger: Logger,
): Promise<void> {
  const catalog = await openCatalog(settings.CATALOG_URL);
  const { drive, lock, heldBy } = await awaitDrive(settings, driveSettings, (free, held) =>
    prepareOwnTape(free, held, catalog, settings.TAPE_POOL),
  ).catch(async (error: unknown) => {
    await catalog.destroy();
    throw error;
  });
  const holder = heldBy();
  if (holder !== undefined) logger.warn(`${holder} The worker waits for it.`);
  try {
    const installation = await shortInstallationId(catalog, settings);
    const queues = queuesOf(installation);
    const identity = identityOf(installation, `tape worker ${driveSettings.name}`);
    const key = messageKey(settings.TAPEFLOW_DATA_DIR);
    const refusals = new RefusalLog(catalog, logger);
    // Last: a process that fails before it has a connection would be kept alive by the SDK's runtime, and not be started again.
    installRuntime(logger);
    const connection = await connectWorker(target);
    try {
      const deps = { settings, catalog, logger, drive, lock };
      const { namespace } = target;
      const interceptors = { activity: [stepChecks(key, refusals)] };
      const slot = await Worker.create({
        ...workerOptions,
        identity,
        interceptors,
        connection,
        namespace,
        taskQueue: queues.drive(driveSettings.name),
        activities: driveActivities(deps),
        maxConcurrentActivityTaskExecutions: 1,
      });
      const waiting = await Worker.create({
        ...workerOptions,
        identity,
        interceptors,
        connection,
        namespace,
        taskQueue: queues.driveHost(driveSettings.name),
        activities: driveHostActivities(deps),
        maxConcurrentActivityTaskExecutions: waitingSlots,
      });
      await runWorkers([slot, waiting], logger);
    } finally {
      await connection.close();
      await refusals.close();
      await catalog.destroy();
    }
  } finally {
    lock.release();
  }
}
