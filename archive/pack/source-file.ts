import { fstatSync, lstatSync, readlinkSync, type BigIntStats } from 'node:fs';
import { splitTime } from '../../entry/file-time.js';
import type { MemberFlag, PlannedMember } from '../../entry/member.js';

/** Carries the reason for which an entry is skipped. */
export class SkipEntry extends Error {}

/** Errors that say something about this process or machine, not about one file: they fail the whole attempt. */
const notTheFiles = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/** Runs a call on a source's file; its error is a reason to skip the entry, unless it is not the file's. */
export function onFile<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    throw new SkipEntry(unreadable(error));
  }
}

const plainReasons: Record<string, string> = {
  ENOENT: 'vanished after the scan',
  ENOTDIR: 'vanished after the scan: a folder above it is none any more',
  ELOOP: 'became a symbolic link after the scan',
  EINVAL: 'is no symbolic link any more',
  ENXIO: 'became a socket or pipe after the scan',
  EACCES: 'cannot be read: permission denied',
  EPERM: 'cannot be read: operation not permitted',
  EIO: 'cannot be read: input/output error',
  ENAMETOOLONG: 'cannot be read: its path is longer than the system takes',
};

/** Why a file is skipped after an error; throws the error when it says nothing about the file. */
export function unreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === '' || notTheFiles.has(code)) throw error;
  return plainReasons[code] ?? `cannot be read: ${code}`;
}

/** Why an entry is skipped that is of another type than the scan saw. */
export function otherType(stats: BigIntStats): string {
  const now = stats.isFile()
    ? 'a file'
    : stats.isDirectory()
      ? 'a folder'
      : stats.isSymbolicLink()
        ? 'a symbolic link'
        : 'a special file';
  return `became ${now} after the scan`;
}

const behindLink =
  'lies behind a symbolic link that took the place of a folder after the scan: what is there now is not backed up under this name';

/**
 * Throws `SkipEntry` when an open file does not lie at the path of its entry: a folder above it was replaced by a
 * symbolic link, so that the path leads elsewhere. Linux tells where an open file lies, which no race can fool; but
 * where names fold case it may spell them otherwise, and other systems do not tell: there the folders above are looked
 * at.
 */
export function requireInPlace(fd: number, entry: PlannedMember, path: Buffer, now: FileFacts): void {
  const lies = pathOfOpen(fd);
  const named = path.toString('latin1');
  if (lies === named || lies === `${named} (deleted)`) return;
  if ((lies !== undefined && !isSameInode(now, entry)) || isBehindLink(path)) throw new SkipEntry(behindLink);
}

/** The same for an entry that is not opened, a folder or a link; what the scan saw there needs no other look. */
export function requireNoLinkAbove(entry: PlannedMember, path: Buffer, now: FileFacts): void {
  if (!isSameInode(now, entry) && isBehindLink(path)) throw new SkipEntry(behindLink);
}

/** Where an open file lies now, as a byte string; undefined where the system does not tell. */
function pathOfOpen(fd: number): string | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    return readlinkSync(`/proc/self/fd/${fd}`, 'latin1');
  } catch {
    return undefined;
  }
}

/** True when a folder above a path is a symbolic link. Windows, where links need rights of their own, is not asked. */
function isBehindLink(path: Buffer): boolean {
  if (process.platform === 'win32') return false;
  const slash = 0x2f;
  for (let at = path.indexOf(slash, 1); at !== -1; at = path.indexOf(slash, at + 1)) {
    if (onFile(() => lstatSync(path.subarray(0, at))).isSymbolicLink()) return true;
  }
  return false;
}

/** What a member says of its file, as the system told it; the mode with the bits of the type. */
export type FileFacts = Pick<
  PlannedMember,
  'size' | 'mtimeS' | 'mtimeNs' | 'mode' | 'uid' | 'gid' | 'dev' | 'ino' | 'nlink'
>;

export function factsOf(stats: BigIntStats): FileFacts {
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

/** True when an entry is still the very file that the scan saw. */
export function isSameInode(
  now: Pick<FileFacts, 'dev' | 'ino'>,
  entry: Pick<PlannedMember, 'dev' | 'ino'>,
): boolean {
  return now.dev === entry.dev && now.ino === entry.ino;
}

/** True when a file has another size or time than the scan saw. */
export function isNewer(now: FileFacts, entry: PlannedMember): boolean {
  return now.size !== entry.size || now.mtimeS !== entry.mtimeS || now.mtimeNs !== entry.mtimeNs;
}

/** What happened to an open file since a look at it. */
export function changesSince(fd: number, before: BigIntStats): MemberFlag[] {
  const after = fstatSync(fd, { bigint: true });
  if (after.size > before.size) return ['grew'];
  return after.mtimeNs !== before.mtimeNs || after.size !== before.size ? ['changed'] : [];
}

/**
 * Names one file for as long as nobody changes it. Times and size belong to it: a file that changed between two of its
 * links is stored again, and a number that a new file has taken over is no link to the old one.
 */
export function inodeKey(stats: BigIntStats): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.birthtimeNs].join(':');
}
