import { foldSet } from '../../catalog/files/fold-set.js';
import { finalSetStates, type SetState } from '../../catalog/schema/set-tables.js';
import { type SetSummary, summarizeSet } from '../../catalog/sets/set-summary.js';
import { openEndVerify } from '../../catalog/sets/end-verify.js';
import { recordSetState } from '../../catalog/sets/set-states.js';
import { setNamed } from '../../catalog/sets/sets.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { recordCancelled, releaseStaging } from '../../operations/sets/cancel-set.js';
import { removeEmptyFolder } from '../../disk/durable-file.js';
import { finalDir, tempDir } from '../../staging/paths.js';
import type { Deps } from '../../operations/deps.js';
import { english } from '../../messages/sentence.js';
import { asStagingAttempt } from './staging-condition.js';

/**
 * Ends a set: its state follows from the catalog, never from what the workflow remembers. An already recorded end stays
 * as it is.
 *
 * @param problem what failed outside the groups' own steps, which may have left groups unfinished.
 */
export function finishSet(deps: Deps, setId: string, problem?: string): Promise<SetSummary> {
  return asStagingAttempt(deps, async (attempt) => {
    const { catalog, settings } = deps;
    const before = await summarizeSet(catalog, setId);
    // Later changes, such as an erase, stay.
    if (finalSetStates.includes(before.status)) return shortSummary(catalog, setId);
    const { released = 0, skipped = 0, failed = 0 } = before.stages;
    const unfinished = before.groups - released - skipped - failed;
    const lost = failed > 0 || unfinished > 0 || !before.scanned;
    const state: SetState = lost ? 'failed' : before.skipped > 0 ? 'completed_with_skips' : 'completed';
    const numbers = before.failedGroups
      .map((group) => group.group)
      .slice(0, 20)
      .join(', ');
    const reason = lost
      ? failed > 0
        ? english`${failed} of ${before.groups} groups failed (${numbers}), first:
            ${before.failedGroups[0]?.reason ?? ''}`
        : problem === undefined
          ? english`${unfinished} groups are unfinished`
          : english`${unfinished} groups are unfinished: ${problem}`
      : null;
    attempt.throwIfCancelled();
    // The state is set last: whoever reads `completed`, or runs the same command again, finds everything done.
    if (!lost) {
      await removeEmptyFolder(tempDir(settings.BACKUP_COMPRESS_DIR, setId));
      await removeEmptyFolder(finalDir(settings.BACKUP_COMPRESS_DIR, setId));
      await foldSet(catalog, setId, () => attempt.throwIfCancelled());
    }
    const also = lost ? undefined : async (tx: Catalog) => openEndVerify(tx, await setNamed(tx, setId));
    await recordSetState(catalog, setId, state, reason, { also });
    deps.logger.info({ setId, state, reason: reason ?? undefined }, `set is ${state}`);
    return shortSummary(catalog, setId);
  });
}

/**
 * Ends a cancelled set. What is staged is kept unless `discard` is set. An already recorded end stays as it is.
 *
 * @param left what it leaves behind in a drive or a source that does not answer, as part of a sentence.
 */
export function cancelSet(deps: Deps, setId: string, discard: boolean, left?: string): Promise<SetSummary> {
  return asStagingAttempt(deps, async (attempt) => {
    const { catalog, settings } = deps;
    const { state } = await setNamed(catalog, setId);
    attempt.throwIfCancelled();
    const isWhole = state === 'completed' || state === 'completed_with_skips';
    if (!isWhole && (discard || !finalSetStates.includes(state))) {
      if (discard) await releaseStaging(catalog, settings, setId);
      attempt.throwIfCancelled();
      const end = await recordCancelled(catalog, setId, discard, left);
      deps.logger.info({ setId, state: end, discard, left }, 'set is cancelled');
    }
    return shortSummary(catalog, setId);
  });
}

/** The summary as a workflow's result, without possibly long lists. */
async function shortSummary(catalog: Catalog, setId: string): Promise<SetSummary> {
  const summary = await summarizeSet(catalog, setId);
  return {
    ...summary,
    failedGroups: summary.failedGroups.slice(0, 20),
    sources: [],
    leftOut: [],
    excludes: [],
  };
}
