import type { Catalog } from '../open-catalog.js';
import type { ArchiveRow } from '../rows.js';
import { transitionGroup } from './group-states.js';
import { bytesWithManifest, groupOf, requireArchive } from './groups.js';

/** Bytes of archives that one transaction deletes; all other transactions wait for it. */
const releasedAtOnce = 1024 ** 3;

/**
 * Deletes the staged archives of committed groups, and moves these on to `released`. Checks in the same transaction
 * that they are committed, since a tape may be marked as lost at any time, and then the staged bytes are the only ones.
 *
 * @param remove deletes staged archives; synchronous and short, and they may be gone already.
 * @returns the groups that this released.
 */
export async function releaseGroups(
  catalog: Catalog,
  setId: string,
  groups: readonly number[],
  remove: (archives: readonly ArchiveRow[]) => void,
): Promise<{ group: number; archive: ArchiveRow }[]> {
  const released: { group: number; archive: ArchiveRow }[] = [];
  for (let next = 0; next < groups.length;) {
    await catalog.transaction().execute(async (tx) => {
      const archives: ArchiveRow[] = [];
      for (let bytes = 0; next < groups.length && bytes < releasedAtOnce; next += 1) {
        const group = groups[next] as number;
        const { state, direct } = await groupOf(tx, setId, group);
        if (state !== 'committed') continue;
        const archive = await requireArchive(tx, setId, group);
        if (direct === 0) archives.push(archive);
        bytes += bytesWithManifest(archive);
        await transitionGroup(tx, setId, group, 'release', {}, [{ stage: 'released', bytes: archive.size }]);
        released.push({ group, archive });
      }
      remove(archives);
    });
  }
  return released;
}
