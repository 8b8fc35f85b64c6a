import path from 'node:path';
import { isOnTape } from '../../catalog/copies/other-copy.js';
import { requireArchive } from '../../catalog/groups/groups.js';
import { reserveForCopy } from '../../catalog/groups/staging-budget.js';
import { recordRestored, recordStaged } from '../../catalog/retrievals/read-results.js';
import { missedMembers } from '../../catalog/retrievals/retrieval-problems.js';
import { pendingArchive, retrievalNamed } from '../../catalog/retrievals/retrievals.js';
import { onSide } from '../../config/sides.js';
import { makeFolder, sizeOf } from '../../disk/durable-file.js';
import type { DriveDeps, RetrievalRef } from '../../operations/deps.js';
import { leaveFullStaging } from '../../operations/retrievals/leave-full-staging.js';
import { lostCopy, stageArchive, stagedFor } from '../../operations/retrievals/stage-archive.js';
import { requireForReading } from '../../tape/drives/loaded-tape.js';
import { asked } from '../asked.js';
import { asDriveAttempt } from '../attempt.js';
import { usualCondition } from '../conditions.js';
import { recordLost } from './read-archive.js';
import type { Fetched } from '../tape-copy/fetch-archive.js';

/**
 * Reads an archive from the tape in the drive into staging, where the host of a restore's target unpacks it. Never
 * waits for room. Fails with `TapeNotReady` when someone has to act first; of a copy that cannot be read at all,
 * another one is read later, or the archive is recorded as failed.
 */
export function fetchForTarget(deps: DriveDeps, ref: RetrievalRef): Promise<Fetched> {
  return asDriveAttempt(asked(deps, 'staging'), usualCondition, async (attempt) => {
    const { catalog, drive, settings } = deps;
    const row = await pendingArchive(catalog, ref.id, ref.no);
    if (row === undefined) return 'gone';
    const { salvage } = await retrievalNamed(catalog, ref.id);
    const archive = await requireArchive(catalog, row.set_id, row.group_no);
    const file = stagedFor(deps, ref.id, archive);
    if (row.staged !== null && (await onSide('staging', () => sizeOf(file))) !== undefined) return 'staged';
    if (!(await isOnTape(catalog, row))) {
      await attempt.commit(() => recordLost(deps, row));
      return 'gone';
    }
    const tape = await onSide('tape', () => requireForReading(drive, catalog, row.tape_uuid));
    const need = { ...ref, bytes: archive.size };
    if (!(await reserveForCopy(catalog, need, settings.STAGING_MAX_BYTES))) return 'full';
    let staged: Awaited<ReturnType<typeof stageArchive>>;
    try {
      staged = await onSide('staging', async () => {
        await makeFolder(path.dirname(file));
        return stageArchive(deps, attempt, { row, archive, file }, tape);
      });
    } catch (error) {
      await leaveFullStaging(deps, attempt, row, error, [file]);
      return 'full';
    }
    attempt.throwIfCancelled();
    if ('lost' in staged) {
      const lost = lostCopy(row, await missedMembers(catalog, row), staged.lost);
      await attempt.commit(() => recordRestored(catalog, row, lost, salvage === 1));
      return 'gone';
    }
    const { sha256 } = staged;
    await attempt.commit(() => recordStaged(catalog, row, sha256));
    return 'staged';
  });
}
