import path from 'node:path';
import { advanceGroup, groupOf, requireArchive } from '../catalog/groups.js';
import { fsyncFolder, removeFile, removeParts } from '../staging/durable-file.js';
import { finalDir, tempDir } from '../staging/paths.js';
import { asAttempt } from './attempt.js';
import { logStage, type Deps } from './deps.js';
import { stagingCondition } from './staging-condition.js';

/** Deletes the staged archives of committed groups, and only of those. */
export function releaseArchives(deps: Deps, setId: string, groups: number[]): Promise<void> {
  return asAttempt(async () => {
    const { catalog, settings } = deps;
    const root = settings.BACKUP_COMPRESS_DIR;
    for (const group of groups) {
      // The catalog decides, not the history: its commit is what makes the staged bytes superfluous.
      const { state, direct } = await groupOf(catalog, setId, group);
      if (state !== 'committed') continue;
      const archive = await requireArchive(catalog, setId, group);
      if (direct === 0) {
        for (const name of [archive.name, archive.manifest_name]) {
          for (const folder of [finalDir(root, setId), tempDir(root, setId)]) {
            await removeFile(path.join(folder, name));
            await removeParts(folder, name);
          }
        }
      }
      await advanceGroup(catalog, setId, group, ['committed'], 'released', {
        stage: 'released',
        bytes: archive.size,
      });
      logStage(deps, 'released', { setId, group }, { archive: archive.name, bytes: archive.size });
    }
    await fsyncFolder(finalDir(root, setId)).catch(() => undefined);
  }, stagingCondition(deps));
}
