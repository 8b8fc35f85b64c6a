import { Worker } from '@temporalio/worker';
import { workAt } from '../../activities/asked.js';
import { driveActivities, driveHostActivities } from '../../activities/index.js';
import { openCatalog } from '../../catalog/open-catalog.js';
import { shortInstallationId } from '../../catalog/installation.js';
import { TapeflowFailure } from '../../config/failures.js';
import { timeOfDay } from '../../config/local-time.js';
import type { Logger } from '../../config/logger.js';
import type { DriveSettings, Settings } from '../../config/settings/settings.js';
import { awaitDrive, type AwaitedDrive } from '../../tape/drives/awaited-drive.js';
import { prepareOwnTape } from '../../operations/tapes/label-tape.js';
import { queuesOf } from '../../workflows/queues.js';
import { beginMetrics } from '../metrics/worker-metrics.js';
import { stepChecks } from './check-steps.js';
import { HostPresence } from './host-presence.js';
import { RefusalLog } from './refusal-log.js';
import { identityOf, type TemporalTarget } from '../server/temporal-target.js';
import { english } from '../../messages/sentence.js';
import {
  closeConnection,
  connectWorker,
  installRuntime,
  runWorkers,
  workerOptions,
} from './worker-process.js';

/** Number of concurrent waits for archives and tapes, over all sets of this drive. */
const waitingSlots = 200;

/**
 * Serves one drive: one slot for writes, and an ordinary queue for checks. While another installation holds the drive,
 * its steps report that and wait. Throws `DriveBusy`, naming the holder, when another worker of this installation holds
 * it, and `DriveSilent` when a step hangs in the drive at the end: then the process must be killed, and nobody may
 * write to the drive before that step has ended with it.
 */
export async function runTapeWorker(
  settings: Settings,
  driveSettings: DriveSettings,
  target: TemporalTarget,
  logger: Logger,
): Promise<void> {
  const catalog = await openCatalog(settings.CATALOG_URL);
  let begun: Promise<HostPresence> | undefined;
  // Not before the lock: a second worker of this drive must not end what the catalog knows of the first.
  const begin = () => (begun ??= HostPresence.begin(catalog, settings, target, logger, driveSettings));
  const given = async (): Promise<AwaitedDrive> => {
    const awaited = await awaitDrive(settings, driveSettings, async (free, held) => {
      await begin();
      await prepareOwnTape(free, held, catalog, settings.TAPE_POOL);
    });
    await begin().catch((error: unknown) => {
      awaited.lock.release();
      throw error;
    });
    return awaited;
  };
  const { drive, lock, heldBy } = await given().catch(async (error: unknown) => {
    await (await begun?.catch(() => undefined))?.end();
    await catalog.destroy();
    throw error;
  });
  const presence = await begin();
  const holder = heldBy();
  if (holder !== undefined) logger.warn(`${holder} The worker waits for it.`);
  try {
    const installation = await shortInstallationId(catalog, settings);
    const queues = queuesOf(installation);
    const { key, host } = presence;
    const identity = identityOf(installation, `tape worker ${driveSettings.name}`, host.name);
    const refusals = new RefusalLog(catalog, logger);
    // Installed last: the SDK's runtime would keep alive a process that fails before it is connected, so that it would
    // not be restarted.
    const { name } = driveSettings;
    const measured = { name, queue: queues.drive(name) };
    const role = `tape-worker-${name}`;
    const metrics = await beginMetrics({ role, settings, catalog, host, logger, drive: measured });
    installRuntime(logger, metrics.sdk);
    const connection = await connectWorker(target);
    try {
      const deps = { settings, catalog, logger, drive, lock };
      const { namespace } = target;
      const interceptors = { activity: [stepChecks(key, refusals), ...metrics.interceptors] };
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
      await runWorkers([slot, waiting], logger).catch((error: unknown) => {
        requireIdle(driveSettings);
        throw error;
      });
    } finally {
      await closeConnection(connection);
      await metrics.end();
      await refusals.close();
      await presence.end().finally(() => catalog.destroy());
    }
    requireIdle(driveSettings);
  } finally {
    // If a step hangs in the drive, the system releases the lock when the process, and the step with it, is dead.
    if (workAt(driveSettings.path).length === 0) lock.release();
  }
}

/** Throws `DriveSilent` while an unstoppable step is running in the drive. */
function requireIdle({ name, path }: DriveSettings): void {
  const [work] = workAt(path);
  if (work === undefined) return;
  const { source } = work.left ?? {};
  const heard = timeOfDay(work.heard);
  throw new TapeflowFailure(
    'DriveSilent',
    source === undefined
      ? english`The drive ${name} (${path}) has not answered since ${heard}: its worker ends with the step
        ${work.name} unfinished.`
      : english`The drive ${name} (${path}), or the source ${source}, has not answered since ${heard}: its
        worker ends with the step ${work.name} unfinished.`,
    {
      kind: 'transient',
      advice: english`The step is done again when the drive answers; until then the
          system may keep the dead process, and the drive with it.`,
    },
  );
}
