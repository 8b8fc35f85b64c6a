import { forgetExisting } from '../../catalog/retrievals/existing-entries.js';
import { unreserveForCopy } from '../../catalog/groups/staging-budget.js';
import { recordEnd } from '../../catalog/retrievals/retrieval-problems.js';
import { type RetrievalSummary, summarizeRetrieval } from '../../catalog/retrievals/retrieval-summary.js';
import { recordRetrieval, retrievalNamed, usesStaging } from '../../catalog/retrievals/retrievals.js';
import { TapeflowFailure } from '../../config/failures.js';
import { formatNumber } from '../../config/counts.js';
import { asAttempt } from '../attempt.js';
import { removeCopyStaging } from '../../staging/copy-staging.js';
import type { Deps, DriveDeps } from '../../operations/deps.js';
import { isTargetElsewhere } from '../../operations/retrievals/restore-target.js';
import { finishTarget } from '../../operations/retrievals/finish-tree.js';
import { english } from '../../messages/sentence.js';

/** The last step on the host of a drive, unless the target is elsewhere: then it fails with `TargetElsewhere`. */
export async function finishInDrive(deps: DriveDeps, id: string): Promise<RetrievalSummary> {
  await asAttempt(async () => {
    const retrieval = await retrievalNamed(deps.catalog, id);
    if (isTargetElsewhere(deps.settings, retrieval))
      throw new TapeflowFailure(
        'TargetElsewhere',
        english`The target of ${id} is on host ${retrieval.target_host ?? ''}.`,
      );
  });
  return finishRetrieval(deps, id);
}

/** The last step: sets modes and times of folders, joins hard links between archives, and records the result. */
export function finishRetrieval(deps: Deps, id: string): Promise<RetrievalSummary> {
  return asAttempt(async (attempt) => {
    const { catalog } = deps;
    const retrieval = await retrievalNamed(catalog, id);
    const { kind, target, looked, finished_at: finishedAt } = retrieval;
    let isWhole = false;
    // If the target was never checked, nothing was restored either.
    if (kind === 'restore' && target !== null && looked !== null && finishedAt === null) {
      const { problems, unset } = await finishTarget(deps, retrieval, target, attempt);
      await recordEnd(catalog, id, problems, unset);
      isWhole = problems.length === 0;
    }
    if (usesStaging(retrieval)) {
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
  const done = { restore: english`restored`, verify: english`compared`, copy: english`copied` }[kind];
  return english`the entries do not add up: ${formatNumber(members)} were planned, but
    ${formatNumber(restored)} ${done}, ${formatNumber(same)} already there,
    ${formatNumber(kept)} kept and ${formatNumber(failed)} failed;
    see "The catalog is older than the tapes, or damaged" in docs/recovery.md`;
}
