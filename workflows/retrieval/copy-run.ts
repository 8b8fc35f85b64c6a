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
  /** The drives that may read, and the one that does; of several with the tape that is in it, as far as is known. */
  readers: readonly string[];
  reads: Place;
  /** The same for the half that writes. */
  writers: readonly string[];
  writes: Place;
  /** Staged and not written yet, in the order of reading. */
  staged: NextArchive[];
  /** Written and not synced yet, with the tape's UUID. */
  unsynced: Map<number, { next: NextArchive; tape: string; drive: string; bytes: number }>;
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

/** Where a half of a copy works. */
export interface Place {
  drive: string;
  /** UUID of the tape; of a drive that is the only one it is not asked. */
  tape: string | null;
}

export function newCopyRun(input: CopyInput): CopyRun {
  const { drive, drives = [drive], toDrive, toDrives = [toDrive] } = input;
  return {
    ...{
      readers: drives,
      reads: { drive, tape: null },
      writers: toDrives,
      writes: { drive: toDrive, tape: null },
    },
    ...{ input, activities: copyActivities(input), staged: [], unsynced: new Map(), unsyncedSince: 0 },
    ...{ reader: 'ended', storing: false, damages: new Map(), leaving: false },
    waits: new CancellationScope(),
    backOff: { reading: new BackOff(), storing: new BackOff(), syncing: new BackOff() },
  };
}

function copyActivities({ options, drive }: CopyInput) {
  return { steps: proxyActivities<ArchiveActivities>(activityOptions(options, drive).bookkeeping) };
}

/** How the drive that reads is asked now. */
export function reading({ input, reads }: CopyRun) {
  const policies = activityOptions(input.options, reads.drive);
  return {
    slot: proxyActivities<DriveActivities>({ ...policies.read, priority }),
    host: proxyActivities<DriveHostActivities>(policies.host),
    watching: proxyActivities<DriveHostActivities>(policies.watchTape),
  };
}

/** The same for a drive that writes. */
export function writing({ input }: CopyRun, drive: string) {
  const policies = activityOptions(input.options, drive);
  return {
    slot: proxyActivities<DriveActivities>({ ...policies.drive, priority }),
    watching: proxyActivities<DriveHostActivities>(policies.watchTape),
  };
}

/**
 * Waits for something before a retry, unless the history is long: then both halves of the run end after their current
 * step.
 *
 * @returns what the wait does; undefined when it was not, or not to its end.
 */
export async function interruptibleWait<Result>(
  run: CopyRun,
  wait: () => Promise<Result>,
): Promise<Result | undefined> {
  if (shouldContinueAsNew()) leaveRun(run);
  if (run.leaving) return undefined;
  const { steps } = run.activities;
  try {
    return await run.waits.run(wait);
  } catch (error) {
    if (!isCancellation(error) || !isLeaving(run)) throw error;
    await steps.recordRetrievalState(run.input.id, 'running', null);
    return undefined;
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
