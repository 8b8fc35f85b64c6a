import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  type BigIntStats,
} from 'node:fs';
import { atPath } from '../../disk/long-path.js';
import { splitTime } from '../../entry/file-time.js';
import type { PlannedMember } from '../../entry/member.js';
import { readUnfollowed } from '../../disk/open-flags.js';
import { loadAddon } from '../../native/addon.js';
import { english } from '../../messages/sentence.js';

/** Thrown with the reason for skipping an entry. */
export class SkipEntry extends Error {}

/** Errors of this process or machine rather than of one file: they fail the whole attempt. */
const notTheFiles = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/** Runs a call on a source file; an error of the file becomes a reason to skip the entry. */
export function onFile<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    throw new SkipEntry(unreadableReason(error));
  }
}

/**
 * Opens the file of an entry for reading; neither a link, which would be followed, nor a pipe, which would never be
 * opened. Its access time stays as it is where this user may have it so: of files of their own, and as root. Throws
 * `SkipEntry` when a folder above it was replaced by a symbolic link.
 */
export function openFile(entry: Pick<PlannedMember, 'uid' | 'dev' | 'ino'>, path: Buffer): number {
  const unlinked = openUnlinked?.(path, flagsToOpen(entry.uid)) ?? -1;
  if (unlinked >= 0) return unlinked;
  // What is wrong with it, or with the call, shows here.
  const fd = onFile(() => atPath(path, (short) => openQuietly(short, entry.uid)));
  try {
    requireInPlace(fd, entry, path);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

const openUnlinked = loadAddon()?.openUnlinked;

/** The flags to open the file of an owner with, of which the system may refuse some. */
export function flagsToOpen(owner: number): number {
  return readUnfollowed | noAtimeFor(owner);
}

/** Linux only. */
const noAtime = process.platform === 'linux' ? constants.O_NOATIME : 0;
const user = process.geteuid?.();
/** Owners whose files keep no access time for this user: root in a user namespace is not everybody's. */
const refused = new Set<number>();

function noAtimeFor(owner: number): number {
  return (user === 0 || user === owner) && !refused.has(owner) ? noAtime : 0;
}

function openQuietly(path: Buffer, owner: number): number {
  const quietly = noAtimeFor(owner);
  if (quietly !== 0) {
    try {
      return openSync(path, readUnfollowed | quietly);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
      refused.add(owner);
    }
  }
  return openSync(path, readUnfollowed);
}

const plainReasons: Record<string, string> = {
  ENOENT: english`vanished after the scan`,
  ENOTDIR: english`vanished after the scan: a folder above it is none any more`,
  ELOOP: english`became a symbolic link after the scan`,
  EINVAL: english`is no symbolic link any more`,
  ENXIO: english`became a socket or pipe after the scan`,
  EACCES: english`cannot be read: permission denied`,
  EPERM: english`cannot be read: operation not permitted`,
  EIO: english`cannot be read: input/output error`,
  ENAMETOOLONG: english`cannot be read: its path is longer than the system takes`,
};

/** True for an error of a call of the system. */
export function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

/** Why a file is skipped after an error; rethrows errors that do not concern the file. */
export function unreadableReason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === '' || notTheFiles.has(code)) throw error;
  return plainReasons[code] ?? english`cannot be read: ${code}`;
}

/** Why an entry is skipped whose type has changed since the scan. */
export function changedTypeReason(stats: BigIntStats): string {
  if (stats.isFile()) return english`became a file after the scan`;
  if (stats.isDirectory()) return english`became a folder after the scan`;
  return stats.isSymbolicLink()
    ? english`became a symbolic link after the scan`
    : english`became a special file after the scan`;
}

const behindLink = english`lies behind a symbolic link that took the place of a folder after
    the scan: what is there now is not backed up under this name`;

/**
 * Throws `SkipEntry` when an open file is not at the path of its entry, because a folder above it was replaced by a
 * symbolic link. Linux reports the path of an open file, without races; but case-insensitive file systems may spell it
 * differently, and other systems do not report it: there the folders above are checked.
 */
function requireInPlace(fd: number, entry: Pick<PlannedMember, 'dev' | 'ino'>, path: Buffer): void {
  const lies = pathOfOpen(fd);
  const named = path.toString('latin1');
  if (lies === named || lies === `${named} (deleted)`) return;
  const isOther = () => !isSameInode(attributesOf(onFile(() => fstatSync(fd, { bigint: true }))), entry);
  if ((lies !== undefined && isOther()) || isBehindLink(path)) throw new SkipEntry(behindLink);
}

/** The same for a folder or link, which is not opened; an entry that is still what the scan saw needs no check. */
export function requireNoLinkAbove(entry: PlannedMember, path: Buffer, now: FileAttributes): void {
  if (!isSameInode(now, entry) && isBehindLink(path)) throw new SkipEntry(behindLink);
}

/** The current path of an open file, as a byte string; undefined when the system does not report it. */
function pathOfOpen(fd: number): string | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    return readlinkSync(`/proc/self/fd/${fd}`, 'latin1');
  } catch {
    return undefined;
  }
}

/**
 * True when a folder above a path is a symbolic link. Not checked on Windows, where creating links needs special
 * privileges.
 */
function isBehindLink(path: Buffer): boolean {
  if (process.platform === 'win32') return false;
  const slash = 0x2f;
  for (let at = path.indexOf(slash, 1); at !== -1; at = path.indexOf(slash, at + 1)) {
    const above = onFile(() => atPath(path.subarray(0, at), (short) => lstatSync(short)));
    if (above.isSymbolicLink()) return true;
  }
  return false;
}

/** A file's attributes as the system reports them; the mode includes the type bits. */
export type FileAttributes = Pick<
  PlannedMember,
  'size' | 'mtimeS' | 'mtimeNs' | 'mode' | 'uid' | 'gid' | 'dev' | 'ino' | 'nlink'
>;

export function attributesOf(stats: BigIntStats): FileAttributes {
  const { seconds, ns } = splitTime(stats.mtimeNs);
  return {
    size: Number(stats.size),
    mtimeS: seconds,
    mtimeNs: ns,
    mode: Number(stats.mode),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    dev: String(stats.dev),
    ino: String(stats.ino),
    nlink: Number(stats.nlink),
  };
}

/** True when an entry is still the same file that the scan saw. */
export function isSameInode(
  now: Pick<FileAttributes, 'dev' | 'ino'>,
  entry: Pick<PlannedMember, 'dev' | 'ino'>,
): boolean {
  return now.dev === entry.dev && now.ino === entry.ino;
}

/** True when a file's size or time differs from what the scan saw. */
export function isNewer(now: FileAttributes, entry: PlannedMember): boolean {
  return now.size !== entry.size || now.mtimeS !== entry.mtimeS || now.mtimeNs !== entry.mtimeNs;
}

/**
 * True when an open file may have changed between two looks at it. By its inode's time too: some programs set the time
 * of the content back after they have written.
 */
export function isTouched(after: BigIntStats, before: BigIntStats): boolean {
  return after.size !== before.size || after.mtimeNs !== before.mtimeNs || after.ctimeNs !== before.ctimeNs;
}

/**
 * Identifies an unchanged file. Includes times and size: a file that changed between two of its links is stored again,
 * and a new file with a reused inode number is not a link to the old one.
 */
export function inodeKey(stats: BigIntStats): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.birthtimeNs].join(':');
}
