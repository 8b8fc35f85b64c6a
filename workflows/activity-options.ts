import { ActivityCancellationType, type ActivityOptions } from '@temporalio/workflow';
import type { Duration } from '@temporalio/common';
import type { SetOptions } from '../operations/sets/set-options.js';
import { ownQueues } from './proof/own-installation.js';

/** Longer than any archive takes; a dead attempt is found by its missing heartbeat, not by this. */
const anyArchive = '14 days';

/** Failures that another attempt cannot mend. The activities mark them too; here they are listed for the reader. */
const hopeless = ['TapeNotReady', 'TargetNotReady', 'TargetUnusable', 'StagedArchiveDamaged'];

/** A step in a drive's slot for whose answer a person waits: told at once, never tried again behind their back. */
export function oneTry(drive: string, startToCloseTimeout: Duration): ActivityOptions {
  return {
    taskQueue: ownQueues.drive(drive),
    startToCloseTimeout,
    heartbeatTimeout: '1 minute',
    retry: { maximumAttempts: 1 },
  };
}

/**
 * Every time-out and retry policy of a set, each with its reason. Heartbeats come every second; after
 * `HEARTBEAT_SECONDS` without one (30 s: slow disks and a busy machine must not count as death) the attempt is dead to
 * the server.
 */
export function activityOptions(
  options: Pick<SetOptions, 'heartbeatSeconds' | 'retrySeconds' | 'tapeRetrySeconds' | 'retryAttempts'>,
  drive: string,
) {
  const queues = ownQueues;
  const heartbeatTimeout = options.heartbeatSeconds * 1000;
  const retry = {
    // A cut-off attempt gives up on its own at heartbeat timeout + 5 s; catalog tokens fence it until then.
    initialInterval: options.retrySeconds * 1000,
    backoffCoefficient: 2,
    // A minute: whoever repairs a full disk or a dead network share does not want to wait much longer.
    maximumInterval: 60_000,
    // Then the group is parked: visible, retriable, and in nobody's way.
    maximumAttempts: options.retryAttempts,
    nonRetryableErrorTypes: hopeless,
  };
  const waitsForItsEnd = { cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED };
  return {
    /** Catalog steps: short. Tried for ever: without the catalog a set can neither go on nor end. */
    bookkeeping: {
      taskQueue: queues.archive,
      startToCloseTimeout: '10 minutes',
      heartbeatTimeout,
      retry: { initialInterval: retry.initialInterval, maximumInterval: 60_000 },
    },
    /** The set's end. A cancellation waits for it, since it may be written down already. */
    finish: {
      taskQueue: queues.archive,
      startToCloseTimeout: '30 days',
      heartbeatTimeout,
      retry: { initialInterval: retry.initialInterval, maximumInterval: 60_000 },
      ...waitsForItsEnd,
    },
    /** Long-lived: the walk of the sources, and the wait for its next group. Tried for ever; both resume. */
    scan: {
      taskQueue: queues.archive,
      startToCloseTimeout: '30 days',
      heartbeatTimeout,
      retry: { initialInterval: retry.initialInterval, maximumInterval: 60_000 },
      ...waitsForItsEnd,
    },
    /** Stage 1. May wait for room in staging for days: a wait is not a failure, and its heartbeat goes on. */
    compress: {
      taskQueue: queues.compress,
      startToCloseTimeout: anyArchive,
      heartbeatTimeout,
      retry,
      ...waitsForItsEnd,
    },
    /** Stage 2. On one file system it is a rename; across two it copies, at the pace of the slower. */
    promote: {
      taskQueue: queues.archive,
      startToCloseTimeout: '1 day',
      heartbeatTimeout,
      retry,
      ...waitsForItsEnd,
    },
    /**
     * Stage 3. Its own limit (FINAL_WAIT_SECONDS) ends an attempt; a promote across file systems may take several. The
     * time-out is longer, because a catalog that is out of reach is waited for within an attempt.
     */
    waitForFinal: {
      taskQueue: queues.driveHost(drive),
      startToCloseTimeout: '1 day',
      heartbeatTimeout,
      retry: { ...retry, maximumAttempts: Math.max(options.retryAttempts, 10) },
    },
    /**
     * Stage 4, syncs, and direct compressions: the drive's own queue. No scheduleToStart limit, since waiting is normal
     * there. A retry comes no sooner than a cut-off attempt can go on writing (measured: 5 s past its heartbeat
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
     * What a retrieval asks of the drive's host besides: short catalog steps, and the end of a restore. Tried for ever.
     */
    host: {
      taskQueue: queues.driveHost(drive),
      startToCloseTimeout: '1 day',
      heartbeatTimeout,
      retry: { initialInterval: retry.initialInterval, maximumInterval: 60_000 },
    },
    /** Reads one archive from the tape, in the drive's slot. */
    read: {
      taskQueue: queues.drive(drive),
      startToCloseTimeout: anyArchive,
      heartbeatTimeout,
      retry,
      ...waitsForItsEnd,
    },
    /** Waits for a person: a year, at the cost of one activity. */
    watchTape: {
      taskQueue: queues.driveHost(drive),
      startToCloseTimeout: '365 days',
      heartbeatTimeout,
      retry: { initialInterval: retry.initialInterval, maximumInterval: 60_000 },
      ...waitsForItsEnd,
    },
  } satisfies Record<string, ActivityOptions>;
}
