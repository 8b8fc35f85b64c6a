import { CancellationScope, isCancellation, proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { ArchiveActivities, DriveActivities, DriveHostActivities } from '../../activities/index.js';
import type { NextArchive } from '../../activities/retrieval/retrieval-state.js';
import { activityOptions } from '../activity-options.js';
import { BackOff, shouldContinueAsNew } from '../back-off.js';
import type { CopyInput } from '../../operations/retrievals/retrieval-start.js';
import { waitForPerson } from './retrieval-steps.js';

/** In drive queues, copies come after restores (1) and backups (3). */
const priority = { priorityKey: 5 };

/** State of a workflow run. */
export interface CopyRun {
  input: CopyInput;
  activities: ReturnType<typeof copyActivities>;
  /** Staged but not written yet, in reading order. */
  staged: NextArchive[];
  /** Written but not synced yet, with the tape's UUID. */
  unsynced: Map<number, { next: NextArchive; tape: string; bytes: number }>;
  /** When the oldest of them was written, in milliseconds. */
  unsyncedSince: number;
  reader: 'reading' | 'full' | 'ended';
  storing: boolean;
  /** How often the staged bytes of an archive were lost. */
  damages: Map<number, number>;
  /** The history is long: nothing more is started, and the next run continues from the catalog. */
  leaving: boolean;
  /** Scope of waits for a tape or for room, cancelled when the run leaves. */
  waits: CancellationScope;
  backOff: Record<'reading' | 'storing' | 'syncing', BackOff>;
}

export function newCopyRun(input: CopyInput): CopyRun {
  return {
    ...{ input, activities: copyActivities(input), staged: [], unsynced: new Map(), unsyncedSince: 0 },
    ...{ reader: 'ended', storing: false, damages: new Map(), leaving: false },
    waits: new CancellationScope(),
    backOff: { reading: new BackOff(), storing: new BackOff(), syncing: new BackOff() },
  };
}

function copyActivities({ options, drive, toDrive }: CopyInput) {
  const source = activityOptions(options, drive);
  const target = activityOptions(options, toDrive);
  return {
    steps: proxyActivities<ArchiveActivities>(source.bookkeeping),
    host: proxyActivities<DriveHostActivities>(source.host),
    from: proxyActivities<DriveActivities>({ ...source.read, priority }),
    to: proxyActivities<DriveActivities>({ ...target.drive, priority }),
    fromHost: proxyActivities<DriveHostActivities>(source.watchTape),
    toHost: proxyActivities<DriveHostActivities>(target.watchTape),
  };
}

/**
 * Waits for something before a retry, unless the history is long: then both halves of the run end after their current
 * step.
 */
export async function interruptibleWait(run: CopyRun, wait: () => Promise<void>): Promise<void> {
  if (shouldContinueAsNew()) leaveRun(run);
  if (run.leaving) return;
  const { steps } = run.activities;
  try {
    await run.waits.run(wait);
  } catch (error) {
    if (!isCancellation(error) || !isLeaving(run)) throw error;
    await steps.recordRetrievalState(run.input.id, 'running', null);
  }
}

/** Starts nothing more, and cancels waits. */
export function leaveRun(run: CopyRun): void {
  run.leaving = true;
  run.waits.cancel();
}

/** False when a command has cancelled everything. */
function isLeaving(run: CopyRun): boolean {
  return run.leaving && !CancellationScope.current().consideredCancelled;
}

/** Waits for a tape; `half` says for which half of the copy. */
export async function waitForCopyTape(
  run: CopyRun,
  half: keyof CopyRun['backOff'],
  reason: string,
  watch: (summary: string) => Promise<void>,
): Promise<void> {
  const { activities, backOff, input } = run;
  await interruptibleWait(run, () => waitForPerson(activities.steps, input.id, reason, backOff[half], watch));
}

/** Shows the current step in the Temporal UI. */
export function showStep({ input }: CopyRun, step: string, { setId, group }: NextArchive): void {
  setCurrentDetails(`**${input.id}** · ${step} group ${group} of set ${setId}`);
}
