import { english } from '../../messages/sentence.js';
import { ArchiveDamaged } from './archive-file.js';

/** Uncompressed bytes of an archive, from `start` on. */
export interface Chunk {
  start: number;
  data: Buffer;
}

/**
 * The uncompressed bytes of an archive, read forward. Every method but `close` throws `ArchiveDamaged`, and a
 * `SideError` of the tape for what concerns more than the bytes asked for.
 */
export interface TarSource {
  /**
   * The chunk that contains the byte at `offset`; undefined at the end of the archive. Earlier chunks may be dropped.
   */
  chunkAt(offset: number): Promise<Chunk | undefined>;
  /** Announces which bytes will be read next, so that they can be read ahead; ascending. */
  prefetch(from: number, to: number): void;
  close(): void;
}

/** The error for an archive that ends inside a file's content. */
export function endsInside(at: number): ArchiveDamaged {
  return new ArchiveDamaged(english`it ends after ${at} bytes, inside the file`);
}
