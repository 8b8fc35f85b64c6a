import { createHash, type Hash } from 'node:crypto';
import { readSync } from 'node:fs';
import { storedBytes, type PackedMember, type PlannedMember } from '../../entry/member.js';
import type { SparseMap } from '../tar/sparse-map.js';
import { encodeHeaders } from '../tar/tar-header.js';
import { paddedBytes } from '../tar/tar-records.js';
import { sha256Of } from './content-hash.js';
import type { FilePacking } from './file-packing.js';
import { attributesOfOpen } from './read-attributes.js';
import type { FileAttributes } from './source-file.js';
import { storedMember } from './stored-member.js';

/** A file's content once as it was read into the archive. */
export interface FileReading {
  member: PackedMember;
  holes: SparseMap | undefined;
  /** Bytes that could not be read, and why, unless the file just ended. */
  missing: number;
  error: unknown;
}

const emptySha256 = sha256Of(Buffer.alloc(0));

/** Writes a file's headers and reads its content directly into the compressor's blocks. */
export async function storeContent(
  packing: FilePacking,
  entry: PlannedMember,
  fd: number,
  facts: FileAttributes,
  holes: SparseMap | undefined,
  length: number | undefined,
): Promise<FileReading> {
  const { tar, progress, checkStop } = packing;
  const found = attributesOfOpen(fd);
  const member = storedMember(entry, facts, found, { type: 'file', linkTarget: null }, tar.position);
  member.size = length ?? member.size;
  if (holes !== undefined) member.storedSize = holes.storedSize;
  await tar.write(encodeHeaders(member));
  member.contentOffset = tar.position;
  // A file read in one call, as nearly all are, needs no hash object.
  let hash: Hash | undefined;
  let sha256 = emptySha256;
  const stored = storedBytes(member);
  let left = stored;
  if (holes !== undefined) {
    hash = createHash('sha256').update(holes.bytes);
    await tar.write(holes.bytes);
    left -= holes.bytes.length;
    progress.bytesIn += holes.bytes.length;
  }
  for (const [from, to] of holes?.extents ?? [[0, stored] as const]) {
    for (let at = from; at < to;) {
      checkStop();
      const room = await tar.room();
      let bytes: number;
      try {
        // By position: a reread starts at the beginning again.
        bytes = readSync(fd, room, 0, Math.min(room.length, to - at), at);
      } catch (error) {
        return { member, holes, missing: left, error };
      }
      if (bytes === 0) return { member, holes, missing: left, error: undefined };
      const content = room.subarray(0, bytes);
      if (bytes === stored) sha256 = sha256Of(content);
      else (hash ??= createHash('sha256')).update(content);
      tar.advance(bytes);
      at += bytes;
      left -= bytes;
      progress.bytesIn += bytes;
      progress.bytesOut = tar.bytesOut;
    }
  }
  await tar.writeZeros(paddedBytes(stored) - stored);
  member.sha256 = hash?.digest('hex') ?? sha256;
  return { member, holes, missing: 0, error: undefined };
}
