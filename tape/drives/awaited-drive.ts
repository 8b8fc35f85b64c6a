import { english } from '../../messages/sentence.js';
import type { LockHolder } from '../../disk/exclusive-lock.js';
import { TapeflowFailure } from '../../config/failures.js';
import type { DriveSettings, Settings } from '../../config/settings/settings.js';
import { lockDrive, type DriveLock } from './drive-lock.js';
import type { Drive } from './drive.js';
import { openDrive } from './open-drive.js';
import { tapeNotReady } from './tape-not-ready.js';

/** Milliseconds between attempts to lock a drive that somebody else holds. */
const tryEveryMs = 1000;

/** A drive with its lock, which somebody else may hold for a while. */
export interface AwaitedDrive {
  drive: Drive;
  lock: DriveLock;
  /** A sentence on who holds it; undefined when we do. */
  heldBy(): string | undefined;
}

const heldAdvice = english`A drive is used by one at a time: this goes on by itself when that one ends.`;

/** True for the reason of a wait that no person can end: somebody else has the drive. */
export function isHeldDrive(reason: string): boolean {
  return reason.includes(heldAdvice);
}

/**
 * The drive of a worker. While another installation or command holds it, every query throws `TapeNotReady` with the
 * reason `drive_held`, naming the holder, and locking is retried until it is free. Throws `DriveBusy` when a worker of
 * this installation holds it, since that one serves the queue.
 *
 * @param prepare called once, as soon as the drive is locked.
 */
export async function awaitDrive(
  settings: Settings,
  driveSettings: DriveSettings,
  prepare: (drive: Drive, lock: DriveLock) => Promise<void>,
): Promise<AwaitedDrive> {
  const drive = openDrive(driveSettings);
  let ours: DriveLock | undefined;
  let busy: TapeflowFailure | undefined;
  const tryIt = async () => {
    try {
      const lock = lockDrive(settings, driveSettings, 'tape worker');
      try {
        await prepare(drive, lock);
      } catch (error) {
        lock.release();
        throw error;
      }
      ours = lock;
    } catch (error) {
      if (!(error instanceof TapeflowFailure) || error.code !== 'DriveBusy') throw error;
      if (isOurWorker(settings, error)) throw error;
      busy = error;
    }
  };
  await tryIt();
  const held = (): DriveLock => {
    if (ours !== undefined) return ours;
    throw tapeNotReady(
      'drive_held',
      busy?.message ?? english`The drive ${driveSettings.name} is in use.`,
      heldAdvice,
    );
  };
  let timer: NodeJS.Timeout | undefined;
  let released = false;
  const again = () => {
    if (ours !== undefined || released) return;
    timer = setTimeout(() => {
      // Any other obstacle is reported by the next query.
      void tryIt()
        .catch((error: unknown) => {
          if (error instanceof TapeflowFailure) busy = error;
        })
        .finally(again);
    }, tryEveryMs);
  };
  again();
  return {
    heldBy: () => (ours === undefined ? busy?.message : undefined),
    drive: {
      ...drive,
      async medium() {
        held();
        return drive.medium();
      },
    },
    lock: {
      hold: (medium, work) => held().hold(medium, work),
      check: () => held().check(),
      release() {
        released = true;
        clearTimeout(timer);
        ours?.release();
      },
    },
  };
}

/** True when a worker of this installation holds the drive. An unknown holder may be one. */
function isOurWorker({ TAPEFLOW_DATA_DIR }: Settings, { details }: TapeflowFailure): boolean {
  const holder = details['holder'] as LockHolder | undefined;
  if (holder === undefined) return true;
  return holder.role === 'tape worker' && holder.dataDir === TAPEFLOW_DATA_DIR;
}
