import { lstatSync, mkdirSync, type Stats } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { english } from '../messages/sentence.js';
import { TapeflowFailure, describeError } from '../config/failures.js';
import { systemLocksOn } from './system-locks.js';

const docs = english`see "Sharing a machine or a drive" in docs/operations.md`;

/**
 * Creates the folder of the drive locks, private to its user, and checks that it is safe: whoever can write there could
 * replace a lock by a link. Safe is a real folder that only this user (or root) can write to, or a group of this
 * process, which is how users share a drive. Throws `LockFolderUnsafe` or `LockUnusable`.
 */
export function requireLockFolder(folder: string): void {
  try {
    mkdirSync(path.dirname(folder), { recursive: true });
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unusable(folder, error);
  }
  let stats: Stats;
  try {
    stats = lstatSync(folder);
  } catch (error) {
    throw unusable(folder, error);
  }
  const why = unsafe(stats);
  if (why === undefined) return;
  throw new TapeflowFailure('LockFolderUnsafe', english`The lock folder ${folder} ${why}.`, {
    advice: english`Remove it, or set TAPEFLOW_LOCK_DIR to a folder that only
        you, or a group of yours, can write to; ${docs}.`,
  });
}

function unsafe(stats: Stats): string | undefined {
  if (!stats.isDirectory()) return english`is a symbolic link or a file, and no folder`;
  if (process.platform === 'win32') return undefined;
  const mine = process.getuid?.();
  const groups = [process.getgid?.(), ...(process.getgroups?.() ?? [])];
  const byGroup = (stats.mode & 0o020) !== 0;
  if ((stats.mode & 0o002) !== 0) return english`can be written by every user of this machine`;
  if (byGroup && !groups.includes(stats.gid) && mine !== 0)
    return english`is for the group ${stats.gid}, which this user is not a member of`;
  if (stats.uid !== mine && stats.uid !== 0 && !byGroup)
    return english`belongs to another user (uid ${stats.uid}) alone`;
  return undefined;
}

function unusable(folder: string, error: unknown): TapeflowFailure {
  const { username } = os.userInfo();
  return new TapeflowFailure(
    'LockUnusable',
    english`The lock folder ${folder} cannot be used by user ${username}: ${describeError(error)}.`,
    {
      advice: english`Set TAPEFLOW_LOCK_DIR to a folder of a group that all users of the drive are in; ${docs}.`,
      cause: error,
    },
  );
}

/** Where earlier versions kept their locks: a folder that everybody could write to. */
const folderBefore = '/tmp/tapeflow-locks';

/**
 * The process of an earlier version this one that holds a lock in the old folder; undefined when none does. The file is
 * never opened: the system's list of locks is read instead. Only processes of this user or of root count, since anybody
 * could put a locked file there.
 *
 * @param name of the lock's file.
 */
export function oldVersionLockHolder(name: string, folder = folderBefore): number | undefined {
  const file = lstatSync(path.join(folder, name), { bigint: true, throwIfNoEntry: false });
  if (file === undefined) return undefined;
  return systemLocksOn(file).find(({ uid }) => uid === 0 || uid === process.getuid?.())?.pid;
}
