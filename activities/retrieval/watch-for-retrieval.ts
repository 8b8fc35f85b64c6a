import { triedOf } from '../../catalog/retrievals/read-results.js';
import { pendingArchive, recordRetrieval, retrievalNamed } from '../../catalog/retrievals/retrievals.js';
import type { RetrievalArchiveRow } from '../../catalog/rows.js';
import { goodCopies, isOnTape, switchToCopy, type GoodCopy } from '../../catalog/copies/other-copy.js';
import { dropPending, sliceOf } from '../../catalog/retrievals/slices.js';
import { endSearch, noteMissing, type TapeSearch } from '../../catalog/retrievals/tape-search.js';
import { tapeByUuid } from '../../catalog/tapes/tapes.js';
import { TapeflowFailure } from '../../config/failures.js';
import { loadedTapeId } from '../../tape/labels/label.js';
import { requireForReading, type LoadedTape } from '../../tape/drives/loaded-tape.js';
import { asked } from '../asked.js';
import { asDriveAttempt } from '../attempt.js';
import { usualCondition } from '../conditions.js';
import { pauseFor, type Attempt } from '../../operations/attempt.js';
import type { DriveDeps, RetrievalRef } from '../../operations/deps.js';
import { targetHasRoom, type TargetShortage } from '../../operations/retrievals/restore-target.js';
import { english } from '../../messages/sentence.js';

/** Milliseconds between two checks of the drive and the target. */
const lookEveryMs = 1000;

/**
 * Waits, for days if necessary, until the archive's tape or another one with a good copy is in the drive, and the
 * target accepts files. Only reads.
 *
 * @param lack the target's free space when it accepted no more; if undefined, waits only for the tape.
 * @param search the search over several drives, each checked by its own worker. With `lack`, waits only for the target,
 *   and stops when the tape is removed.
 * @returns UUID of the tape in the drive to read from; null when there is nothing to read, for example because the
 *   archive was read meanwhile.
 */
export function watchForRetrieval(
  deps: DriveDeps,
  ref: RetrievalRef,
  lack?: TargetShortage,
  search?: TapeSearch,
): Promise<string | null> {
  return asDriveAttempt(asked(deps, 'target'), usualCondition, async (attempt) => {
    const { catalog } = deps;
    const retrieval = await retrievalNamed(catalog, ref.id);
    const { kind, target } = retrieval;
    const isSlice = sliceOf(retrieval) !== undefined;
    for (let looks = 1; ; looks += 1) {
      const row = await pendingArchive(catalog, ref.id, ref.no);
      const isWanted = row !== undefined && (await isOnTape(catalog, row));
      if (!isWanted) {
        if (search !== undefined) await endSearch(catalog, ref.id, search, deps.drive.settings.name);
        // The next read reports that its tape is lost.
        return row?.tape_uuid ?? null;
      }
      if (
        search !== undefined &&
        lack !== undefined &&
        (await tapeOrWhy(deps, row)) instanceof TapeflowFailure
      )
        return null;
      const found =
        search === undefined || lack !== undefined
          ? await isLoaded(deps, attempt, row, kind !== 'verify')
          : await isFound(deps, attempt, row, search, { looks, mayTakeOther: kind !== 'verify' });
      if (found !== undefined) {
        if (target === null || lack === undefined) return found;
        if (await targetHasRoom(target, lack, { bytes: row.bytes, inodes: row.members })) return found;
        attempt.report({ step: 'waiting for room', why: english`${target} takes no more` });
      }
      // A slice asks nobody for a tape: what is on one that was taken out is left to a later slice.
      if (isSlice && looks >= patientLooks) await dropPending(catalog, ref.id, row.tape_uuid);
      else await pauseFor(attempt, lookEveryMs);
    }
  });
}

/** The tape in the drive, if the archive is read from it; otherwise what to tell the user. */
async function tapeOrWhy(
  { catalog, drive }: DriveDeps,
  row: RetrievalArchiveRow,
): Promise<LoadedTape | TapeflowFailure> {
  try {
    return await requireForReading(drive, catalog, row.tape_uuid);
  } catch (error) {
    if (!(error instanceof TapeflowFailure) || error.kind !== 'person') throw error;
    return error;
  }
}

/** UUID of the tape in the only drive, if it is to be read; otherwise records what is there. */
async function isLoaded(
  deps: DriveDeps,
  attempt: Attempt,
  row: RetrievalArchiveRow,
  mayTakeOther: boolean,
): Promise<string | undefined> {
  const { catalog } = deps;
  const other = mayTakeOther ? await otherLoaded(deps, row) : undefined;
  if (other !== undefined) {
    await switchToCopy(catalog, row, other);
    return other.tape;
  }
  const tape = await tapeOrWhy(deps, row);
  if (!(tape instanceof TapeflowFailure)) return tape.row.uuid;
  await recordRetrieval(catalog, row.retrieval_id, 'waiting_for_tape', tape.sentence);
  attempt.report({ step: 'waiting for tape', why: tape.sentence });
  return undefined;
}

/**
 * Number of checks in which all drives may report before a drive with another copy is preferred over one that may have
 * the tape itself; hanging drives and those without a worker are not waited for longer.
 */
export const patientLooks = 3;

/** The same for one of several drives. */
async function isFound(
  deps: DriveDeps,
  attempt: Attempt,
  row: RetrievalArchiveRow,
  search: TapeSearch,
  { looks, mayTakeOther }: { looks: number; mayTakeOther: boolean },
): Promise<string | undefined> {
  const { catalog, drive } = deps;
  const { name } = drive.settings;
  const id = row.retrieval_id;
  const found = await tapeOrWhy(deps, row);
  if (!(found instanceof TapeflowFailure)) {
    await endSearch(catalog, id, search, name);
    return found.row.uuid;
  }
  const { reason, first, loaded } = found.details;
  const text = <Else>(value: unknown, otherwise: Else) => (typeof value === 'string' ? value : otherwise);
  const look = {
    reason: text(reason, 'unreadable'),
    message: found.message,
    first: text(first, ''),
    loaded: text(loaded, null),
  };
  const tape = (await tapeByUuid(catalog, row.tape_uuid))?.name ?? row.tape_uuid;
  const all = { look, tape, patient: looks < patientLooks };
  const waits = await noteMissing(catalog, id, search, name, all);
  attempt.report({ step: 'waiting for tape', why: found.message });
  const other = waits && mayTakeOther ? await otherLoaded(deps, row) : undefined;
  if (other === undefined) return undefined;
  const isOurs = await endSearch(catalog, id, search, name, (tx) => switchToCopy(tx, row, other));
  return isOurs ? other.tape : undefined;
}

/** Another good copy on the tape in the drive, which can be read instead. */
async function otherLoaded(
  { catalog, drive }: DriveDeps,
  row: RetrievalArchiveRow,
): Promise<GoodCopy | undefined> {
  const loaded = await loadedTapeId(drive.settings.path);
  const copies = await goodCopies(catalog, row.set_id, row.group_no);
  const passed = [...triedOf(row), row.copy_no];
  return copies.find((copy) => copy.tape === loaded && !passed.includes(copy.copyNo));
}
