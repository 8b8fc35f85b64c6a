import { constants, lstatSync, readlinkSync } from 'node:fs';
import type { EntryType } from '../catalog/schema/file-tables.js';
import { describeError, systemErrorCode } from '../config/failures.js';
import { bytesWithoutHoles } from '../disk/data-extents.js';
import { toBytes } from '../entry/byte-string.js';
import { type EntryStats, statsOf } from '../entry/entry-stats.js';

/** One entry of a source, as the scan saw it. Names and link targets are byte strings. */
export interface WalkedEntry {
  /** Member name: full path without its leading `/`; folders end in `/`. */
  name: string;
  type: EntryType;
  stats: EntryStats | undefined;
  linkTarget: string | null;
  /** Why the entry is not in the backup; null if it is. */
  skipped: string | null;
}

/** Matches non-ASCII bytes: only such paths must be passed as buffers, since strings are faster. */
const notAscii = /[\x80-\xff]/;

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

export function look(full: string): WalkedEntry {
  let stats: EntryStats;
  try {
    const path = plainPath(full === '' ? '/' : full);
    const all = lstatSync(path, { bigint: true });
    stats = statsOf(all);
    const stored = all.isFile() ? bytesWithoutHoles(path, all) : undefined;
    if (stored !== undefined) stats.stored = stored;
  } catch (error) {
    const isTooLong = systemErrorCode(error) === 'ENAMETOOLONG';
    const reason = isTooLong
      ? 'its path is longer than the system takes; neither it nor its contents are in the backup'
      : `cannot be looked at: ${describeError(error)}`;
    return { name: full, type: 'other', stats: undefined, linkTarget: null, skipped: reason };
  }
  switch (stats.mode & constants.S_IFMT) {
    case constants.S_IFREG:
      return { name: full, type: 'file', stats, linkTarget: null, skipped: null };
    case constants.S_IFDIR:
      return { name: `${full}/`, type: 'directory', stats, linkTarget: null, skipped: null };
    case constants.S_IFLNK:
      return { name: full, type: 'symlink', stats, ...targetOf(full) };
    default: {
      const skipped = `is a ${kindOf(stats.mode)}, which has no content to back up`;
      return { name: full, type: 'other', stats, linkTarget: null, skipped };
    }
  }
}

function targetOf(full: string): Pick<WalkedEntry, 'linkTarget' | 'skipped'> {
  try {
    return { linkTarget: readlinkSync(plainPath(full), 'latin1'), skipped: null };
  } catch (error) {
    return { linkTarget: null, skipped: `cannot be read: ${describeError(error)}` };
  }
}

function kindOf(mode: number): string {
  switch (mode & constants.S_IFMT) {
    case constants.S_IFSOCK:
      return 'socket';
    case constants.S_IFIFO:
      return 'named pipe';
    case constants.S_IFBLK:
      return 'block device';
    case constants.S_IFCHR:
      return 'character device';
    default:
      return 'special file';
  }
}
