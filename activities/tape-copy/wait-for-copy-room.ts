import { isOnTape } from '../../catalog/copies/other-copy.js';
import { bytesWithManifest, requireArchive } from '../../catalog/groups/groups.js';
import { reserveForCopy } from '../../catalog/groups/staging-budget.js';
import { pendingArchive } from '../../catalog/retrievals/retrievals.js';
import type { RetrievalArchiveRow } from '../../catalog/rows.js';
import { formatBytes } from '../../config/sizes.js';
import { makeFolder } from '../../disk/durable-file.js';
import { pauseFor } from '../../operations/attempt.js';
import type { DriveDeps, RetrievalRef } from '../../operations/deps.js';
import { type Shortage, shortageOrFull, spaceShortage } from '../../operations/groups/staging-room.js';
import { copyDir } from '../../staging/paths.js';
import { english } from '../../messages/sentence.js';
import { asAttempt } from '../attempt.js';

/** Milliseconds between two checks of staging. */
const lookEveryMs = 1000;

/** Waits until staging has room for an archive to be copied, in its budget and on its disk. */
export function waitForCopyRoom(deps: DriveDeps, ref: RetrievalRef): Promise<void> {
  return asAttempt(async (attempt) => {
    const { catalog, settings } = deps;
    const budget = settings.STAGING_MAX_BYTES;
    for (;;) {
      const row = await pendingArchive(catalog, ref.id, ref.no);
      if (row === undefined || !(await isOnTape(catalog, row))) return;
      const archive = await requireArchive(catalog, row.set_id, row.group_no);
      const bytes = bytesWithManifest(archive);
      const lack = await copyShortage(deps, row, bytes);
      if (lack === undefined && (await reserveForCopy(catalog, { ...ref, bytes }, budget))) return;
      attempt.report({
        ...{
          step: 'waiting for staging',
          why: english`the staging budget of ${formatBytes(budget)} is taken`,
        },
        ...lack,
      });
      await pauseFor(attempt, lookEveryMs);
    }
  });
}

/** Why the staging disk has no room for an archive; undefined when it has. */
async function copyShortage(
  { settings }: DriveDeps,
  { retrieval_id: id, set_id: setId, group_no: group }: RetrievalArchiveRow,
  bytes: number,
): Promise<Shortage | undefined> {
  const folder = copyDir(settings.BACKUP_COMPRESS_DIR, id);
  return shortageOrFull(settings.BACKUP_COMPRESS_DIR, async () => {
    await makeFolder(folder);
    return spaceShortage(folder, { setId, group }, bytes);
  });
}
