/** Bits per byte from which a block is stored instead of deflated: already compressed or encrypted. */
const incompressibleBits = 7.93;
/** Bytes that the estimate looks at, spread over the block. */
const sampleBytes = 16 * 1024;

const counts = new Uint32Array(256);

/** Shannon's entropy of a sample, in bits per byte. Counting 16 KiB costs some 20 µs of a block that takes 15 ms. */
export function isIncompressible(block: Buffer): boolean {
  if (block.length < sampleBytes) return false;
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
  return bits > incompressibleBits;
}
