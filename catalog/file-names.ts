const slash = 0x2f;

/** Where in a member name its last part begins, from 1, as SQL counts; a folder's `/` at its end belongs to the part. */
export function nameStart(path: Uint8Array): number {
  return path.lastIndexOf(slash, path.length - 2) + 2;
}

/** What a base name must be like, in byte strings: this very name, or one with this beginning, or with these bytes in it. */
export type NameWish = { exactly: string } | { begins: string } | { holds: string };
