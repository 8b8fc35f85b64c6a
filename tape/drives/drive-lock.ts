import { createHash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import path from 'node:path';
import { english } from '../../messages/sentence.js';
import {
  describeHolder,
  readHolder,
  touchLock,
  tryLock,
  type ExclusiveLock,
  type LockHolder,
} from '../../disk/exclusive-lock.js';
import { TapeflowFailure } from '../../config/failures.js';
import { oldVersionLockHolder, requireLockFolder } from '../../disk/lock-folder.js';
import { systemLocksOn, userName, type SystemLock } from '../../disk/system-locks.js';
import type { Settings, DriveSettings } from '../../config/settings/settings.js';
import { truePath } from '../../disk/true-path.js';
import type { Medium } from './drive.js';
import { lockFolder } from './folder-lock.js';

/** The right to write to a drive: one holder at a time on this machine, regardless of data folder and user. */
export interface DriveLock {
  /**
   * Runs work while also holding the lock of the mounted medium, so that two paths to one tape have one writer, and the
   * lock of the drive's folder, which excludes users with other lock folders. Throws `TapeBusy`, naming the holder,
   * when another one is writing; never waits.
   */
  hold<Result>(medium: Medium, work: () => Promise<Result>): Promise<Result>;
  /** Throws `LockLost` when a lock's file was removed or replaced. */
  check(): void;
  release(): void;
}

/** Milliseconds between touching a held lock's file: cleaners of /tmp remove files untouched for days. */
const touchEveryMs = 60 * 60_000;

/**
 * Takes the lock of a drive, keyed to its resolved path. Throws `DriveBusy`, naming the holder, when another process
 * holds it.
 */
export function lockDrive(settings: Settings, drive: DriveSettings, role: string): DriveLock {
  const dataDir = settings.TAPEFLOW_DATA_DIR;
  const driveFile = lockFile(settings, 'drive', driveKey(drive.path));
  requireLockFolder(settings.TAPEFLOW_LOCK_DIR);
  const before = oldVersionLockHolder(path.basename(driveFile));
  if (before !== undefined && path.dirname(driveFile) !== '/tmp/tapeflow-locks') {
    throw driveBusy(drive, english`pid ${before}, a process of an earlier tapeflow version`);
  }
  const taken = tryLock(driveFile, { role, dataDir });
  if (!('lock' in taken)) {
    const { heldBy } = taken;
    throw driveBusy(drive, describeHolder(heldBy), heldBy === undefined ? {} : { holder: heldBy });
  }
  const driveLock = taken.lock;
  let medium: { file: string; lock: ExclusiveLock } | undefined;
  let released = false;
  const touching = setInterval(() => {
    touchLock(driveFile);
    if (medium !== undefined) touchLock(medium.file);
  }, touchEveryMs);
  touching.unref();
  return {
    async hold(loaded, work) {
      const mediumFile = lockFile(settings, 'medium', loaded.key);
      const result = tryLock(mediumFile, { role: `${role} of drive ${drive.name}`, dataDir });
      if (!('lock' in result)) throw tapeBusy(drive, result.heldBy);
      medium = { file: mediumFile, lock: result.lock };
      try {
        // Users with separate lock folders do not see each other's locks, but all see the drive's folder.
        const folder = await lockFolder(drive.path);
        if (!('release' in folder)) throw heldElsewhere(drive, folder.heldBy);
        try {
          return await work();
        } finally {
          await folder.release();
        }
      } finally {
        medium = undefined;
        result.lock.release();
      }
    },
    check() {
      if (released)
        throw new TapeflowFailure('LockLost', english`The lock of drive ${drive.name} was given back.`);
      driveLock.check();
      medium?.lock.check();
    },
    release() {
      released = true;
      clearInterval(touching);
      medium?.lock.release();
      medium = undefined;
      driveLock.release();
    },
  };
}

/** Who has a drive, told without touching its lock or the drive. */
export interface DriveHolder {
  /** `pid 4711 (tape worker) of user root, data folder /srv/tapeflow, since …`. */
  who: string;
  /** Where that is known. */
  dataDir: string | undefined;
}

/**
 * Who has the lock of a drive, by the system's list of locks; undefined where nobody is known to: Linux alone tells.
 */
export function driveHolder(settings: Settings, drive: DriveSettings): DriveHolder | undefined {
  const file = lockFile(settings, 'drive', driveKey(drive.path));
  const [lock] = locksOn(file);
  if (lock === undefined) return undefined;
  const holder = readHolder(file);
  // What was written down may be of one before.
  if (holder?.pid === lock.pid) return { who: describeHolder(holder), dataDir: holder.dataDir };
  return { who: english`pid ${lock.pid} of user ${userName(lock.uid)}`, dataDir: undefined };
}

function locksOn(file: string): SystemLock[] {
  try {
    const there = lstatSync(file, { bigint: true, throwIfNoEntry: false });
    return there === undefined ? [] : systemLocksOn(there);
  } catch {
    // A lock folder of somebody else, which may not be looked into.
    return [];
  }
}

function lockFile({ TAPEFLOW_LOCK_DIR: folder }: Settings, kind: 'drive' | 'medium', key: string): string {
  return path.join(folder, `${kind}-${createHash('sha256').update(key).digest('hex').slice(0, 24)}.lock`);
}

function driveBusy(
  drive: DriveSettings,
  holder: string,
  details: { holder?: LockHolder } = {},
): TapeflowFailure {
  return new TapeflowFailure(
    'DriveBusy',
    english`The drive ${drive.name} (${drive.path}) is in use by ${holder}.`,
    {
      details,
      advice: english`One process writes to a drive at a time: use that one, or stop it first.`,
    },
  );
}

function tapeBusy(drive: DriveSettings, holder: LockHolder | undefined): TapeflowFailure {
  return new TapeflowFailure(
    'TapeBusy',
    english`The tape in drive ${drive.name} (${drive.path}) is in use by
      ${describeHolder(holder)}: two paths lead to one tape.`,
    { advice: english`Give each drive a path of its own, or let that one end.` },
  );
}

function heldElsewhere(drive: DriveSettings, holder: string): TapeflowFailure {
  return new TapeflowFailure(
    'TapeBusy',
    english`The drive ${drive.name} (${drive.path}) is being written to by ${holder}, who has another
      lock folder.`,
    {
      advice: english`It goes on when that one has written; users who share a drive
          give TAPEFLOW_LOCK_DIR the same folder of a group.`,
    },
  );
}

/** The same key for every spelling of a path; drive letters of Windows in upper case. */
function driveKey(drivePath: string, platform: NodeJS.Platform = process.platform): string {
  if (platform === 'win32') return path.win32.resolve(drivePath).toUpperCase();
  return truePath(drivePath);
}
