import type { Queues } from '../queues.js';

/** A schedule run, from its workflow id: when it was due, in milliseconds since 1970, and the id before that. */
export interface DueRun {
  scheduleWorkflowId: string;
  at: number;
}

/** Parses the id of a schedule run; undefined for any other id. */
export function scheduledRun(workflowId: string): DueRun | undefined {
  const [, scheduleWorkflowId = '', time = ''] =
    /^(.+)-(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$/.exec(workflowId) ?? [];
  const at = Date.parse(time);
  return Number.isNaN(at) ? undefined : { scheduleWorkflowId, at };
}

/** Options of a schedule run's steps: those that check or record something, look at sources on their host, and wait. */
export function scheduledSteps({ archive, host: queueOf }: Queues, host?: string) {
  const steps = {
    taskQueue: archive,
    heartbeatTimeout: '1 minute',
    // Retried for ever: without the catalog there is nothing else to do.
    retry: { maximumInterval: '1 minute' },
  } as const;
  return {
    short: { ...steps, startToCloseTimeout: '10 minutes' },
    sources: { ...steps, taskQueue: queueOf(host), startToCloseTimeout: '10 minutes' },
    long: { ...steps, startToCloseTimeout: '30 days' },
  } as const;
}
