import { proxyActivities } from '@temporalio/workflow';
import type { DriveActivities, DriveHostActivities } from '../../activities/index.js';
import type { PlannedGroup } from '../../activities/set/set-state.js';
import { activityOptions } from '../activity-options.js';
import { BackOff } from '../back-off.js';
import type { BackupSetInput } from '../messages.js';

/** The way of one copy to its tapes. A set has one for each of its copies. */
export interface Lane {
  copyNo: number;
  pool: string;
  /** Groups for the drive, lowest number first. */
  ready: PlannedGroup[];
  writing: PlannedGroup | undefined;
  /** With a watermark: it was reached, and the drive writes what is ready until nothing is. */
  streaming: boolean;
  /** Groups that the drive has waited for long enough: later ones go before them. */
  overtaken: Set<number>;
  /** Written groups that no sync has covered, with the tape's UUID. */
  unsynced: Map<number, { group: PlannedGroup; tape: string; bytes: number }>;
  /** When the oldest of them was written, in milliseconds. */
  unsyncedSince: number;
  /** The tape in the drive was no good for it at its last try. */
  refused: boolean;
}

/**
 * What hands a drive one write at a time: for one copy of the set, or for several whose tapes come one after the other.
 */
export interface Writer {
  drive: string;
  slot: ReturnType<typeof proxyActivities<DriveActivities>>;
  watching: ReturnType<typeof proxyActivities<DriveHostActivities>>;
  looking: ReturnType<typeof proxyActivities<DriveHostActivities>>;
  lanes: Lane[];
  /** The one whose tape is in the drive, as far as is known. */
  lane: Lane;
  /** Nothing has come for it for long: another one is next. */
  impatient: boolean;
  /** Why it waits, when it does. */
  waitingFor: string | null;
  /** It waits since somebody else has the drive. */
  isHeld: boolean;
  /** A draining run leaves its archives to the next one: the drive takes none of them now, or keeps none. */
  leaves: boolean;
  /** Pauses between the tries of what the drive refuses, or forgets, again and again. */
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

/** Where the copies of the set go; the input of earlier versions knows one. */
export function placesIn({ places, pool, drive }: BackupSetInput): { pool: string; drive: string }[] {
  return places ?? [{ pool, drive }];
}
