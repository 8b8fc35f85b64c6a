import { setImmediate as yieldNow } from 'node:timers/promises';
import { fromBytes } from '../../entry/byte-string.js';
import { timeSetter } from '../../archive/unpack/set-times.js';
import { finishFolder, joinHardLink } from '../../archive/unpack/finish-tree.js';
import { TargetTree } from '../../archive/unpack/target-tree.js';
import { existingAt, forgetExisting } from '../../catalog/retrievals/existing-entries.js';
import { unreserveForCopy } from '../../catalog/groups/staging-budget.js';
import { recordFailed, triedOf } from '../../catalog/retrievals/read-results.js';
import { recordEndProblems, type RetrievalProblem } from '../../catalog/retrievals/retrieval-problems.js';
import { type RetrievalSummary, summarizeRetrieval } from '../../catalog/retrievals/retrieval-summary.js';
import type { RetrievalState } from '../../catalog/schema/retrieval-tables.js';
import {
  pendingArchive,
  pendingArchives,
  recordRetrieval,
  retrievalNamed,
  selectionOf,
} from '../../catalog/retrievals/retrievals.js';
import type { RetrievalArchiveRow, RetrievalRow } from '../../catalog/rows.js';
import { goodCopies, isOnTape, switchToCopy, type GoodCopy } from '../../catalog/copies/other-copy.js';
import { endSearch, noteMissing, type TapeSearch } from '../../catalog/retrievals/tape-search.js';
import { tapeByUuid } from '../../catalog/tapes/tapes.js';
import { selectedFolders, selectedHardLinks } from '../../catalog/files/selected-files.js';
import { formatNumber } from '../../config/counts.js';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import { ownEntries } from '../../disk/own-folders.js';
import { onSide, sideOf } from '../../config/sides.js';
import { syncFileSystem } from '../../disk/page-cache.js';
import { loadedTapeId } from '../../tape/labels/label.js';
import { requireForReading, type LoadedTape } from '../../tape/drives/loaded-tape.js';
import { asked } from '../asked.js';
import { asAttempt, catalogCondition, asDriveAttempt, pauseFor, type Attempt } from '../attempt.js';
import { removeCopyStaging } from '../../staging/copy-staging.js';
import type { Deps, DriveDeps } from '../deps.js';
import type { RetrievalRef } from './read-archive.js';
import { targetHasRoom, type TargetShortage } from './restore-target.js';

/** Archives per page that the workflow receives. */
const pageSize = 50;
/** Milliseconds between two checks of the drive and the target. */
const lookEveryMs = 1000;

/** The next archives to read, in order. */
export interface NextArchive {
  no: number;
  setId: string;
  group: number;
  /** UUID of its tape. */
  tape: string;
}

export function nextArchives({ catalog }: Deps, id: string): Promise<NextArchive[]> {
  return asAttempt(async () =>
    (await pendingArchives(catalog, id, pageSize)).map((row) => {
      const { no, set_id: setId, group_no: group, tape_uuid: tape } = row;
      return { no, setId, group, tape };
    }),
  );
}

export function recordRetrievalState(
  { catalog }: Deps,
  id: string,
  state: RetrievalState,
  reason: string | null,
): Promise<void> {
  return asAttempt(() => recordRetrieval(catalog, id, state, reason));
}

