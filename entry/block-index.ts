/** The index of an archive's blocks, which its manifest ends with. */
export interface BlockIndex {
  /** Uncompressed bytes of each block but the last. */
  blockBytes: number;
  /** Compressed bytes of each block, in order. */
  blocks: readonly number[];
}

/** The catalog's form of an index: 32-bit little-endian numbers. */
export function encodeBlocks(blocks: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(blocks.length * 4);
  blocks.forEach((block, at) => bytes.writeUInt32LE(block, at * 4));
  return bytes;
}

/** The inverse of `encodeBlocks`. */
export function decodeBlocks(encoded: Uint8Array): number[] {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, at) => bytes.readUInt32LE(at * 4));
}
