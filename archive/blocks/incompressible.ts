/** Bits per byte above which a block is stored instead of deflated, since it is already compressed or encrypted. */
export const incompressibleBits = 7.93;
/** Bytes sampled for the estimate, spread over the block. */
const sampleBytes = 16 * 1024;

const counts = new Uint32Array(256);

/** True for a block that looks like random data. */
export function isIncompressible(block: Buffer): boolean {
  return bitsPerByte(block) > incompressibleBits;
}

/**
 * Shannon entropy of a sample; 0 for a block shorter than the sample. Counting 16 KiB costs some 20 µs of a block that
 * takes 15 ms.
 */
export function bitsPerByte(block: Buffer): number {
  if (block.length < sampleBytes) return 0;
  const stretch = 256;
  const stretches = sampleBytes / stretch;
  const stride = Math.floor((block.length - stretch) / (stretches - 1));
  counts.fill(0);
  for (let at = 0; at + stretch <= block.length; at += stride) {
    for (let i = at; i < at + stretch; i += 1) {
      const byte = block[i] ?? 0;
      counts[byte] = (counts[byte] ?? 0) + 1;
    }
  }
  let total = 0;
  for (const count of counts) total += count;
  let bits = 0;
  for (const count of counts) if (count > 0) bits -= (count / total) * Math.log2(count / total);
  return bits;
}
