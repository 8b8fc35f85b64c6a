import { proxyActivities } from '@temporalio/workflow';
import type { DriveActivities, DriveHostActivities } from '../../activities/index.js';
import type { PlannedGroup } from '../../activities/set/next-groups.js';
import { activityOptions } from '../activity-options.js';
import { BackOff } from '../back-off.js';
import type { BackupSetInput } from '../messages.js';

/** The queue of one copy on its way to tape. A set has one lane per copy. */
export interface Lane {
  copyNo: number;
  pool: string;
  /** Groups for the drive, lowest number first. */
  ready: PlannedGroup[];
  writing: PlannedGroup | undefined;
  /** With a watermark: it was reached, and the drive writes until nothing is ready. */
  streaming: boolean;
  /** Groups that the drive no longer waits for: later ones go first. */
  overtaken: Set<number>;
  /** Written groups not yet synced, with the tape's UUID. */
  unsynced: Map<number, { group: PlannedGroup; tape: string; bytes: number }>;
  /** When the oldest of them was written, in milliseconds. */
  unsyncedSince: number;
  /** The loaded tape was refused for it at the last try. */
  refused: boolean;
}

/** Hands a drive one write at a time, for one copy of the set, or for several copies in turn. */
export interface Writer {
  drive: string;
  slot: ReturnType<typeof proxyActivities<DriveActivities>>;
  watching: ReturnType<typeof proxyActivities<DriveHostActivities>>;
  looking: ReturnType<typeof proxyActivities<DriveHostActivities>>;
  lanes: Lane[];
  /** The lane whose tape is in the drive, as far as known. */
  lane: Lane;
  /** Nothing has come for the current lane for a long time: another one is next. */
  impatient: boolean;
  /** Why it waits, when it does. */
  waitingFor: string | null;
  /** It waits because somebody else holds the drive. */
  isHeld: boolean;
  /** A draining run leaves its archives to the next run, because the drive accepts none now, or loses them. */
  leaves: boolean;
  /** Pauses between retries of what the drive repeatedly refuses or loses. */
  backOff: Record<'writing' | 'syncing', BackOff>;
}

/** A writer for each drive of the set. */
export function newWriters(input: BackupSetInput): Writer[] {
  const writers: Writer[] = [];
  for (const [index, { pool, drive }] of placesIn(input).entries()) {
    const lane: Lane = {
      ...{ copyNo: index + 1, pool, ready: [], writing: undefined, streaming: false },
      ...{ overtaken: new Set<number>(), unsynced: new Map(), unsyncedSince: 0, refused: false },
    };
    const writer = writers.find((one) => one.drive === drive);
    if (writer !== undefined) {
      writer.lanes.push(lane);
      continue;
    }
    const policies = activityOptions(input.options, drive);
    writers.push({
      ...{ drive, lanes: [lane], lane, impatient: false, waitingFor: null, isHeld: false },
      ...{ leaves: false, backOff: { writing: new BackOff(), syncing: new BackOff() } },
      slot: proxyActivities<DriveActivities>(policies.drive),
      watching: proxyActivities<DriveHostActivities>(policies.watchTape),
      looking: proxyActivities<DriveHostActivities>(policies.waitForFinal),
    });
  }
  return writers;
}

/** Where the copies of the set go; inputs of earlier versions have only one. */
function placesIn({ places, pool, drive }: BackupSetInput): { pool: string; drive: string }[] {
  return places ?? [{ pool, drive }];
}
