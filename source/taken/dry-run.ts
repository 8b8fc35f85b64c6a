import type { Catalog } from '../../catalog/open-catalog.js';
import type { NewGroup } from '../../catalog/files/write-batch.js';
import { maxArchiveBytes } from '../../catalog/groups/groups.js';
import { ignoredSigns, type IgnoredSigns } from '../../catalog/sets/ignored-signs.js';
import { BaseSet } from '../base-set.js';
import { GroupCutter, type PlanLimits } from '../group-cutter.js';
import { walk } from '../walk.js';
import type { WalkOptions } from '../walker.js';
import { linkedInode, type WalkedEntry } from '../walked-entry.js';

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

/**
 * Walks the sources and cuts them into groups as the scan of a set does, and writes nothing.
 *
 * @param baseId the set that it would build on; undefined for a full one.
 * @param onEntry told of every entry, in the order of the walk, and whether it is unchanged.
 */
export async function wouldStore(
  catalog: Catalog,
  options: Omit<WalkOptions, 'after'>,
  baseId: string | undefined,
  limits: PlanLimits & IgnoredSigns,
  onEntry: (entry: WalkedEntry, unchanged: boolean) => void,
): Promise<WouldStore> {
  const base = baseId === undefined ? undefined : await BaseSet.on(catalog, baseId, ignoredSigns(limits));
  const cutter = new GroupCutter('', limits);
  const found: WouldStore = { entries: 0, bytes: 0, unchanged: 0, skipped: 0, archives: 0, archiveBytes: 0 };
  for (const entry of walk({ ...options, after: undefined })) {
    const isUnchanged = base !== undefined && (await base.unchanged(entry)) !== undefined;
    // What is gone would pile up.
    base?.takeGone();
    cutter.enter(entry, entry.type === 'file' ? linkedInode(entry) : undefined, isUnchanged);
    if (entry.skipped !== null) found.skipped += 1;
    else if (isUnchanged) found.unchanged += 1;
    else found.entries += 1;
    onEntry(entry, isUnchanged);
    if (cutter.hasClosed) countGroups(found, cutter.take().closed, limits);
  }
  cutter.close();
  countGroups(found, cutter.take().closed, limits);
  return found;
}

/** Counts groups that were closed. One that neither staging nor a tape takes is a single file, and is skipped. */
function countGroups(found: WouldStore, groups: readonly NewGroup[], limits: PlanLimits): void {
  for (const { bytes, entries, unchanged, direct } of groups) {
    const most = maxArchiveBytes({ bytes, entries: entries - unchanged });
    if (most > limits.tapeBytes && (direct === 1 || most > limits.stagingBytes)) {
      found.entries -= 1;
      found.skipped += 1;
      continue;
    }
    found.archives += 1;
    found.bytes += bytes;
    found.archiveBytes += most;
  }
}
