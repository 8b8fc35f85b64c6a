import { requireArchive } from '../../catalog/groups/groups.js';
import { recordRestored, recordStaged } from '../../catalog/retrievals/read-results.js';
import { missedMembers } from '../../catalog/retrievals/retrieval-problems.js';
import { pendingArchive, retrievalNamed } from '../../catalog/retrievals/retrievals.js';
import { tapeByUuid } from '../../catalog/tapes/tapes.js';
import { TapeflowFailure } from '../../config/failures.js';
import { removeFile } from '../../disk/durable-file.js';
import { durably } from '../../disk/page-cache.js';
import { pauseFor } from '../../operations/attempt.js';
import type { Deps, RetrievalRef } from '../../operations/deps.js';
import { readCopy } from '../../operations/retrievals/read-copy.js';
import { readyTarget } from '../../operations/retrievals/ready-target.js';
import { targetHasRoom, type TargetShortage } from '../../operations/retrievals/restore-target.js';
import { confirmStaged, stagedFor, waitUntilStaged } from '../../operations/retrievals/stage-archive.js';
import { english } from '../../messages/sentence.js';
import { askedTarget } from './asked-target.js';
import { asDriveAttempt } from '../attempt.js';
import { usualCondition } from '../conditions.js';

/** Milliseconds between two checks of the target. */
const lookEveryMs = 1000;

/**
 * Restores the wanted members of an archive that the drive's host has read into staging, on the host of the target.
 * Fails with `TargetNotReady` when someone has to act first, and with `StagedArchiveDamaged` when it has to be read
 * from tape again; problems of single members are recorded, as when a drive's host restores.
 */
export function unpackArchive(deps: Deps, ref: RetrievalRef): Promise<void> {
  return asDriveAttempt(askedTarget(deps.settings, ref.id), usualCondition, async (attempt) => {
    const { catalog, logger } = deps;
    const row = await pendingArchive(catalog, ref.id, ref.no);
    if (row === undefined) return;
    const retrieval = await readyTarget(deps, attempt, await retrievalNamed(catalog, ref.id));
    const { target, salvage } = retrieval;
    if (target === null) return;
    const archive = await requireArchive(catalog, row.set_id, row.group_no);
    const file = stagedFor(deps, ref.id, archive);
    const tapeName = (await tapeByUuid(catalog, row.tape_uuid))?.name ?? row.tape_uuid;
    const missed = await missedMembers(catalog, row);
    const at = {
      ...{ tapeName, shown: english`${row.set_id}/${archive.name} on tape ${tapeName}` },
      confirm: () => confirmStaged(file, row.staged ?? ''),
    };
    try {
      await waitUntilStaged(deps, attempt, file);
      const read = await durably(target, () =>
        readCopy(deps, attempt, { retrieval, row, archive, file, missed }, at),
      );
      attempt.throwIfCancelled();
      const other = await attempt.commit(() => recordRestored(catalog, row, read, salvage === 1));
      await removeFile(file);
      const { set_id: setId, group_no: group } = row;
      const { counts, damage, ms } = read;
      logger[damage === null ? 'info' : 'warn'](
        { stage: 'read', retrieval: ref.id, setId, group, ...counts, ms, damage, tape: tapeName, other },
        other === undefined
          ? 'archive restored'
          : 'archive damaged; what is missing is read from another copy',
      );
    } catch (error) {
      if (error instanceof TapeflowFailure && error.code === 'StagedArchiveDamaged')
        await recordStaged(catalog, row, null);
      throw error;
    }
  });
}

/** Waits, for days if necessary, until the target takes what is still to be restored of an archive. */
export function waitForTargetRoom(deps: Deps, ref: RetrievalRef, lack: TargetShortage): Promise<void> {
  return asDriveAttempt(askedTarget(deps.settings, ref.id), usualCondition, async (attempt) => {
    const { catalog } = deps;
    for (;;) {
      const row = await pendingArchive(catalog, ref.id, ref.no);
      const { target } = await retrievalNamed(catalog, ref.id);
      if (row === undefined || target === null) return;
      if (await targetHasRoom(target, lack, { bytes: row.bytes, inodes: row.members })) return;
      attempt.report({ step: 'waiting for room', why: english`${target} takes no more` });
      await pauseFor(attempt, lookEveryMs);
    }
  });
}
