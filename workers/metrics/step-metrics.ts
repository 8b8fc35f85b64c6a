import type { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { collectDefaultMetrics, Counter, Registry } from 'prom-client';
import { movedBytes, type Moved } from '../../activities/moved-bytes.js';

/** The drive of a tape worker. */
export interface MeasuredDrive {
  name: string;
  /** The task queue of its slot. */
  queue: string;
}

/** What a worker process counts of its steps since it began. */
export class StepMetrics {
  readonly registry = new Registry();
  private readonly running = new Set<{ step: string; since: number }>();
  private readonly attempts = this.counter('tapeflow_step_attempts_total', 'Attempts of steps that began.');
  private readonly retries = this.counter(
    'tapeflow_step_retries_total',
    'Attempts of steps that were not the first of their step.',
  );
  private readonly failures = new Counter({
    name: 'tapeflow_step_failures_total',
    help: 'Attempts of steps that failed, by the code of the failure; not those that were cancelled.',
    labelNames: ['step', 'code'],
    registers: [this.registry],
  });
  private readonly moved = (message: unknown) => this.count(message as Moved);
  private readonly bytes: Record<string, (bytes: number) => void>;
  private readonly busy: Counter<'drive' | 'step'> | undefined;

  /**
   * @param worker the value of the label `worker`.
   * @param drive for a tape worker.
   */
  constructor(
    worker: string,
    private readonly drive?: MeasuredDrive,
  ) {
    this.registry.setDefaultLabels({ worker });
    collectDefaultMetrics({ register: this.registry });
    // Gauges with names of counters, which `promtool check metrics` refuses.
    for (const what of ['handles', 'requests', 'resources'])
      this.registry.removeSingleMetric(`nodejs_active_${what}_total`);
    if (drive === undefined) {
      const compressed = this.plainCounter(
        'tapeflow_compressed_bytes_total',
        'Bytes of archives that were compressed into staging.',
        {},
      );
      this.bytes = { compressing: compressed };
    } else {
      const { name } = drive;
      this.busy = new Counter({
        name: 'tapeflow_drive_busy_seconds_total',
        help: 'Seconds in which a step had the drive, by step.',
        labelNames: ['drive', 'step'],
        registers: [this.registry],
        collect: () => this.accountBusy(),
      });
      this.bytes = {
        writing: this.plainCounter(
          'tapeflow_drive_written_bytes_total',
          'Bytes written to tapes in the drive.',
          {
            drive: name,
          },
        ),
        reading: this.plainCounter(
          'tapeflow_drive_read_bytes_total',
          'Bytes that reading tapes in the drive has given.',
          {
            drive: name,
          },
        ),
      };
    }
    movedBytes.subscribe(this.moved);
  }

  /** Counts steps; those of the drive's slot as time in which the drive is busy. */
  readonly interceptor: ActivityInterceptorsFactory = ({ info, cancellationSignal }: Context) => ({
    inbound: {
      execute: async (input, next) => {
        const step = info.activityType;
        this.attempts.inc({ step });
        if (info.attempt > 1) this.retries.inc({ step });
        const run = { step, since: performance.now() };
        if (info.taskQueue === this.drive?.queue) this.running.add(run);
        try {
          return await next(input);
        } catch (error) {
          const isCancelled = error instanceof CancelledFailure || cancellationSignal.aborted;
          if (!isCancelled) this.failures.inc({ step, code: codeOf(error) });
          throw error;
        } finally {
          this.accountBusy();
          this.running.delete(run);
        }
      },
    },
  });

  end(): void {
    movedBytes.unsubscribe(this.moved);
    this.registry.clear();
  }

  private count({ step, bytes }: Moved): void {
    this.bytes[step]?.(bytes);
  }

  /** What runs still counts up to now. */
  private accountBusy(): void {
    const now = performance.now();
    for (const run of this.running) {
      this.busy?.inc({ drive: this.drive?.name ?? '', step: run.step }, (now - run.since) / 1000);
      run.since = now;
    }
  }

  private counter(name: string, help: string): Counter<'step'> {
    return new Counter({ name, help, labelNames: ['step'], registers: [this.registry] });
  }

  /** A counter that is there from the beginning, with 0. */
  private plainCounter(name: string, help: string, labels: Record<string, string>): (bytes: number) => void {
    const counter = new Counter({ name, help, labelNames: Object.keys(labels), registers: [this.registry] });
    counter.inc(labels, 0);
    return (bytes) => counter.inc(labels, bytes);
  }
}

/** The code of a failure, of which the program has a few dozens. */
function codeOf(error: unknown): string {
  return error instanceof ApplicationFailure ? (error.type ?? 'unknown') : 'unknown';
}