/** Gives up an archive that could not be read in all its attempts, and records that. */
export function giveUpArchive({ catalog }: Deps, ref: RetrievalRef, reason: string): Promise<void> {
  return asAttempt(async () => {
    const row = await pendingArchive(catalog, ref.id, ref.no);
    if (row === undefined) return;
    const sentence = `The archive of group ${row.group_no} of set ${row.set_id} was given up: ${reason}`;
    await recordFailed(catalog, row, sentence);
  });
}

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
  return asDriveAttempt(asked(deps, ', or the target,'), catalogCondition, async (attempt) => {
    const { catalog } = deps;
    const { kind, target } = await retrievalNamed(catalog, ref.id);
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
        attempt.report({ step: 'waiting for room', why: `${target} takes no more` });
      }
      await pauseFor(attempt, lookEveryMs);
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
const patientLooks = 3;

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
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
  const look = {
    reason: text(reason) ?? 'unreadable',
    message: found.message,
    first: text(first) ?? '',
    loaded: text(loaded) ?? null,
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

/** The last step: sets modes and times of folders, joins hard links between archives, and records the result. */
export function finishRetrieval(deps: DriveDeps, id: string): Promise<RetrievalSummary> {
  return asAttempt(async (attempt) => {
    const { catalog } = deps;
    const retrieval = await retrievalNamed(catalog, id);
    const { kind, target, looked, finished_at: finishedAt } = retrieval;
    let isWhole = false;
    // If the target was never checked, nothing was restored either.
    if (kind === 'restore' && target !== null && looked !== null && finishedAt === null) {
      const problems = await treeProblems(deps, retrieval, target, attempt);
      await recordEndProblems(catalog, id, problems);
      isWhole = problems.length === 0;
    }
    if (retrieval.kind === 'copy') {
      await unreserveForCopy(catalog, id);
      await removeCopyStaging(deps.settings.BACKUP_COMPRESS_DIR, id);
    }
    const before = await summarizeRetrieval(catalog, id);
    const wrong = whatDoesNotAddUp(before);
    const hasAll = before.problems === 0 && before.failed === 0;
    const state = wrong !== null ? 'failed' : hasAll ? 'completed' : 'incomplete';
    await recordRetrieval(catalog, id, state, wrong);
    if (isWhole) await forgetExisting(catalog, id);
    return summarizeRetrieval(catalog, id);
  });
}

/**
 * Checks that every planned entry has a result; otherwise the catalog is damaged, and the result must not be a success.
 */
function whatDoesNotAddUp(summary: RetrievalSummary): string | null {
  const { members, restored, same, kept, failed, kind } = summary;
  if (summary.archivesDone < summary.archives || members === restored + same + kept + failed) return null;
  const done = { restore: 'restored', verify: 'compared', copy: 'copied' }[kind];
  return (
    `the entries do not add up: ${formatNumber(members)} were planned, but ${formatNumber(restored)} ${done}, ${formatNumber(same)} already there, ` +
    `${formatNumber(kept)} kept and ${formatNumber(failed)} failed; see "The catalog is older than the tapes, or damaged" in docs/recovery.md`
  );
}

/** Finishes the tree; a failing or missing target is recorded as a problem and not waited for. */
async function treeProblems(
  deps: DriveDeps,
  retrieval: RetrievalRow,
  target: string,
  attempt: Attempt,
): Promise<RetrievalProblem[]> {
  try {
    return await onSide('target', async () => {
      const check = () => attempt.throwIfCancelled();
      const problems = await finishTree(deps, retrieval, target, attempt.token, check);
      await syncFileSystem(target);
      return problems;
    });
  } catch (error) {
    if (sideOf(error) !== 'target') throw error;
    const reason = `Not every folder of the target ${target} got its mode and times: ${describeError(error)}.`;
    return [{ path: null, reason }];
  }
}

async function finishTree(
  { catalog, settings }: DriveDeps,
  retrieval: RetrievalRow,
  target: string,
  token: string,
  check: () => void,
): Promise<RetrievalProblem[]> {
  const problems: RetrievalProblem[] = [];
  const owners = process.getuid?.() === 0;
  const times = timeSetter(settings.COMPRESSION_CODEC);
  const selection = selectionOf(retrieval);
  const tree = new TargetTree(target, { name: retrieval.id, token }, ownEntries(settings));
  try {
    const { subject: setId } = retrieval;
    for await (const page of selectedHardLinks(catalog, setId, selection)) {
      check();
      for (const row of page) {
        const isWhole = row.state === 'packed' || row.state === 'unchanged';
        if (row.hard_link_of === null || row.type !== 'file' || !isWhole) continue;
        const [name, of] = [row.path, row.hard_link_of];
        const before = {
          name: await existingAt(catalog, retrieval, name),
          of: await existingAt(catalog, retrieval, of),
        };
        joinHardLink(tree, fromBytes(name), fromBytes(of), before);
      }
      await yieldNow();
    }
    for await (const page of selectedFolders(catalog, setId, selection)) {
      check();
      for (const row of page) {
        // What existed before stays as it is.
        if ((await existingAt(catalog, retrieval, row.path)) !== undefined) continue;
        const member = {
          name: fromBytes(row.path),
          mtimeS: row.mtime_s,
          mtimeNs: row.mtime_ns,
          mode: row.mode & 0o7777,
          uid: row.uid,
          gid: row.gid,
        };
        const reason = finishFolder(tree, member, owners, times);
        if (reason !== undefined) problems.push({ path: row.path, reason });
      }
      await yieldNow();
    }
  } finally {
    tree.close();
  }
  return problems;
}
