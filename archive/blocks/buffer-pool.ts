/** Maximum bytes kept per thread: what an archive on two cores uses at once, plus a margin. */
const maxBytes = 64 * 1024 * 1024;

/** Least recently used first. */
const kept: ArrayBufferLike[] = [];
let keptBytes = 0;

/**
 * A buffer of exactly this size, not cleared. A thread packs one archive after the other; buffers allocated for each
 * would be collected late, since V8 sees little of this memory.
 */
export function acquireBuffer(bytes: number): ArrayBufferLike {
  const at = kept.findLastIndex((memory) => memory.byteLength === bytes);
  const [found] = at < 0 ? [] : kept.splice(at, 1);
  // Unlike `new ArrayBuffer`, this is not filled with zeros.
  if (found === undefined) return Buffer.allocUnsafeSlow(bytes).buffer;
  keptBytes -= bytes;
  return found;
}

/** Returns a buffer that nothing uses any more. */
export function releaseBuffer(memory: ArrayBufferLike): void {
  kept.push(memory);
  keptBytes += memory.byteLength;
  while (keptBytes > maxBytes) keptBytes -= kept.shift()?.byteLength ?? 0;
}
