import { setImmediate as yieldNow } from 'node:timers/promises';
import { fromBytes } from '../archive/byte-string.js';
import { timeSetter } from '../archive/set-times.js';
import { finishFolder, joinHardLink } from '../archive/finish-tree.js';
import { TargetTree } from '../archive/target-tree.js';
import { existingAt, forgetExisting } from '../catalog/existing-entries.js';
import { unreserveForCopy } from '../catalog/copy-staging.js';
import { recordEndProblems, recordFailed, triedOf, type RetrievalProblem } from '../catalog/read-results.js';
import {
  pendingArchive,
  pendingArchives,
  recordRetrieval,
  retrievalNamed,
  selectionOf,
  summarizeRetrieval,
  type RetrievalArchiveRow,
  type RetrievalRow,
  type RetrievalSummary,
} from '../catalog/retrievals.js';
import { goodCopies, isOnTape, readInstead } from '../catalog/other-copy.js';
import type { RetrievalState } from '../catalog/schema.js';
import { selectedFolders, selectedHardLinks } from '../catalog/selected-files.js';
import { shownNumber } from '../config/counts.js';
import { TapeflowFailure, describeError } from '../config/failures.js';
import { ownEntries } from '../config/own-folders.js';
import { onSide, sideOf } from '../config/sides.js';
import { syncFileSystem } from '../staging/page-cache.js';
import { loadedTapeId } from '../tape/label.js';
import { requireForReading } from '../tape/loaded-tape.js';
import { asAttempt, asked, catalogCondition, inDrive, pause, type Attempt } from './attempt.js';
import { removeCopyStaging } from './copy-archive.js';
import type { Deps, DriveDeps } from './deps.js';
import type { RetrievalRef } from './read-archive.js';
import { mayTakeMore, type TargetLack } from './restore-target.js';

/** Archives that the workflow is told of at once. */
const pageSize = 50;
/** Milliseconds between two looks at the drive and the target. */
const lookEveryMs = 1000;

/** The next archives to be read, in order. */
export interface NextArchive {
  no: number;
  setId: string;
  group: number;
}

export function nextArchives({ catalog }: Deps, id: string): Promise<NextArchive[]> {
  return asAttempt(async () =>
    (await pendingArchives(catalog, id, pageSize)).map(({ no, set_id: setId, group_no: group }) => ({
      no,
      setId,
      group,
    })),
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

/** Gives an archive up that could not be read in all its attempts, and says so. */
export function giveUpArchive({ catalog }: Deps, ref: RetrievalRef, reason: string): Promise<void> {
  return asAttempt(async () => {
    const row = await pendingArchive(catalog, ref.id, ref.no);
    if (row === undefined) return;
    const sentence = `The archive of group ${row.group_no} of set ${row.set_id} was given up: ${reason}`;
    await recordFailed(catalog, row, sentence);
  });
}

/**
 * Waits, for days if it must, until the archive's tape is in the drive, or another one that holds a good copy of it, and the
 * target takes files. Only reads.
 *
 * @param lack what the target had when it took no more; without it only the tape is waited for.
 */
export function watchForRetrieval(deps: DriveDeps, ref: RetrievalRef, lack?: TargetLack): Promise<void> {
  return inDrive(asked(deps, ', or the target,'), catalogCondition, async (attempt) => {
    const { catalog, drive } = deps;
    const retrieval = await retrievalNamed(catalog, ref.id);
    const row = await pendingArchive(catalog, ref.id, ref.no);
    if (row === undefined) return;
    for (;;) {
      if (!(await isOnTape(catalog, row))) return;
      if (retrieval.kind !== 'verify' && (await takeLoaded(deps, row))) return;
      try {
        await requireForReading(drive, catalog, row.tape_uuid);
        const { target } = retrieval;
        if (target === null || lack === undefined) return;
        if (await mayTakeMore(target, lack, { bytes: row.bytes, inodes: row.members })) return;
        attempt.report({ step: 'waiting for room', why: `${target} takes no more` });
      } catch (error) {
        if (!(error instanceof TapeflowFailure) || error.kind !== 'person') throw error;
        await recordRetrieval(catalog, ref.id, 'waiting_for_tape', error.sentence);
        attempt.report({ step: 'waiting for tape', why: error.sentence });
      }
      await pause(attempt, lookEveryMs);
    }
  });
}

/** True when the tape in the drive holds another good copy, which is then read instead. */
async function takeLoaded({ catalog, drive }: DriveDeps, row: RetrievalArchiveRow): Promise<boolean> {
  const loaded = await loadedTapeId(drive.settings.path);
  const copies = await goodCopies(catalog, row.set_id, row.group_no);
  const passed = [...triedOf(row), row.copy_no];
  const other = copies.find((copy) => copy.tape === loaded && !passed.includes(copy.copyNo));
  if (other === undefined) return false;
  await readInstead(catalog, row, other);
  return true;
}

/** The last step: folders get their modes and times, hard links between archives are joined, and the result is recorded. */
export function finishRetrieval(deps: DriveDeps, id: string): Promise<RetrievalSummary> {
  return asAttempt(async (attempt) => {
    const { catalog } = deps;
    const retrieval = await retrievalNamed(catalog, id);
    const { kind, target, looked, finished_at: finishedAt } = retrieval;
    let isWhole = false;
    // Where nobody has looked, nothing was restored either.
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

/** Every entry that was planned has become something; else the catalog is damaged, and nothing it says is a success. */
function whatDoesNotAddUp(summary: RetrievalSummary): string | null {
  const { members, restored, same, kept, failed, kind } = summary;
  if (summary.archivesDone < summary.archives || members === restored + same + kept + failed) return null;
  const done = { restore: 'restored', verify: 'compared', copy: 'copied' }[kind];
  return (
    `the entries do not add up: ${shownNumber(members)} were planned, but ${shownNumber(restored)} ${done}, ${shownNumber(same)} there already, ` +
    `${shownNumber(kept)} kept and ${shownNumber(failed)} failed; see "The catalog is older than the tapes, or damaged" in docs/recovery.md`
  );
}

/** Finishes the tree; a target that fails, or is gone, is a problem of its own: nothing is to be waited for. */
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
        // What was there before stays as it is.
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
