import { describeError } from '../../config/failures.js';
import type { MeasuredProcess, WorkerMetrics } from './measured-process.js';

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
