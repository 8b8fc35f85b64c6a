import { groupOf, releaseGroups, requireArchive } from '../catalog/groups.js';
import { fsyncFolder, removeAll } from '../staging/durable-file.js';
import { finalDir, tempDir } from '../staging/paths.js';
import { logStage, type Deps } from './deps.js';
import { asStagingAttempt } from './staging-condition.js';

/** Deletes the staged archives of committed groups, and only of those. */
export function releaseArchives(deps: Deps, setId: string, groups: number[]): Promise<void> {
  return asStagingAttempt(deps, async () => {
    const { catalog, settings } = deps;
    const root = settings.BACKUP_COMPRESS_DIR;
    const released: { group: number; bytes: number; archive: string }[] = [];
    const names: string[] = [];
    for (const group of groups) {
      // The catalog decides, not the history: its commit is what makes the staged bytes superfluous.
      const { state, direct } = await groupOf(catalog, setId, group);
      if (state !== 'committed') continue;
      const archive = await requireArchive(catalog, setId, group);
      if (direct === 0) names.push(archive.name, archive.manifest_name);
      released.push({ group, bytes: archive.size, archive: archive.name });
    }
    for (const folder of [finalDir(root, setId), tempDir(root, setId)]) await removeAll(folder, names);
    await releaseGroups(catalog, setId, released);
    for (const { group, bytes, archive } of released)
      logStage(deps, 'released', { setId, group }, { archive, bytes });
    await fsyncFolder(finalDir(root, setId)).catch(() => undefined);
  });
}
