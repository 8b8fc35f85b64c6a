import type { ActivityInterceptorsFactory, MetricsExporterConfig } from '@temporalio/worker';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { HostRow } from '../../catalog/rows.js';
import type { Logger } from '../../config/logger.js';
import type { Settings } from '../../config/settings/settings.js';
import type { MeasuredDrive } from './step-metrics.js';

/** A worker process that is measured. */
export interface MeasuredProcess {
  /** As in its log: `archive-worker`, `tape-worker-NAME`. */
  role: string;
  settings: Settings;
  catalog: Catalog;
  host: HostRow;
  logger: Logger;
  /** For a tape worker: its drive, and the task queue of the drive's slot. */
  drive?: MeasuredDrive;
}

/** How a worker process is measured. */
export interface WorkerMetrics {
  /** Where the Temporal SDK publishes its own figures. */
  sdk?: MetricsExporterConfig;
  /** What counts the steps of its workers. */
  interceptors: ActivityInterceptorsFactory[];
  end(): Promise<void>;
}
