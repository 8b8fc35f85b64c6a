import { createHash, type Hash } from 'node:crypto';
import { ftruncateSync } from 'node:fs';
import { sha256Of } from '../pack/content-hash.js';
import { writeAll } from '../pack/output-file.js';
import { ArchiveDamaged } from '../readers/archive-file.js';
import { endsInside, type TarSource } from '../readers/tar-source.js';
import type { SparseMap } from '../tar/sparse-map.js';
import { english } from '../../messages/sentence.js';
import type { WantedMember } from './unpack-options.js';

/** The work that a copy is part of. */
export interface CopyWork {
  /** Throws when it is to stop. */
  check(): void;
  /** More bytes of content are done. */
  done(bytes: number): void;
}

const emptySha256 = sha256Of(Buffer.alloc(0));

/**
 * Writes a member's content, with its holes, and verifies its hash. Without a descriptor it is only read.
 *
 * @param place where the content begins in the archive, and the map of its holes.
 */
export async function copyContent(
  { size, sha256 }: WantedMember,
  { offset, map }: { offset: number; map: SparseMap | undefined },
  source: TarSource,
  fd: number | undefined,
  work: CopyWork,
): Promise<void> {
  // Content in one piece, as that of nearly all files is, needs no hash object.
  let hash: Hash | undefined;
  let whole = emptySha256;
  if (map !== undefined) hash = createHash('sha256').update(map.bytes);
  if (map !== undefined && fd !== undefined) ftruncateSync(fd, size);
  let at = offset + (map?.bytes.length ?? 0);
  for (const [from, to] of map?.extents ?? [[0, size]]) {
    for (let place = from; place < to;) {
      work.check();
      const chunk = await source.chunkAt(at);
      if (chunk === undefined) throw endsInside(at);
      const begin = at - chunk.start;
      const part = chunk.data.subarray(begin, begin + to - place);
      if (map === undefined && part.length === size) whole = sha256Of(part);
      else (hash ??= createHash('sha256')).update(part);
      if (fd !== undefined) writeAll(fd, part, place);
      at += part.length;
      place += part.length;
      work.done(part.length);
    }
  }
  if (sha256 !== null && (hash?.digest('hex') ?? whole) !== sha256)
    throw new ArchiveDamaged(english`the content is not what was backed up: its SHA-256 differs`);
}
