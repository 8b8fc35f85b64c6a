import { createHash } from 'node:crypto';
import { ftruncateSync } from 'node:fs';
import { ArchiveDamaged } from '../readers/archive-file.js';
import type { TarSource } from '../readers/tar-source.js';
import { readSparseMap, type SparseMap } from '../tar/sparse-map.js';
import { readEntry } from '../tar/tar-entry.js';
import { paddedBytes } from '../tar/tar-records.js';
import { writeAll } from '../pack/output-file.js';
import { formatCount } from '../../config/counts.js';
import type { Extent } from '../../disk/data-extents.js';
import { storedBytes } from '../../entry/member.js';
import { english } from '../../messages/sentence.js';
import type { UnpackOptions, WantedMember } from './unpack-options.js';

/** Bytes of an uncompressed archive that are tried next after one that cannot be read: a page (`readWithRetries`). */
const pageBytes = 4096;

/** A damaged file as far as it can be read: zeros stand for the rest. */
export interface Salvaged {
  /** Byte of the uncompressed archive where its data begin. */
  dataOffset: number;
  /** Of a file with holes; the map itself could be read. */
  map: SparseMap | undefined;
  /** SHA-256 in hex of what can be read and the zeros; of a file with holes, of its map before them. */
  sha256: string;
  /** Number of bytes that are zeros since they cannot be read. */
  lost: number;
  /** Why the first of them cannot. */
  why: string | undefined;
}

/** Bytes after whose multiples an archive may be readable again; undefined: not after the first damage. */
export function salvageStep({ format, index }: Pick<UnpackOptions, 'format' | 'index'>): number | undefined {
  return format === 'none' ? pageBytes : index?.blockBytes;
}

/**
 * Finds out what can be read of a file's content. Its place follows from its header, or, where that cannot be read,
 * from where the next member begins.
 *
 * @param first where the headers of the member that holds the content begin.
 * @param check throws when the work is to stop.
 * @returns undefined when nothing can be read.
 */
export async function salvageable(
  source: TarSource,
  member: WantedMember,
  first: number,
  step: number | undefined,
  check: () => void,
): Promise<Salvaged | undefined> {
  const contentOffset = await contentOf(source, member, first);
  if (contentOffset === undefined) return undefined;
  const hash = createHash('sha256');
  const take = (part: Buffer) => void hash.update(part);
  const map = await mapAt(source, contentOffset, member);
  // Without its map nobody knows where the data belong.
  if (map === undefined && member.storedSize !== undefined) return undefined;
  if (map !== undefined) take(map.bytes);
  const mapBytes = map?.bytes.length ?? 0;
  const [dataOffset, dataSize] = [contentOffset + mapBytes, storedBytes(member) - mapBytes];
  const { lost, why } = await readAround(source, { from: dataOffset, size: dataSize, step }, take, check);
  if (lost === dataSize && lost > 0) return undefined;
  return { dataOffset, map, sha256: hash.digest('hex'), lost, why };
}

async function mapAt(
  source: TarSource,
  contentOffset: number,
  { size, storedSize }: WantedMember,
): Promise<SparseMap | undefined> {
  if (storedSize === undefined) return undefined;
  try {
    return await readSparseMap(source, contentOffset, { size, storedSize });
  } catch (error) {
    if (!(error instanceof ArchiveDamaged)) throw error;
    return undefined;
  }
}

/** Writes what `salvageable` has found. */
export async function writeSalvaged(
  source: TarSource,
  { dataOffset, map }: Salvaged,
  size: number,
  step: number | undefined,
  fd: number,
  check: () => void,
): Promise<void> {
  if (map !== undefined) ftruncateSync(fd, size);
  const dataSize = map === undefined ? size : map.storedSize - map.bytes.length;
  const write = extentWriter(fd, map?.extents ?? [[0, size]]);
  await readAround(source, { from: dataOffset, size: dataSize, step }, write, check);
}

/** Writes data that come one after the other to the parts of a file that they belong to. */
function extentWriter(fd: number, extents: readonly Extent[]): (part: Buffer) => void {
  let at = 0;
  let place = extents[0]?.[0] ?? 0;
  return (part) => {
    for (let rest = part; rest.length > 0;) {
      const to = extents[at]?.[1];
      if (to === undefined) throw new Error('there are more data than parts to write them to');
      const now = rest.subarray(0, to - place);
      writeAll(fd, now, place);
      rest = rest.subarray(now.length);
      place += now.length;
      if (place === to) place = extents[(at += 1)]?.[0] ?? 0;
    }
  };
}

/** What is said of a salvaged file; undefined when all of its content is what was backed up. */
export function salvageText(member: WantedMember, { sha256, lost, why }: Salvaged): string | undefined {
  if (sha256 === member.sha256) return undefined;
  if (lost === 0) return english`it was salvaged: all of it can be read, but it is not what was backed up`;
  return english`it was salvaged: ${formatCount(lost, 'byte')} of ${formatCount(member.size, 'byte')}
      cannot be read and are zeros (${why ?? 'damaged'})`;
}

/** Where the content of a member begins; undefined when that cannot be known. */
async function contentOf(
  source: TarSource,
  { size, storedSize, next, linkTarget }: WantedMember,
  first: number,
): Promise<number | undefined> {
  try {
    const entry = await readEntry(source, first);
    const isIt = entry?.type === 'file' && entry.size === size && entry.storedSize === storedSize;
    return isIt ? entry.contentOffset : undefined;
  } catch (error) {
    if (!(error instanceof ArchiveDamaged)) throw error;
    // The next member of a further name is not that of the file itself.
    return next === undefined || linkTarget !== null ? undefined : next - paddedBytes(storedSize ?? size);
  }
}

async function readAround(
  source: TarSource,
  { from, size, step }: { from: number; size: number; step: number | undefined },
  take: (part: Buffer) => void,
  check: () => void,
): Promise<{ lost: number; why: string | undefined }> {
  const end = from + size;
  let lost = 0;
  let why: string | undefined;
  for (let at = from; at < end;) {
    check();
    let next = end;
    try {
      const chunk = await source.chunkAt(at);
      if (chunk !== undefined) {
        const part = chunk.data.subarray(at - chunk.start, end - chunk.start);
        take(part);
        at += part.length;
        continue;
      }
      why ??= english`the archive ends inside it`;
    } catch (error) {
      if (!(error instanceof ArchiveDamaged)) throw error;
      why ??= error.message;
      if (step !== undefined) next = Math.min(end, (Math.floor(at / step) + 1) * step);
    }
    takeZeros(next - at, take);
    lost += next - at;
    at = next;
  }
  return { lost, why };
}

const zeros = Buffer.alloc(1024 * 1024);

function takeZeros(bytes: number, take: (part: Buffer) => void): void {
  for (let left = bytes; left > 0; left -= zeros.length) take(zeros.subarray(0, left));
}
