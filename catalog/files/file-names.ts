const slash = 0x2f;

/**
 * Where in a member name its last part begins, from 1, as SQL counts; a folder's `/` at its end belongs to the part.
 */
export function nameStart(path: Uint8Array): number {
  return path.lastIndexOf(slash, path.length - 2) + 2;
}

/** The first bytes that are past everything with this beginning, for a range of an index; undefined when none are. */
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

/**
 * What a base name must be like, in byte strings: this very name, or one with this beginning, or with these bytes in
 * it.
 */
export type NameWish = { exactly: string } | { begins: string } | { holds: string };
