import { ActivityCancellationType, type ActivityOptions } from '@temporalio/workflow';
import type { Duration } from '@temporalio/common';
import type { SetOptions } from '../operations/sets/set-options.js';
import { ownQueues } from './proof/own-installation.js';

/** Longer than any archive takes; dead attempts are detected by missing heartbeats, not by this. */
const anyArchive = '14 days';

/**
 * Failures that another attempt cannot fix. The activities mark them as non-retryable too; here they are listed for the
 * reader.
 */
const nonRetryable = ['TapeNotReady', 'TargetNotReady', 'TargetUnusable', 'StagedArchiveDamaged'];

/** A step in a drive's slot for which a person waits: failures are reported at once and never retried. */
export function singleAttempt(drive: string, startToCloseTimeout: Duration): ActivityOptions {
  return {
    taskQueue: ownQueues.drive(drive),
    startToCloseTimeout,
    heartbeatTimeout: '1 minute',
    retry: { maximumAttempts: 1 },
  };
}

/**
 * All time-outs and retry policies of a set, each with its reason. Heartbeats come every second; after
 * `HEARTBEAT_SECONDS` without one (30 s: slow disks and a busy machine must not count as dead) the server gives up the
 * attempt. A replay does not compare queues, so that sets go on that were begun before hosts had some of their own.
 *
 * @param host the host whose sources they are, or that has the target of a restore; undefined: the one that made the
 *   installation.
 */
