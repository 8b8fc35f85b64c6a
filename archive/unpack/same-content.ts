import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { dataExtents, type Extent, type FileRoom } from '../../disk/data-extents.js';
import { readUnfollowed } from '../../disk/open-flags.js';
import type { CodecChoice } from '../../entry/archive-format.js';
import type { SparseMap } from '../tar/sparse-map.js';
import type { EntryStats } from './put-metadata.js';
import type { WantedMember } from './unpack-options.js';

const buffer = Buffer.allocUnsafe(256 * 1024);
const zeros = Buffer.alloc(buffer.length);

/**
 * Opens the file that lies at a member's place if it may have the member's content, by its size alone; undefined where
 * it cannot. The caller closes it. Throws system errors.
 *
 * @param there what lies there, without following a link.
 */
export function openIfAlike(path: Buffer, member: WantedMember, there: EntryStats): number | undefined {
  if (!there.isFile() || Number(there.size) !== member.size || member.sha256 === null) return undefined;
  return openSync(path, readUnfollowed);
}

/** Closes a descriptor after its use. */
export function withOpen<Result>(fd: number, use: (fd: number) => Result): Result {
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * True when an open file has the content with that SHA-256. With a map of holes it is the hash of the map and of the
 * data, and the rest must be zeros, as holes or not.
 *
 * @param choice how the file's own holes are found; see `dataExtents`.
 */
export function hasContent(
  fd: number,
  there: FileRoom,
  map: SparseMap | undefined,
  sha256: string,
  choice: CodecChoice,
): boolean {
  const hash = createHash('sha256');
  const size = Number(there.size);
  if (map !== undefined) hash.update(map.bytes);
  for (const extent of map?.extents ?? [[0, size] as const])
    for (const part of partsOf(fd, extent)) hash.update(part);
  return (
    hash.digest('hex') === sha256 && (map === undefined || isZeroBetween(fd, there, map.extents, choice))
  );
}

/** The content between two places, part by part, as long as there is any. */
function* partsOf(fd: number, [from, to]: Extent): Generator<Buffer> {
  for (let at = from; at < to;) {
    const bytes = readSync(fd, buffer, 0, Math.min(buffer.length, to - at), at);
    if (bytes === 0) return;
    yield buffer.subarray(0, bytes);
    at += bytes;
  }
}

/** True when a file has zeros alone outside of some parts; its own holes are not read. */
function isZeroBetween(
  fd: number,
  there: FileRoom,
  extents: readonly Extent[],
  choice: CodecChoice,
): boolean {
  const size = Number(there.size);
  const data = dataExtents(fd, there, choice, () => undefined) ?? [[0, size]];
  let next = 0;
  for (const [from, to] of data) {
    for (let at = from; at < to;) {
      // The first part that ends behind this place.
      while ((extents[next]?.[1] ?? Infinity) <= at) next += 1;
      const [begin, end] = extents[next] ?? [Infinity, Infinity];
      const gapEnd = Math.min(begin, to);
      for (const part of at < gapEnd ? partsOf(fd, [at, gapEnd]) : [])
        if (!part.equals(zeros.subarray(0, part.length))) return false;
      at = Math.max(at, Math.min(begin < to ? end : to, to));
    }
  }
  return true;
}
