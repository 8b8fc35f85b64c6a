import { rm } from 'node:fs/promises';
import { discardStaged } from '../../catalog/groups/discard.js';
import { undoTakingUp } from '../../catalog/sets/leave-out.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { SetState } from '../../catalog/schema.js';
import { recordSetState, summarizeSet } from '../../catalog/sets/sets.js';
import type { Settings } from '../../config/settings.js';
import { finalDir, tempDir } from '../../staging/paths.js';

/** What is told of a set that is `cancelled`. */
export function cancelledReason(discard: boolean): string {
  return discard ? 'what was staged is deleted' : 'what was staged is kept';
}

/** Reason of a set that is complete, as it was before its `retry` was cancelled. */
export const retryCancelled = 'its `retry` was cancelled, and it is what it was before';

/**
 * Writes down that a set was cancelled: it is `cancelled`, or complete again where it was before a `retry` that is
 * cancelled now. What `retry` has staged, and a plain `cancel` keeps, leaves it unfinished.
 *
 * @param left what it leaves behind in a drive that does not answer, as a part of a sentence.
 */
export async function recordCancelled(
  catalog: Catalog,
  setId: string,
  discard: boolean,
  left?: string,
): Promise<SetState> {
  if (!(await undoTakingUp(catalog, setId))) {
    const leaves = left === undefined ? '' : `; ${left}`;
    await recordSetState(catalog, setId, 'cancelled', `${cancelledReason(discard)}${leaves}`);
    return 'cancelled';
  }
  const state = (await summarizeSet(catalog, setId)).skipped > 0 ? 'completed_with_skips' : 'completed';
  await recordSetState(catalog, setId, state, retryCancelled);
  return state;
}

/**
 * Deletes everything that a set has in staging. Only for `cancel --discard`: what is not on tape is lost from here. The
 * catalog is told first: killed in between, files are left that no archive of the catalog knows, and the same command
 * deletes them.
 */
export async function releaseStaging(catalog: Catalog, settings: Settings, setId: string): Promise<void> {
  await discardStaged(catalog, setId);
  await rm(tempDir(settings.BACKUP_COMPRESS_DIR, setId), { recursive: true, force: true });
  await rm(finalDir(settings.BACKUP_COMPRESS_DIR, setId), { recursive: true, force: true });
}
