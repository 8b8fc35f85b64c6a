import type { Hole } from '../../disk/read-with-retries.js';

/** A part of an archive's content that is not there; the buffer holds zeros in its place. */
export interface LostRange extends Hole {
  /** Why, as a part of a sentence. */
  why: string;
  /** True where the medium cannot return it, false where what it returns is damaged. */
  isUnreadable: boolean;
}

export interface BytesRead {
  /** Bytes up to the end of the content, lost ones too. */
  bytes: number;
  /** Relative to where the read began. */
  holes: readonly LostRange[];
}

/** What an archive file holds: its own bytes, or those that are encrypted in it. */
export interface ArchiveBytes {
  readonly size: number;
  /** Bytes of the file itself. */
  readonly fileSize: number;
  /** Where the content ends that the hash is of already; what is read in order is hashed. */
  readonly hashedTo: number;
  /**
   * Reads content from a position. Synchronous unless a read fails, so that reads stay in order.
   *
   * @param tear stop at the first hole: the bytes are useless unless complete.
   */
  read(into: Buffer, position: number, tear: boolean): BytesRead | Promise<BytesRead>;
  /** SHA-256 in hex of the file as far as it was hashed, with zeros for what is unreadable. */
  sha256(): string;
  close(): void;
}
