import { rm } from 'node:fs/promises';
import { discardStaged } from '../../catalog/groups/discard.js';
import { undoRequeue } from '../../catalog/groups/oversized-groups.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { SetState } from '../../catalog/schema/set-tables.js';
import { summarizeSet } from '../../catalog/sets/set-summary.js';
import { cancellableSetStates, recordSetState } from '../../catalog/sets/set-states.js';
import type { Settings } from '../../config/settings/settings.js';
import { finalDir, tempDir } from '../../staging/paths.js';
import { english } from '../../messages/sentence.js';

/** The reason shown for a `cancelled` set. */
export function cancelledReason(discard: boolean): string {
  return discard ? english`what was staged is deleted` : english`what was staged is kept`;
}

/** The reason shown for a set that is complete again because its `retry` was cancelled. */
export const retryCancelled = english`its \`retry\` was cancelled, and it is what it was before`;

/**
 * Records that a set was cancelled: it becomes `cancelled`, or complete again if it was before its `retry`. If a plain
 * `cancel` keeps something that `retry` has staged, the set stays unfinished. A set that has completed meanwhile stays
 * as it is.
 *
 * @param left what it leaves behind in a silent drive, as part of a sentence.
 * @returns the set's state now.
 */
export async function recordCancelled(
  catalog: Catalog,
  setId: string,
  discard: boolean,
  left?: string,
): Promise<SetState> {
  const only = cancellableSetStates;
  if (!(await undoRequeue(catalog, setId))) {
    const reason =
      left === undefined ? cancelledReason(discard) : english`${cancelledReason(discard)}; ${left}`;
    return recordSetState(catalog, setId, 'cancelled', reason, { only });
  }
  const state = (await summarizeSet(catalog, setId)).skipped > 0 ? 'completed_with_skips' : 'completed';
  return recordSetState(catalog, setId, state, retryCancelled, { only });
}

/**
 * Deletes everything that a set has in staging. Only for `cancel --discard`: what is not on tape is lost. The catalog
 * is updated first: if killed in between, files remain that the catalog does not know, and the same command deletes
 * them.
 */
export async function releaseStaging(catalog: Catalog, settings: Settings, setId: string): Promise<void> {
  await discardStaged(catalog, setId);
  await rm(tempDir(settings.BACKUP_COMPRESS_DIR, setId), { recursive: true, force: true });
  await rm(finalDir(settings.BACKUP_COMPRESS_DIR, setId), { recursive: true, force: true });
}
