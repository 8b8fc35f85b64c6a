/** Most bytes that are kept in a thread: what an archive on two cores uses at once, with some to spare. */
const mostBytes = 64 * 1024 * 1024;

/** The least recently used first. */
const kept: ArrayBufferLike[] = [];
let keptBytes = 0;

/**
 * Memory of just so many bytes, with whatever was in it before. A thread packs one archive after the other: memory made
 * for each would be garbage that is collected late, since V8 sees little of it.
 */
export function takeMemory(bytes: number): ArrayBufferLike {
  const at = kept.findLastIndex((memory) => memory.byteLength === bytes);
  const [found] = at < 0 ? [] : kept.splice(at, 1);
  // Unlike `new ArrayBuffer` it is not filled with zeros.
  if (found === undefined) return Buffer.allocUnsafeSlow(bytes).buffer;
  keptBytes -= bytes;
  return found;
}

/** Takes memory back that nothing will touch any more. */
export function giveMemory(memory: ArrayBufferLike): void {
  kept.push(memory);
  keptBytes += memory.byteLength;
  while (keptBytes > mostBytes) keptBytes -= kept.shift()?.byteLength ?? 0;
}
