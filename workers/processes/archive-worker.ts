import { missingNativeNote } from '../../archive/blocks/native-codec.js';
import { Worker } from '@temporalio/worker';
import { silentSince, workAt } from '../../activities/asked.js';
import {
  archiveActivities,
  compressActivities,
  targetActivities,
  formerSourceActivities,
  sourceActivities,
} from '../../activities/index.js';
import { sourceSteps } from '../../activities/set/asked-sources.js';
import { openCatalog } from '../../catalog/open-catalog.js';
import { shortInstallationId } from '../../catalog/installation.js';
import { TapeflowFailure } from '../../config/failures.js';
import type { Logger } from '../../config/logger.js';
import type { Settings } from '../../config/settings/settings.js';
import { queuesOf } from '../../workflows/queues.js';
import { HostPresence } from './host-presence.js';
import { beginMetrics } from '../metrics/worker-metrics.js';
import { watchLeftHooks } from '../starts/left-hooks.js';
import { Notifier } from '../starts/notifier.js';
import { startReconciler } from '../starts/reconciler.js';
import { refusalSinks, stepChecks } from './check-steps.js';
import { pendingReads, pendingSteps } from '../server/pending-steps.js';
import { provingClient } from '../server/proving-client.js';
import { RefusalLog } from './refusal-log.js';
import { identityOf, type TemporalTarget } from '../server/temporal-target.js';
import { english } from '../../messages/sentence.js';
import { lowerThreadPriority, lowerPoolPriority } from './thread-priority.js';
import {
  closeConnection,
  connectWorker,
  installRuntime,
  runWorkers,
  workerOptions,
  workflowOptions,
  bundledWorkflows,
} from './worker-process.js';

/**
 * Number of concurrent scans, waits for groups and catalog steps over all sets: they are cheap and must never queue.
 */
const ordinarySlots = 200;

/**
 * Runs workflows, ordinary activities and compressions until it is told to stop. Throws `SourceSilent` where a step
 * hangs in a source at the end: then the process must be killed.
 */
export async function runArchiveWorker(
  settings: Settings,
  target: TemporalTarget,
  logger: Logger,
): Promise<void> {
  const catalog = await openCatalog(settings.CATALOG_URL);
  const presence = await HostPresence.begin(catalog, settings, target, logger).catch(
    async (error: unknown) => {
      await catalog.destroy();
      throw error;
    },
  );
  const { key, host } = presence;
  const ownHost = host.home === 1 ? undefined : host.name;
  const installation = await shortInstallationId(catalog, settings);
  const queues = queuesOf(installation);
  const identity = identityOf(installation, 'archive worker', host.name);
  const refusals = new RefusalLog(catalog, logger);
  const cost = await missingNativeNote(settings.COMPRESSION, settings.COMPRESSION_CODEC);
  if (cost !== undefined) logger.info(cost);
  await lowerPoolPriority();
  // Installed last: the SDK's runtime would keep alive a process that fails before it is connected, so that it would
  // not be restarted.
  const metrics = await beginMetrics({ role: 'archive-worker', settings, catalog, host, logger });
  installRuntime(logger, metrics.sdk);
  const deps = { settings, catalog, logger };
  // Before the server is reached: that it is not is what may have to be told.
  const notifier = new Notifier(deps, { installation, host: host.name }).start();
  const connection = await connectWorker(target).catch(async (error: unknown) => {
    await notifier.stop();
    throw error;
  });
  notifier.connected();
  try {
    const { namespace } = target;
    const interceptors = { activity: [stepChecks(key, refusals), ...metrics.interceptors] };
    const ordinary = await Worker.create({
      ...workerOptions,
      identity,
      interceptors,
      ...workflowOptions,
      workflowBundle: bundledWorkflows(installation, key),
      sinks: refusalSinks(refusals),
      connection,
      namespace,
      taskQueue: queues.archive,
      activities: { ...archiveActivities(deps), ...formerSourceActivities(deps, host) },
      maxConcurrentActivityTaskExecutions: ordinarySlots,
    });
    const sources = await Worker.create({
      ...workerOptions,
      identity,
      interceptors,
      connection,
      namespace,
      taskQueue: queues.host(ownHost),
      activities: { ...sourceActivities(deps), ...targetActivities(deps) },
      maxConcurrentActivityTaskExecutions: ordinarySlots,
    });
    const compress = await Worker.create({
      ...workerOptions,
      identity,
      interceptors,
      connection,
      namespace,
      taskQueue: queues.compress(ownHost),
      activities: compressActivities(deps),
      maxConcurrentActivityTaskExecutions: settings.PARALLEL_GROUPS,
    });
    lowerThreadPriority();
    const client = provingClient(key, { connection, namespace, identity });
    const server = { target, installation, client };
    notifier.watchSteps({
      ofSet: (id) => pendingSteps(server, id),
      ofRetrieval: (id) => pendingReads(server, id),
    });
    const caretaker = startReconciler({
      server,
      settings,
      catalog,
      logger,
    });
    const leftHooks = watchLeftHooks(deps, ownHost ?? null);
    try {
      await runWorkers([ordinary, sources, compress], logger).catch((error: unknown) => {
        requireIdle();
        throw error;
      });
    } finally {
      await leftHooks.stop();
      await caretaker.stop();
    }
  } finally {
    await notifier.stop();
    await closeConnection(connection);
    await metrics.end();
    await refusals.close();
    await presence.end().finally(() => catalog.destroy());
  }
  requireIdle();
}

/** Throws `SourceSilent` while a step that reads sources is at work, which nobody can end. */
function requireIdle(): void {
  const [work] = workAt(sourceSteps);
  if (work === undefined) return;
  const whom = work.left ?? { who: 'a source' };
  throw new TapeflowFailure(
    'SourceSilent',
    english`${silentSince(whom, work)}: the archive worker ends with the step ${work.name}
      unfinished.`.replace(/^./, (first) => first.toUpperCase()),
    { kind: 'transient', advice: english`The step is done anew when the source answers.` },
  );
}
