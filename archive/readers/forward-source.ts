import type { TarSource } from './tar-source.js';

/** An archive that is read from start to end without its manifest. */
export interface ForwardSource extends TarSource {
  /** Bytes of the file. */
  readonly fileBytes: number;
  /** Compressed bytes of each good block so far, the index; empty when the blocks were not made by the packer. */
  readonly blocks: readonly number[];
  /** The first uncompressed byte still available, in the chunk before the last. */
  readonly begin: number;
  /**
   * Uncompressed bytes of a block, if offsets after damage may be wrong by some blocks, since the number of lost blocks
   * is not always known. Otherwise undefined.
   */
  readonly step: number | undefined;
  /**
   * After `ArchiveDamaged`: continues after the damage. Returns the first readable byte; undefined when nothing
   * readable follows.
   */
  resync(): Promise<number | undefined>;
  /** SHA-256 of the whole file in hex, even if it cannot be decompressed; nothing can be read afterwards. */
  sha256(): Promise<string>;
}
