import path from 'node:path';
import { recordVerified } from '../../catalog/copies/copy-findings.js';
import { isOnTape } from '../../catalog/copies/other-copy.js';
import { bytesWithManifest, requireArchive } from '../../catalog/groups/groups.js';
import { reserveForCopy, unreserveForCopy } from '../../catalog/groups/staging-budget.js';
import { recordFailed } from '../../catalog/retrievals/archive-results.js';
import { switchToOtherCopy } from '../../catalog/retrievals/read-results.js';
import { pendingArchive } from '../../catalog/retrievals/retrievals.js';
import type { ArchiveRow, RetrievalArchiveRow } from '../../catalog/rows.js';
import { onSide } from '../../config/sides.js';
import { makeFolder, sizeOf } from '../../disk/durable-file.js';
import { partName } from '../../entry/archive-name.js';
import { copyRefOf } from '../../operations/copies/archive-to-copy.js';
import { readToStaging } from '../../operations/copies/read-to-staging.js';
import { earlierWrite } from '../../operations/copies/write-copy.js';
import type { DriveDeps, RetrievalRef } from '../../operations/deps.js';
import { leaveFullStaging } from '../../operations/retrievals/leave-full-staging.js';
import { copyDir } from '../../staging/paths.js';
import { requireForReading } from '../../tape/drives/loaded-tape.js';
import { isTooLarge, requireFits } from '../../tape/requirements/tape-limit.js';
import { english } from '../../messages/sentence.js';
import { asked } from '../asked.js';
import { asDriveAttempt } from '../attempt.js';
import { usualCondition } from '../conditions.js';

/** `full`: staging has no room for it now. `gone`: there is nothing to write. */
export type Fetched = 'staged' | 'full' | 'gone';

/**
 * Reads an archive to be copied, and its manifest, from the tape in the drive into staging, verifying their hashes. If
 * it is damaged, another copy is read later, or it is recorded as failed. Never waits for room: freeing some may need
 * this drive's slot. Fails with `TapeNotReady` when someone has to act first.
 */
export function fetchArchive(deps: DriveDeps, ref: RetrievalRef): Promise<Fetched> {
  return asDriveAttempt(asked(deps, 'staging'), usualCondition, async (attempt) => {
    const { catalog, drive, settings } = deps;
    const row = await pendingArchive(catalog, ref.id, ref.no);
    if (row === undefined || row.to_copy === null) return 'gone';
    const archive = await requireArchive(catalog, row.set_id, row.group_no);
    const folder = copyDir(settings.BACKUP_COMPRESS_DIR, ref.id);
    if (await onSide('staging', () => isStaged(folder, archive))) return 'staged';
    // Only its sync is missing.
    if ((await earlierWrite(catalog, copyRefOf(row), archive)) !== undefined) return 'staged';
    if (!(await isOnTape(catalog, row))) {
      await giveUpOrGoOn(
        deps,
        row,
        english`Group ${row.group_no} of set ${row.set_id} is on no tape any more.`,
        null,
      );
      return 'gone';
    }
    const bytes = bytesWithManifest(archive);
    try {
      const what = english`The archive of group ${row.group_no} of set ${row.set_id}`;
      await requireFits(catalog, row.to_pool ?? '', what, bytes);
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      await recordFailed(catalog, row, error.sentence);
      return 'gone';
    }
    const tape = await onSide('tape', () => requireForReading(drive, catalog, row.tape_uuid));
    if (!(await reserveForCopy(catalog, { ...ref, bytes }, settings.STAGING_MAX_BYTES))) return 'full';
    let damage: string | undefined;
    try {
      damage = await onSide('staging', async () => {
        await makeFolder(folder);
        return readToStaging(deps, attempt, row, archive, folder, tape);
      });
    } catch (error) {
      const { name, manifest_name: manifest } = archive;
      const files = [name, manifest, partName(name, attempt.token), partName(manifest, attempt.token)];
      const paths = files.map((file) => path.join(folder, file));
      await leaveFullStaging(deps, attempt, row, error, paths);
      return 'full';
    }
    attempt.throwIfCancelled();
    if (damage === undefined) return 'staged';
    await unreserveForCopy(catalog, ref.id, ref.no);
    await recordVerified(catalog, row, damage);
    await giveUpOrGoOn(deps, row, damage, damage);
    return 'gone';
  });
}

/** Another copy is read later, or the archive fails. */
async function giveUpOrGoOn(
  { catalog }: DriveDeps,
  row: RetrievalArchiveRow,
  why: string,
  damage: string | null,
): Promise<void> {
  if ((await switchToOtherCopy(catalog, row, damage)) !== undefined) return;
  const restore = english`No copy of group ${row.group_no} is whole, so that it is not copied;
    \`tapeflow restore ${row.set_id} --target DIR\` brings back each file that one of them holds whole.`;
  await recordFailed(catalog, row, damage === null ? why : `${why} ${restore}`);
}

async function isStaged(folder: string, archive: ArchiveRow): Promise<boolean> {
  return (
    (await sizeOf(path.join(folder, archive.name))) === archive.size &&
    (await sizeOf(path.join(folder, archive.manifest_name))) !== undefined
  );
}
