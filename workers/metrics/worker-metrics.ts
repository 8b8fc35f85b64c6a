import type { ActivityInterceptorsFactory, MetricsExporterConfig } from '@temporalio/worker';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { HostRow } from '../../catalog/rows.js';
import { describeError } from '../../config/failures.js';
import type { Logger } from '../../config/logger.js';
import type { Settings } from '../../config/settings/settings.js';

/** A worker process that is measured. */
export interface MeasuredProcess {
  /** As in its log: `archive-worker`, `tape-worker-NAME`. */
  role: string;
  settings: Settings;
  catalog: Catalog;
  host: HostRow;
  logger: Logger;
  /** For a tape worker: its drive, and the task queue of the drive's slot. */
  drive?: { name: string; queue: string };
}

/** How a worker process is measured. */
export interface WorkerMetrics {
  /** Where the Temporal SDK publishes its own figures. */
  sdk?: MetricsExporterConfig;
  /** What counts the steps of its workers. */
  interceptors: ActivityInterceptorsFactory[];
  end(): Promise<void>;
}

const none: WorkerMetrics = { interceptors: [], end: () => Promise.resolve() };

/** Begins to measure a worker, if `METRICS_ADDRESS` asks for it. What goes wrong is in its log, and stops nothing. */
export async function beginMetrics(of: MeasuredProcess): Promise<WorkerMetrics> {
  const { METRICS_ADDRESS: address } = of.settings;
  if (address === undefined) return none;
  try {
    // Loaded only where it is needed: every worker would wait for it.
    const { measureWorker } = await import('./measured-worker.js');
    return await measureWorker(of, address);
  } catch (error) {
    of.logger.warn({ err: error }, `this worker is not measured: ${describeError(error)}`);
    return none;
  }
}
