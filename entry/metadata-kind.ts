/**
 * What a restored entry has besides its content, and what may be refused on its own: a user may not give files away,
 * and some file systems have no modes. `link`: it is a hard link no longer, but a file of its own.
 */
export const metadataKinds = ['owner', 'mode', 'times', 'attributes', 'acl', 'capability', 'link'] as const;

export type MetadataKind = (typeof metadataKinds)[number];

/** Numbers of entries that are not as they were backed up, by what differs; a kind that is missing has none. */
export type UnsetCounts = Partial<Record<MetadataKind, number>>;

/** Adds one entry's kinds to counts. */
export function countUnset(counts: UnsetCounts, kinds: readonly MetadataKind[]): void {
  for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1;
}

/** The sum of counts. */
export function sumUnset(all: readonly UnsetCounts[]): UnsetCounts {
  const sum: UnsetCounts = {};
  for (const counts of all)
    for (const kind of metadataKinds)
      if ((counts[kind] ?? 0) > 0) sum[kind] = (sum[kind] ?? 0) + (counts[kind] ?? 0);
  return sum;
}
