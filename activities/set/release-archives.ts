import { releaseGroups } from '../../catalog/groups/release-groups.js';
import { removeAllSync } from '../../disk/part-files.js';
import { fsyncFolder } from '../../disk/durable-file.js';
import { finalDir, tempDir } from '../../staging/paths.js';
import type { Deps } from '../../operations/deps.js';
import { logStage } from '../../operations/groups/log-stage.js';
import { asStagingAttempt } from './staging-condition.js';

/**
 * Deletes the staged archives of committed groups, and only of those. The catalog decides, not the history: only its
 * commit makes the staged bytes dispensable.
 */
export function releaseArchives(deps: Deps, setId: string, groups: number[]): Promise<void> {
  return asStagingAttempt(deps, async () => {
    const { catalog, settings } = deps;
    const root = settings.BACKUP_COMPRESS_DIR;
    const released = await releaseGroups(catalog, setId, groups, (archives) => {
      const names = archives.flatMap((archive) => [archive.name, archive.manifest_name]);
      for (const folder of [finalDir(root, setId), tempDir(root, setId)]) removeAllSync(folder, names);
    });
    for (const { group, archive } of released)
      logStage(deps, 'released', { setId, group }, { archive: archive.name, bytes: archive.size });
    await fsyncFolder(finalDir(root, setId)).catch(() => undefined);
  });
}
