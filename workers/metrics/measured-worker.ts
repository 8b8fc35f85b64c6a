import type http from 'node:http';
import { describeError } from '../../config/failures.js';
import { freePort } from '../../embedded/free-port.js';
import { CatalogReader, type CatalogFigures } from './catalog-figures.js';
import { catalogExposition } from './catalog-metrics.js';
import { Endpoint } from './endpoint.js';
import { joinExpositions } from './join-expositions.js';
import { published, publishAt, socketOf } from './local-socket.js';
import { StepMetrics } from './step-metrics.js';
import type { MeasuredProcess, WorkerMetrics } from './measured-process.js';

/** Milliseconds that a scrape waits for the catalog: less than the 10 s that Prometheus waits by default. */
const catalogMs = 5000;

/** Measures a worker process, publishes its figures for the others of its host, and answers Prometheus if none does. */
export async function measureWorker(of: MeasuredProcess, address: string): Promise<WorkerMetrics> {
  const { settings, role, logger, drive } = of;
  const dataDir = settings.TAPEFLOW_DATA_DIR;
  const steps = new StepMetrics(role, drive);
  const sdkPort = await freePort();
  const own = async () =>
    joinExpositions([await steps.registry.metrics(), (await published({ port: sdkPort })) ?? '']);
  const socket = await publishAt(socketOf(dataDir, role), own).catch((error: unknown): undefined => {
    logger.warn(`other workers cannot see the metrics of this one: ${describeError(error)}`);
  });
  const catalog = catalogText(of);
  const others = ['archive-worker', ...settings.drives.map(({ name }) => `tape-worker-${name}`)]
    .filter((other) => other !== role)
    .map((other) => socketOf(dataDir, other));
  const text = async () => {
    const theirs = others.map((socketPath) => published({ socketPath }));
    const texts = await Promise.all([catalog(), own(), ...theirs]);
    return joinExpositions(texts.filter((one) => one !== undefined));
  };
  const endpoint = new Endpoint({ address, dataDir, role, logger, text });
  return {
    sdk: {
      globalTags: { worker: role },
      attachServiceName: false,
      prometheus: {
        bindAddress: `127.0.0.1:${sdkPort}`,
        countersTotalSuffix: true,
        unitSuffix: true,
        useSecondsForDurations: true,
      },
    },
    interceptors: [steps.interceptor],
    async end() {
      await endpoint.end();
      close(socket);
      steps.end();
    },
  };
}

function close(server: http.Server | undefined): void {
  server?.close();
  server?.closeAllConnections();
}

/**
 * The figures of the catalog as a text. Several hosts share a catalog: the home of the installation alone publishes
 * them, so that they are not counted twice.
 */
function catalogText({
  catalog,
  settings,
  host,
  logger,
}: MeasuredProcess): () => Promise<string | undefined> {
  if (host.home !== 1) return () => Promise.resolve(undefined);
  const reader = new CatalogReader(catalog, settings.STAGING_MAX_BYTES);
  let reading: Promise<CatalogFigures | undefined> | undefined;
  const read = () =>
    (reading ??= reader
      .read()
      .catch((error: unknown): undefined => {
        logger.debug({ err: error }, 'the catalog has no figures for the metrics');
      })
      .finally(() => (reading = undefined)));
  return async () => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), catalogMs);
    });
    const figures = await Promise.race([read(), late]);
    clearTimeout(timer);
    return catalogExposition(figures);
  };
}
