import type { BigIntStats } from 'node:fs';
import { splitTime } from './file-time.js';

/**
 * What the scan saw of an entry. Times as in `splitTime`; device and inode are a `bigint` where a number is not exact.
 */
export interface EntryStats {
  size: number;
  mtimeS: number;
  mtimeNs: number;
  ctimeS: number;
  ctimeNs: number;
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  dev: number | bigint;
  ino: number | bigint;
  /** Of a file with holes, about how many bytes it will take in an archive. Undefined: `size`. */
  stored?: number;
}

/**
 * What the scan keeps of Node's statistics, which must be the `bigint` ones: as plain numbers, times are exact only to
 * 0.2 µs.
 */
export function statsOf(stats: BigIntStats): EntryStats {
  const mtime = splitTime(stats.mtimeNs);
  // Most files were not touched again after they were written.
  const ctime = stats.ctimeNs === stats.mtimeNs ? mtime : splitTime(stats.ctimeNs);
  return {
    size: Number(stats.size),
    mtimeS: mtime.seconds,
    mtimeNs: mtime.ns,
    ctimeS: ctime.seconds,
    ctimeNs: ctime.ns,
    mode: Number(stats.mode),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    nlink: Number(stats.nlink),
    dev: numberIfExact(stats.dev),
    ino: numberIfExact(stats.ino),
  };
}

function numberIfExact(value: bigint): number | bigint {
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}
