import { english } from '../../messages/sentence.js';
import { usageFailure } from '../failures.js';
import type { DriveSettings, Settings } from './settings.js';

/** The drive of that name; throws a usage failure that lists the known drives when there is none. */
export function driveNamed(settings: Settings, name: string): DriveSettings {
  const drive = settings.drives.find((candidate) => candidate.name === name);
  if (drive !== undefined) return drive;
  const known = settings.drives.map((candidate) => candidate.name).join(', ');
  throw usageFailure('NoSuchDrive', english`There is no drive ${name}; the drives are: ${known}.`);
}

/** The drives that a command may read with: the one that was named, or else all, represented by the first. */
export interface DrivesToRead {
  drive: string;
  /** 1: any drive that has the tape. */
  any_drive: 0 | 1;
  names: string[];
}

/**
 * The drives that a command with an optional `--drive` reads with; throws a usage failure when there is none of that
 * name.
 */
export function drivesToRead(settings: Settings, name: string | undefined): DrivesToRead {
  if (name !== undefined) {
    const drive = driveNamed(settings, name).name;
    return { drive, any_drive: 0, names: [drive] };
  }
  const names = settings.drives.map((drive) => drive.name);
  return { drive: names[0] ?? 'lto1', any_drive: 1, names };
}

/** The drives of a copy from tape to tape: `toDrive` is null where any may write that has a tape for it. */
export interface CopyDrives {
  drive: string;
  any_drive: 0 | 1;
  toDrive: string | null;
}

/** The drives of a copy by its two optional drives; the one that reads writes as well, if none is named for that. */
export function copyDrives(settings: Settings, names: { drive?: string; toDrive?: string }): CopyDrives {
  const { drive, any_drive } = drivesToRead(settings, names.drive);
  const writes = names.toDrive ?? names.drive;
  return { drive, any_drive, toDrive: writes === undefined ? null : driveNamed(settings, writes).name };
}
