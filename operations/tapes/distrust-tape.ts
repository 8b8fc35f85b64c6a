import { archiveOf, forgetArchive, groupOf } from '../../catalog/groups/groups.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { moveTape } from '../../catalog/tapes/tape-states.js';
import { loseUnsynced, type UnsyncedCopy } from '../../catalog/tapes/tapes.js';
import type { Logger } from '../../config/logger.js';
import type { LoadedTape } from '../../tape/drives/loaded-tape.js';
import { logStage } from '../sets/log-stage.js';

/** Where it is written down. */
interface Told {
  catalog: Catalog;
  logger: Logger;
}

/** Marks a tape as suspect and everything unsynced on it as lost: those groups are written again. */
export async function distrust(deps: Told, tape: Pick<LoadedTape, 'row'>, reason: string): Promise<void> {
  await moveTape(deps.catalog, tape.row.uuid, 'distrust', reason);
  await writeAgain(deps, tape.row.uuid, reason);
}

/** Sets back what no sync has covered, all of a tape or the one copy that went missing: it is written again. */
export async function writeAgain(
  deps: Told,
  tape: string,
  reason: string,
  only?: UnsyncedCopy,
): Promise<void> {
  await forgetDirect(deps, await loseUnsynced(deps.catalog, tape, reason, only), reason);
}

/** What was set back is written again: of a direct archive nothing is staged, and it is made anew. */
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
