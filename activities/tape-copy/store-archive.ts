import path from 'node:path';
import { examineManifest } from '../../archive/manifest/examine-manifest.js';
import { requireArchive } from '../../catalog/groups/groups.js';
import { unreserveForCopy } from '../../catalog/groups/staging-budget.js';
import { recordFailed } from '../../catalog/retrievals/archive-results.js';
import { pendingArchive } from '../../catalog/retrievals/retrievals.js';
import type { ArchiveRow } from '../../catalog/rows.js';
import { onSide } from '../../config/sides.js';
import { isEncrypted } from '../../entry/archive-format.js';
import { sizeOf } from '../../disk/durable-file.js';
import { copyRefOf, removeStaged, requirementsOf } from '../../operations/copies/archive-to-copy.js';
import { stageCatalogManifest } from '../../operations/copies/read-to-staging.js';
import { type WrittenArchive, earlierWrite, writeArchive } from '../../operations/copies/write-copy.js';
import type { Attempt } from '../../operations/attempt.js';
import type { Deps, DriveDeps, RetrievalRef } from '../../operations/deps.js';
import { copyDir } from '../../staging/paths.js';
import type { LoadedTape } from '../../tape/drives/loaded-tape.js';
import { hashOf } from '../../tape/files/hash-file.js';
import { requireTape } from '../../tape/requirements/require-tape.js';
import { isTooLarge } from '../../tape/requirements/tape-limit.js';
import { asked } from '../asked.js';
import { asDriveAttempt } from '../attempt.js';
import { driveCondition } from '../conditions.js';

/**
 * Writes a staged archive of a copy to the tape in the drive; `syncCopies` then commits it. Null when there is nothing
 * left to write. Fails with `TapeNotReady` when someone has to act first.
 *
 * @param wanted UUID of the only acceptable tape, when it holds unsynced archives of the copy.
 */
export function storeArchive(
  deps: DriveDeps,
  ref: RetrievalRef,
  wanted?: string,
): Promise<WrittenArchive | null> {
  return asDriveAttempt(asked(deps, 'staging'), driveCondition, async (attempt) => {
    const { catalog, drive, lock } = deps;
    const row = await pendingArchive(catalog, ref.id, ref.no);
    if (row === undefined || row.to_copy === null) return null;
    const archive = await requireArchive(catalog, row.set_id, row.group_no);
    const copy = copyRefOf(row);
    const earlier = await earlierWrite(catalog, copy, archive);
    if (earlier !== undefined) return earlier;
    const folder = copyDir(deps.settings.BACKUP_COMPRESS_DIR, ref.id);
    const lose = async () => {
      attempt.throwIfCancelled();
      await removeStaged(folder, archive);
      await unreserveForCopy(catalog, ref.id, ref.no);
    };
    let tape: LoadedTape;
    try {
      tape = await requireTape(drive, catalog, requirementsOf(row, archive, wanted));
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      await lose();
      await recordFailed(catalog, row, error.sentence);
      return null;
    }
    const manifest = await onSide('staging', () => stagedManifest(deps, attempt, folder, archive));
    const staged = { folder, lose, manifest };
    return lock.hold(tape.medium, () => writeArchive(deps, copy, archive, staged, attempt, tape));
  });
}

/**
 * The staged manifest of a copy, if it is not the archive's own; undefined when it is. If it is neither that nor
 * complete, it counts as lost, like wrong staged bytes of the archive. One that is encrypted cannot be examined, and is
 * written anew.
 */
async function stagedManifest(
  deps: Deps,
  attempt: Attempt,
  folder: string,
  archive: ArchiveRow,
): Promise<{ size: number; sha256: string } | undefined> {
  const { set_id: set, group_no: group, name } = archive;
  const file = path.join(folder, archive.manifest_name);
  if ((await sizeOf(file)) === undefined) return undefined;
  const found = await hashOf(file);
  if (found.sha256 === archive.manifest_sha256) return undefined;
  if (isEncrypted(name)) {
    await stageCatalogManifest(deps, attempt, archive, folder);
    return hashOf(file);
  }
  const facts = await examineManifest(file, { set, group, archives: [name] });
  return 'wrong' in facts || facts.end.sha256 !== archive.sha256 ? undefined : found;
}
