import { Buffer } from 'node:buffer';

/**
 * An encrypted file in the format of age (age-encryption.org/v1): a header in lines, which wraps the file's key for
 * each recipient; a nonce; and the content in chunks, each encrypted by itself with ChaCha20-Poly1305, so that a reader
 * can begin at any. docs/format.md describes it.
 */

/** Bytes of content in each chunk but the last, and of its authentication tag behind them. */
export const chunkBytes = 64 * 1024;
export const tagBytes = 16;
export const sealedChunkBytes = chunkBytes + tagBytes;

/** Bytes of the nonce between header and chunks, from which the key of the chunks is derived. */
export const payloadNonceBytes = 16;

export const cipher = 'chacha20-poly1305';

/** Nonce of a chunk: its number in eleven bytes, big-endian, and 1 for the last chunk, else 0. */
export function chunkNonce(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  // Numbers below 2^48 suffice for 16 exabytes.
  nonce.writeUIntBE(number, 5, 6);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}

/** Bytes of content in a file whose chunks have so many bytes. */
export function contentBytes(chunks: number): number {
  const count = Math.ceil(chunks / sealedChunkBytes);
  return Math.max(0, chunks - count * tagBytes);
}

/** What opens an encrypted file, as plain data for threads. A secret: it is kept in memory alone. */
export interface PayloadKey {
  /** The key of its chunks. */
  key: Uint8Array;
  /** Byte of the file where the first chunk begins. */
  begins: number;
}
