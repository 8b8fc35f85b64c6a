import { spawn } from 'node:child_process';
import { constants, type BigIntStats } from 'node:fs';
import { open } from 'node:fs/promises';
import { loadAddon } from '../../native/addon.js';
import { onSide } from '../../config/sides.js';
import { systemLocksOn, userName, type SystemLock } from '../../disk/system-locks.js';

/** What became of asking for a lock: `unable` where the system, or the file system, has none of that kind. */
type Outcome = 'locked' | 'busy' | 'unable';
/**
 * Asks for the system's lock of an open folder; it is dropped when that is closed, also by the death of this process.
 */
export type Locker = (fd: number) => Promise<Outcome>;

/**
 * Takes the lock of a drive's own folder, which all users of the machine see, whatever their lock folders. It is held
 * while something is written only: an open folder keeps a tape from being unmounted. Never waits. Errors of the folder
 * are the tape's.
 *
 * @returns what gives it back, or who has it, as a part of a sentence.
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
    // Whoever can read the folder can take its lock; only one that can write there too may hold up others by it.
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

/** Members of a group are not looked up: where a group can write, each user may be one of it. */
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

/** Exit code by which we ask `flock` to say that another one has the lock. */
const busyCode = 75;

/**
 * By the program `flock` of util-linux, where the native part is not: the lock is of the open folder, which both share.
 */
export const lockByProgram: Locker = (fd) =>
  new Promise((resolve) => {
    const child = spawn('flock', ['-n', '-x', '-E', String(busyCode), '3'], {
      stdio: ['ignore', 'ignore', 'ignore', fd],
    });
    child.once('error', () => resolve('unable'));
    child.once('exit', (code) => resolve(code === 0 ? 'locked' : code === busyCode ? 'busy' : 'unable'));
  });
