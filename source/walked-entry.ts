import { constants, lstatSync, readlinkSync } from 'node:fs';
import type { EntryType } from '../catalog/schema/file-tables.js';
import { describeError, systemErrorCode } from '../config/failures.js';
import { bytesWithoutHoles } from '../disk/data-extents.js';
import { atPath } from '../disk/long-path.js';
import { deviceNumbers, deviceText } from '../entry/device.js';
import { toBytes } from '../entry/byte-string.js';
import { type EntryStats, statsOf } from '../entry/entry-stats.js';
import { english } from '../messages/sentence.js';

/** One entry of a source, as the scan saw it. Names and link targets are byte strings. */
export interface WalkedEntry {
  /** Member name: full path without its leading `/`; folders end in `/`. */
  name: string;
  type: EntryType;
  stats: EntryStats | undefined;
  /** Of a symbolic link; of a device its numbers (`deviceText`). */
  linkTarget: string | null;
  /** Why the entry is not in the backup; null if it is. */
  skipped: string | null;
}

/** The inode of an entry that has several names, as text; undefined for any other. */
export function linkedInode({ type, stats, skipped }: WalkedEntry): string | undefined {
  const isLinked = stats !== undefined && stats.nlink > 1 && type !== 'directory' && skipped === null;
  return isLinked ? `${stats.dev}:${stats.ino}` : undefined;
}

/** Matches non-ASCII bytes: only such paths must be passed as buffers, since strings are faster. */
const notAscii = /[\x80-\xff]/;

/** Names from here on may make a path that is too long for one call. */
export const longName = 4000;

function onPlain<Result>(name: string, call: (path: Buffer | string) => Result): Result {
  return name.length < longName ? call(plainPath(name)) : atPath(absolute(name), call);
}

function plainPath(name: string): Buffer | string {
  return process.platform === 'win32' || notAscii.test(name)
    ? absolute(name)
    : name.startsWith('/')
      ? name
      : `/${name}`;
}

export function absolute(name: string): Buffer {
  if (process.platform === 'win32') return Buffer.from(`${name.slice(0, 1)}:${name.slice(1)}`, 'latin1');
  return toBytes(name.startsWith('/') ? name : `/${name}`);
}

/** Looks at an entry of a source. */
export function look(full: string): WalkedEntry {
  try {
    const all = onPlain(full === '' ? '/' : full, (path) => lstatSync(path, { bigint: true }));
    const stats = statsOf(all);
    const stored = all.isFile() ? onPlain(full, (path) => bytesWithoutHoles(path, all)) : undefined;
    if (stored !== undefined) stats.stored = stored;
    return entryOf(full, stats, all.rdev);
  } catch (error) {
    const isTooLong = systemErrorCode(error) === 'ENAMETOOLONG';
    const reason = isTooLong
      ? english`its path is longer than the system takes; neither it nor its contents are in the backup`
      : english`cannot be looked at: ${describeError(error)}`;
    return { name: full, type: 'other', stats: undefined, linkTarget: null, skipped: reason };
  }
}

/** An entry of which the system has said what it is; `rdev`: the numbers of a device. */
export function entryOf(full: string, stats: EntryStats, rdev: bigint): WalkedEntry {
  switch (stats.mode & constants.S_IFMT) {
    case constants.S_IFREG:
      return { name: full, type: 'file', stats, linkTarget: null, skipped: null };
    case constants.S_IFDIR:
      return { name: `${full}/`, type: 'directory', stats, linkTarget: null, skipped: null };
    case constants.S_IFLNK:
      return { name: full, type: 'symlink', stats, ...targetOf(full) };
    case constants.S_IFIFO:
      return { name: full, type: 'fifo', stats, linkTarget: null, skipped: null };
    case constants.S_IFCHR:
    case constants.S_IFBLK: {
      const type = (stats.mode & constants.S_IFMT) === constants.S_IFCHR ? 'character' : 'block';
      return { name: full, type, stats, linkTarget: deviceText(deviceNumbers(rdev)), skipped: null };
    }
    default:
      return {
        name: full,
        type: 'other',
        stats,
        linkTarget: null,
        skipped: english`is of a kind that no archive holds`,
      };
  }
}

function targetOf(full: string): Pick<WalkedEntry, 'linkTarget' | 'skipped'> {
  try {
    return { linkTarget: onPlain(full, (path) => readlinkSync(path, 'latin1')), skipped: null };
  } catch (error) {
    return { linkTarget: null, skipped: english`cannot be read: ${describeError(error)}` };
  }
}

/** True for a socket: its program makes it anew, and no archive can hold it. */
export function isSocket({ stats }: WalkedEntry): boolean {
  return stats !== undefined && (stats.mode & constants.S_IFMT) === constants.S_IFSOCK;
}
