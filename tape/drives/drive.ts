import { english } from '../../messages/sentence.js';
import { tapeNotReady } from './tape-not-ready.js';
import { readdir, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import type { DriveSettings } from '../../config/settings/settings.js';
import { sizeOf } from '../../disk/durable-file.js';
import { readLabel, type TapeLabel } from '../labels/label.js';
import type { WriteProtection } from '../ltfs/write-protection.js';

/** What is in the drive now, according to the file system. */
export interface Medium {
  /** `device:inode` of the mount's root: one key for every path that leads to it. */
  key: string;
  /** LTFS's volume UUID; null for a folder, and on Windows, where it cannot be read. */
  volume: string | null;
}

export interface Space {
  /** Bytes. */
  capacity: number;
  free: number;
}

/**
 * A tape drive: a mounted LTFS volume, or a folder. A call that needs a tape throws `TapeNotReady` (someone has to act)
 * when there is none; this never fails the set.
 */
export interface Drive {
  readonly settings: DriveSettings;
  /** Checks whether a tape is mounted. Never creates the path. */
  medium(): Promise<Medium>;
  /** The label of the tape; undefined when it has none. */
  label(): Promise<TapeLabel | undefined>;
  /** Bytes of a file on the tape, by its path from the root; undefined when there is none. */
  sizeOf(file: string): Promise<number | undefined>;
  /** Names at the root of the tape. */
  names(): Promise<string[]>;
  /** Asks the drive; only once per archive, because it is slow on some. */
  space(): Promise<Space>;
  /** Bytes that must stay free besides what is written. */
  reserve(capacity: number): number;
  /** Why the tape takes no writes; undefined when it does. */
  writeProtection(): Promise<WriteProtection | undefined>;
  /** Makes everything written so far durable; returns what it did, for the log. */
  sync(folders: string[]): Promise<string>;
}

/**
 * Throws `TapeNotReady` when the mounted medium is no longer the one seen before. Called after anything that creates a
 * file by path, so that nothing is left in the bare folder of a drive unmounted in between.
 */
export async function confirmMedium(settings: DriveSettings, medium: Medium): Promise<void> {
  let now: string | undefined;
  try {
    now = await rootKey(settings.path);
  } catch {
    // Nothing readable is there.
  }
  if (now === medium.key) return;
  throw tapeNotReady(
    'went_away',
    english`The tape went out of drive ${settings.name} (${settings.path}) while it was written.`,
    english`Load and mount it again.`,
  );
}

/** `device:inode` of a folder. */
export async function rootKey(folder: string): Promise<string> {
  const { dev, ino } = await stat(folder, { bigint: true });
  return `${dev}:${ino}`;
}

/** The calls that read files of a tape, the same for every kind of drive. */
export function filesOf({ path: root }: DriveSettings): Pick<Drive, 'label' | 'sizeOf' | 'names'> {
  return {
    label: () => readLabel(root),
    sizeOf: (file) => sizeOf(path.join(root, file)),
    names: () => readdir(root),
  };
}

/** Size and free bytes of the file system at a path. */
export async function spaceOf(folder: string): Promise<Space> {
  const { bsize, blocks, bavail } = await statfs(folder);
  return { capacity: blocks * bsize, free: bavail * bsize };
}

/** Completely full tapes have had index problems, so 1 % stays free. */
export function defaultReserve(capacity: number): number {
  return Math.ceil(capacity / 100);
}
