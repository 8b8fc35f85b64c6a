import type { Catalog } from '../../catalog/open-catalog.js';
import { maxArchiveBytes } from '../../catalog/groups/groups.js';
import { ignoredSigns, type IgnoredSigns } from '../../catalog/sets/ignored-signs.js';
import { BaseSet } from '../base-set.js';
import { walk, type WalkOptions } from '../walk.js';
import type { WalkedEntry } from '../walked-entry.js';

/** What a set would store; bytes of file content, without holes. */
export interface WouldStore {
  entries: number;
  bytes: number;
  /** Files that earlier sets hold. */
  unchanged: number;
  skipped: number;
  archives: number;
  /** Upper bound for the bytes of all archives, were nothing compressed. */
  archiveBytes: number;
}

/** How a set would be cut into groups; see `PlanLimits`. */
export interface DryLimits extends IgnoredSigns {
  groupBytes: number;
  groupFiles: number;
}

/**
 * Walks the sources as the scan of a set does, and writes nothing.
 *
 * @param baseId the set that it would build on; undefined for a full one.
 * @param onEntry told of every entry, in the order of the walk, and whether it is unchanged.
 */
export async function wouldStore(
  catalog: Catalog,
  options: Omit<WalkOptions, 'after'>,
  baseId: string | undefined,
  limits: DryLimits,
  onEntry: (entry: WalkedEntry, unchanged: boolean) => void,
): Promise<WouldStore> {
  const base = baseId === undefined ? undefined : await BaseSet.on(catalog, baseId, ignoredSigns(limits));
  const found: WouldStore = { entries: 0, bytes: 0, unchanged: 0, skipped: 0, archives: 0, archiveBytes: 0 };
  let group = { bytes: 0, entries: 0, stored: 0 };
  let inodes = new Set<string>();
  const close = () => {
    // A group of which nothing is stored has no archive.
    if (group.stored > 0) {
      found.archives += 1;
      found.archiveBytes += maxArchiveBytes({ bytes: group.bytes, entries: group.stored });
    }
    group = { bytes: 0, entries: 0, stored: 0 };
    inodes = new Set();
  };
  for (const entry of walk({ ...options, after: undefined })) {
    const { type, stats, skipped } = entry;
    const isUnchanged = base !== undefined && (await base.held(entry)) !== undefined;
    const size =
      type === 'file' && skipped === null && !isUnchanged ? (stats?.stored ?? stats?.size ?? 0) : 0;
    const inode =
      size > 0 && stats !== undefined && stats.nlink > 1 ? `${stats.dev}:${stats.ino}` : undefined;
    const isLink = () => inode !== undefined && inodes.has(inode);
    if (group.entries >= limits.groupFiles || group.bytes + (isLink() ? 0 : size) > limits.groupBytes)
      close();
    const bytes = isLink() ? 0 : size;
    if (inode !== undefined) inodes.add(inode);
    group.entries += 1;
    group.bytes += bytes;
    if (skipped === null && !isUnchanged) group.stored += 1;
    found.bytes += bytes;
    if (skipped !== null) found.skipped += 1;
    else if (isUnchanged) found.unchanged += 1;
    else found.entries += 1;
    onEntry(entry, isUnchanged);
  }
  close();
  return found;
}
