import { archiveOf, groupOf } from '../../catalog/groups/groups.js';
import { dropUnsynced, type UnsyncedCopy } from '../../catalog/copies/lost-copies.js';
import { forgetArchive } from '../../catalog/groups/forget-archive.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { transitionTape } from '../../catalog/tapes/tape-states.js';
import type { Logger } from '../../config/logger.js';
import type { LoadedTape } from '../../tape/drives/loaded-tape.js';
import { logStage } from '../groups/log-stage.js';

/** Where changes are recorded. */
interface Told {
  catalog: Catalog;
  logger: Logger;
}

/** Marks a tape as suspect and its unsynced copies as lost: those groups are written again. */
export async function distrust(deps: Told, tape: Pick<LoadedTape, 'row'>, reason: string): Promise<void> {
  await transitionTape(deps.catalog, tape.row.uuid, 'distrust', reason);
  await rewriteUnsynced(deps, tape.row.uuid, reason);
}

/** Queues unsynced copies to be written again: all of a tape, or one missing copy. */
export async function rewriteUnsynced(
  deps: Told,
  tape: string,
  reason: string,
  only?: UnsyncedCopy,
): Promise<void> {
  await forgetDirect(deps, await dropUnsynced(deps.catalog, tape, reason, only), reason);
}

/** Forgets queued direct archives: nothing of them is staged, so they are compressed again. */
export async function forgetDirect(
  deps: Told,
  groups: readonly { setId: string; group: number }[],
  reason: string,
): Promise<void> {
  for (const lost of groups) {
    const group = await groupOf(deps.catalog, lost.setId, lost.group);
    const archive = group.direct === 1 ? await archiveOf(deps.catalog, lost.setId, lost.group) : undefined;
    if (archive !== undefined) await forgetArchive(deps.catalog, archive, reason);
    logStage(deps, 'lost', lost, { reason });
  }
}
