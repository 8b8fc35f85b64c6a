const slash = 0x2f;

/**
 * Position of the last part of a member name, counted from 1 as in SQL; a folder's trailing `/` belongs to the part.
 */
export function nameStart(path: Uint8Array): number {
  return path.lastIndexOf(slash, path.length - 2) + 2;
}

/**
 * The smallest bytes after everything with this prefix, as the end of an index range; undefined when there are none.
 */
export function pastBeginning(beginning: Uint8Array): Uint8Array | undefined {
  const past = Buffer.from(beginning);
  for (let end = past.length; end > 0; end -= 1) {
    const last = past[end - 1] ?? 0;
    if (last === 0xff) continue;
    past[end - 1] = last + 1;
    return past.subarray(0, end);
  }
  return undefined;
}

/** How a base name is matched, in byte strings: exactly, by its beginning, or by bytes that it contains. */
export type NameQuery = { exactly: string } | { begins: string } | { holds: string };
