import { spawn } from 'node:child_process';
import { constants, type BigIntStats } from 'node:fs';
import { open } from 'node:fs/promises';
import { loadAddon } from '../../native/addon.js';
import { onSide } from '../../config/sides.js';
import { systemLocksOn, userName, type SystemLock } from '../../disk/system-locks.js';

/** Result of trying a lock: `unable` when the system or the file system does not support it. */
type Outcome = 'locked' | 'busy' | 'unable';
/** Tries to lock an open folder; the system releases the lock when it is closed or this process dies. */
export type Locker = (fd: number) => Promise<Outcome>;

/**
 * Takes the lock of the drive's own folder, which all users of the machine see, whatever their lock folders. Held only
 * while writing, since an open folder prevents unmounting the tape. Never waits. Errors of the folder belong to the
 * side `tape`.
 *
 * @returns a function that releases it, or who holds it, as part of a sentence.
 */
export async function lockFolder(
  folder: string,
  locker: Locker = bestLocker(),
): Promise<{ release(): Promise<void> } | { heldBy: string }> {
  if (process.platform === 'win32') return { release: () => Promise.resolve() };
  const handle = await onSide('tape', () => open(folder, constants.O_RDONLY | constants.O_DIRECTORY));
  const close = () => handle.close().catch(() => undefined);
  try {
    if ((await locker(handle.fd)) !== 'busy') return { release: close };
    const stats = await handle.stat({ bigint: true });
    const holders = systemLocksOn(stats);
    // Anyone who can read the folder can take its lock; only holders who can also write there may block others.
    if (holders.length > 0 && holders.every((holder) => !mayWrite(stats, holder))) return { release: close };
    await close();
    const [first] = holders;
    return {
      heldBy: first === undefined ? 'another process' : `pid ${first.pid} of user ${userName(first.uid)}`,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Group members are not looked up: if the group can write, any user may be a member. */
function mayWrite({ mode, uid }: BigIntStats, holder: SystemLock): boolean {
  const mine = process.getuid?.();
  return holder.uid === 0 || holder.uid === mine || BigInt(holder.uid) === uid || (mode & 0o022n) !== 0n;
}

function bestLocker(): Locker {
  const lockOpenFile = loadAddon()?.lockOpenFile;
  if (lockOpenFile === undefined) return lockByProgram;
  return (fd) => {
    const state = lockOpenFile(fd);
    return Promise.resolve(state === 0 ? 'locked' : state === 1 ? 'busy' : 'unable');
  };
}

/** Exit code that `flock` returns when the lock is held. */
const busyCode = 75;

/**
 * Uses `flock` from util-linux when the native part is missing: the lock belongs to the open folder, which both
 * processes share.
 */
export const lockByProgram: Locker = (fd) =>
  new Promise((resolve) => {
    const child = spawn('flock', ['-n', '-x', '-E', String(busyCode), '3'], {
      stdio: ['ignore', 'ignore', 'ignore', fd],
    });
    child.once('error', () => resolve('unable'));
    child.once('exit', (code) => resolve(code === 0 ? 'locked' : code === busyCode ? 'busy' : 'unable'));
  });