export function activityOptions(
  options: Pick<SetOptions, 'heartbeatSeconds' | 'retrySeconds' | 'tapeRetrySeconds' | 'retryAttempts'>,
  drive: string,
  host?: string,
) {
  const queues = ownQueues;
  const heartbeatTimeout = options.heartbeatSeconds * 1000;
  const retry = {
    // A cut-off attempt stops by itself at heartbeat timeout + 5 s; until then catalog tokens fence it.
    initialInterval: options.retrySeconds * 1000,
    backoffCoefficient: 2,
    // A minute: whoever fixes a full disk or a dead network share does not want to wait much longer.
    maximumInterval: 60_000,
    // Then the group is parked: visible, retriable and not blocking others.
    maximumAttempts: options.retryAttempts,
    nonRetryableErrorTypes: nonRetryable,
  };
  const waitsForItsEnd = { cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED };
  return {
    /** Catalog steps: short. Retried for ever: without the catalog a set can neither continue nor end. */
    bookkeeping: {
      taskQueue: queues.archive,
      startToCloseTimeout: '10 minutes',
      heartbeatTimeout,
      retry: { initialInterval: retry.initialInterval, maximumInterval: 60_000 },
    },
    /** The set's end. A cancellation waits for it, since it may already be recorded. */
    finish: {
      taskQueue: queues.archive,
      startToCloseTimeout: '30 days',
      heartbeatTimeout,
      retry: { initialInterval: retry.initialInterval, maximumInterval: 60_000 },
      ...waitsForItsEnd,
    },
    /** Long-lived: the wait for the next group of the scan, or for room. Retried for ever; both resume. */
    lookout: {
      taskQueue: queues.archive,
      startToCloseTimeout: '30 days',
      heartbeatTimeout,
      retry: { initialInterval: retry.initialInterval, maximumInterval: 60_000 },
      ...waitsForItsEnd,
    },
    /** The walk of the sources of a host, on that host. No limit of time to begin: the host may be away. */
    scan: {
      taskQueue: queues.host(host),
      startToCloseTimeout: '30 days',
      heartbeatTimeout,
      retry: { initialInterval: retry.initialInterval, maximumInterval: 60_000 },
      ...waitsForItsEnd,
    },
    /**
     * What is run there before the sources are read, and after. It has a limit of its own. A cancellation waits until
     * its processes have ended.
     */
    hook: {
      taskQueue: queues.host(host),
      startToCloseTimeout: '30 days',
      heartbeatTimeout,
      retry: { initialInterval: retry.initialInterval, maximumInterval: 60_000 },
      ...waitsForItsEnd,
    },
    /** The same for a set that was cancelled or has failed, whose end must not wait for a host that is away. */
    hookSoon: {
      taskQueue: queues.host(host),
      scheduleToStartTimeout: '1 minute',
      startToCloseTimeout: '30 days',
      heartbeatTimeout,
      retry: { initialInterval: retry.initialInterval, maximumInterval: 60_000 },
      ...waitsForItsEnd,
    },
    /** Stage 1. May wait for room in staging for days: a wait is not a failure, and heartbeats continue. */
    compress: {
      taskQueue: queues.compress(host),
      startToCloseTimeout: anyArchive,
      heartbeatTimeout,
      retry,
      ...waitsForItsEnd,
    },
    /** Stage 2. On one file system a rename; across two a copy, at the speed of the slower one. */
    promote: {
      taskQueue: queues.host(host),
      startToCloseTimeout: '1 day',
      heartbeatTimeout,
      retry,
      ...waitsForItsEnd,
    },
    /**
     * Stage 3. Its own limit (FINAL_WAIT_SECONDS) ends an attempt; a promote across file systems may take several. The
     * time-out is longer, because an attempt waits for a catalog that is out of reach.
     */
    waitForFinal: {
      taskQueue: queues.driveHost(drive),
      startToCloseTimeout: '1 day',
      heartbeatTimeout,
      retry: { ...retry, maximumAttempts: Math.max(options.retryAttempts, 10) },
    },
    /**
     * Stage 4, syncs, and direct compressions: the drive's own queue. No scheduleToStart limit, since waiting is normal
     * there. A retry comes only after a cut-off attempt must have stopped writing (measured: 5 s after its heartbeat
     * timeout).
     */
    drive: {
      taskQueue: queues.drive(drive),
      startToCloseTimeout: anyArchive,
      heartbeatTimeout,
      retry: { ...retry, initialInterval: options.tapeRetrySeconds * 1000, maximumInterval: 5 * 60_000 },
      ...waitsForItsEnd,
    },
    /**
     * Other steps of a retrieval on the drive's host: short catalog steps, and the end of a restore. Retried for ever.
     */
    host: {
      taskQueue: queues.driveHost(drive),
      startToCloseTimeout: '1 day',
      heartbeatTimeout,
      retry: { initialInterval: retry.initialInterval, maximumInterval: 60_000 },
    },
    /** Looks at a restore's target and finishes what is there, on the target's host. Retried for ever. */
    target: {
      taskQueue: queues.host(host),
      startToCloseTimeout: '1 day',
      heartbeatTimeout,
      retry: { initialInterval: retry.initialInterval, maximumInterval: 60_000 },
      ...waitsForItsEnd,
    },
    /** Restores a staged archive on the target's host. */
    unpack: {
      taskQueue: queues.host(host),
      startToCloseTimeout: anyArchive,
      heartbeatTimeout,
      retry,
      ...waitsForItsEnd,
    },
    /** Waits there for room: up to a year. */
    watchTarget: {
      taskQueue: queues.host(host),
      startToCloseTimeout: '365 days',
      heartbeatTimeout,
      retry: { initialInterval: retry.initialInterval, maximumInterval: 60_000 },
      ...waitsForItsEnd,
    },
    /** Reads one archive from the tape, in the drive's slot. */
    read: {
      taskQueue: queues.drive(drive),
      startToCloseTimeout: anyArchive,
      heartbeatTimeout,
      retry,
      ...waitsForItsEnd,
    },
    /** Waits for a person: up to a year, as a single activity. */
    watchTape: {
      taskQueue: queues.driveHost(drive),
      startToCloseTimeout: '365 days',
      heartbeatTimeout,
      retry: { initialInterval: retry.initialInterval, maximumInterval: 60_000 },
      ...waitsForItsEnd,
    },
  } satisfies Record<string, ActivityOptions>;
}
