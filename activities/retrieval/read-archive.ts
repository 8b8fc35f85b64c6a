import path from 'node:path';
import type { RetrievalArchiveRow, RetrievalRow } from '../../catalog/rows.js';
import { requireArchive } from '../../catalog/groups/groups.js';
import { isOnTape } from '../../catalog/copies/other-copy.js';
import { recordFailed } from '../../catalog/retrievals/archive-results.js';
import {
  type CopyRead,
  recordRestored,
  recordVerify,
  switchToOtherCopy,
} from '../../catalog/retrievals/read-results.js';
import { missedMembers } from '../../catalog/retrievals/retrieval-problems.js';
import { pendingArchive, retrievalNamed } from '../../catalog/retrievals/retrievals.js';
import { forgetMark, wasMarked } from '../../catalog/sets/set-end.js';
import { tapeByUuid } from '../../catalog/tapes/tapes.js';
import { durably } from '../../disk/page-cache.js';
import { confirmMedium } from '../../tape/drives/drive.js';
import { hasEndMark } from '../../tape/labels/end-mark.js';
import { requireForReading, type LoadedTape } from '../../tape/drives/loaded-tape.js';
import { asked } from '../asked.js';
import { asDriveAttempt } from '../attempt.js';
import { usualCondition } from '../conditions.js';
import type { DriveDeps, RetrievalRef } from '../../operations/deps.js';
import { readyTarget } from '../../operations/retrievals/ready-target.js';
import { isTargetElsewhere } from '../../operations/retrievals/restore-target.js';
import { readCopy } from '../../operations/retrievals/read-copy.js';
import { english } from '../../messages/sentence.js';

/**
 * Reads the wanted members of one archive from the tape in the drive: a restore writes them below its target, a verify
 * compares them. Returns `elsewhere` when the target is on another host. Fails with `TapeNotReady` or `TargetNotReady`
 * when someone has to act first; problems of single members or of the archive are recorded instead, and the retrieval
 * continues.
 */
export function readArchive(deps: DriveDeps, ref: RetrievalRef): Promise<'elsewhere' | undefined> {
  return asDriveAttempt(asked(deps, 'target'), usualCondition, async (attempt) => {
    const { catalog, drive } = deps;
    const row = await pendingArchive(catalog, ref.id, ref.no);
    if (row === undefined) return undefined;
    const before = await retrievalNamed(catalog, ref.id);
    if (isTargetElsewhere(deps.settings, before)) return 'elsewhere';
    const archive = await requireArchive(catalog, row.set_id, row.group_no);
    const retrieval = await readyTarget(deps, attempt, before);
    if (!(await isOnTape(catalog, row))) {
      await attempt.commit(() => recordLost(deps, row));
      return undefined;
    }
    const tape = await requireForReading(drive, catalog, row.tape_uuid);
    const file = path.join(drive.settings.path, row.set_id, archive.name);
    const missed = await missedMembers(catalog, row);
    const at = {
      tapeName: tape.row.name,
      shown: file,
      confirm: () => confirmMedium(drive.settings, tape.medium),
    };
    const read = await durably(retrieval.target, () =>
      readCopy(deps, attempt, { retrieval, row, archive, file, missed }, at),
    );
    if (retrieval.kind === 'verify') await noteGoneMark(deps, row, tape);
    attempt.throwIfCancelled();
    const other = await attempt.commit(() => record(deps, retrieval, row, read));
    const level = read.damage === null ? 'info' : 'warn';
    const { set_id: setId, group_no: group } = row;
    const { counts, damage, ms } = read;
    deps.logger[level](
      { stage: 'read', retrieval: ref.id, setId, group, ...counts, ms, damage, tape: tape.row.name, other },
      other === undefined ? 'archive read' : 'archive damaged; what is missing is read from another copy',
    );
    return undefined;
  });
}

/** Records that an end mark is missing on its tape, so that the verify can say so at its end. No file is affected. */
async function noteGoneMark(
  { catalog, drive }: DriveDeps,
  { set_id: setId }: RetrievalArchiveRow,
  tape: LoadedTape,
): Promise<void> {
  const { uuid } = tape.row;
  if (!(await wasMarked(catalog, setId, uuid)) || (await hasEndMark(drive.settings.path, setId))) return;
  // If the tape was removed, everything is missing.
  await confirmMedium(drive.settings, tape.medium);
  await forgetMark(catalog, setId, uuid);
}

async function record(
  { catalog }: DriveDeps,
  retrieval: RetrievalRow,
  row: RetrievalArchiveRow,
  read: CopyRead,
): Promise<string | undefined> {
  if (retrieval.kind === 'restore') return recordRestored(catalog, row, read, retrieval.salvage === 1);
  await recordVerify(catalog, row, read);
  return undefined;
}

/** The tape of the copy is lost: another copy is read later, or the archive fails. */
export async function recordLost({ catalog }: DriveDeps, row: RetrievalArchiveRow): Promise<void> {
  if ((await switchToOtherCopy(catalog, row, null)) !== undefined) return;
  const { set_id: setId, group_no: group } = row;
  const name = (await tapeByUuid(catalog, row.tape_uuid))?.name ?? row.tape_uuid;
  const reason = english`Group ${group} of set ${setId} was on tape ${name}, which is lost,
    and there is no other copy of it.`;
  await recordFailed(catalog, row, reason);
}
