import { setImmediate as yieldNow } from 'node:timers/promises';
import { parseAttributes } from '../../entry/attributes.js';
import { fromBytes } from '../../entry/byte-string.js';
import { MetadataSetter } from '../../archive/unpack/put-metadata.js';
import { finishFolder, joinHardLink } from '../../archive/unpack/finish-tree.js';
import { TargetTree } from '../../archive/unpack/target-tree.js';
import { existingAt } from '../../catalog/retrievals/existing-entries.js';
import type { RetrievalProblem } from '../../catalog/retrievals/retrieval-problems.js';
import { ownersOf, selectionOf } from '../../catalog/retrievals/retrievals.js';
import type { RetrievalRow } from '../../catalog/rows.js';
import { selectedFolders, selectedHardLinks } from '../../catalog/files/selected-files.js';
import { describeError } from '../../config/failures.js';
import { countUnset, type UnsetCounts } from '../../entry/metadata-kind.js';
import { ownEntries } from '../../disk/own-folders.js';
import { onSide, sideOf } from '../../config/sides.js';
import { syncFileSystem } from '../../disk/page-cache.js';
import { english } from '../../messages/sentence.js';
import type { Attempt } from '../attempt.js';
import type { Deps } from '../deps.js';

/** What the last step found: what is wrong, and what of the folders is not as it was backed up. */
export interface FinishedTree {
  problems: RetrievalProblem[];
  unset: UnsetCounts;
}

/** Finishes the tree; a failing or missing target is recorded as a problem and not waited for. */
export async function finishTarget(
  deps: Deps,
  retrieval: RetrievalRow,
  target: string,
  attempt: Attempt,
): Promise<FinishedTree> {
  try {
    return await onSide('target', async () => {
      const check = () => attempt.throwIfCancelled();
      const finished = await finishTree(deps, retrieval, target, attempt.token, check);
      await syncFileSystem(target);
      return finished;
    });
  } catch (error) {
    if (sideOf(error) !== 'target') throw error;
    const reason = english`Not every folder of the target ${target} got its mode and times:
      ${describeError(error)}.`;
    return { problems: [{ path: null, reason }], unset: {} };
  }
}

async function finishTree(
  { catalog, settings }: Deps,
  retrieval: RetrievalRow,
  target: string,
  token: string,
  check: () => void,
): Promise<FinishedTree> {
  const problems: RetrievalProblem[] = [];
  const unset: UnsetCounts = {};
  const metadata = new MetadataSetter({ owners: ownersOf(retrieval), codec: settings.COMPRESSION_CODEC });
  const selection = selectionOf(retrieval);
  const job = { name: retrieval.id, token };
  const tree = new TargetTree(target, job, ownEntries(settings), selection.strip);
  try {
    const { subject: setId } = retrieval;
    for await (const page of selectedHardLinks(catalog, setId, selection)) {
      check();
      for (const row of page) {
        const isWhole = row.state === 'packed' || row.state === 'unchanged';
        if (row.hard_link_of === null || !isWhole) continue;
        const [name, of] = [row.path, row.hard_link_of];
        const before = {
          name: await existingAt(catalog, retrieval, name),
          of: await existingAt(catalog, retrieval, of),
        };
        if (!joinHardLink(tree, fromBytes(name), fromBytes(of), before)) countUnset(unset, ['link']);
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
          attributes: parseAttributes(row.attributes),
        };
        const { reason, unset: kinds } = finishFolder(tree, member, metadata);
        if (reason !== undefined) problems.push({ path: row.path, reason });
        if (kinds !== undefined) countUnset(unset, kinds);
      }
      await yieldNow();
    }
  } finally {
    tree.close();
  }
  return { problems, unset };
}
