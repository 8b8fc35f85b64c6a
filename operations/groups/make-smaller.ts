import { shrinkGroup } from '../../catalog/groups/oversized-groups.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { TapeflowFailure } from '../../config/failures.js';
import { setLimit, tooLargeText } from '../../tape/requirements/tape-limit.js';
import { english } from '../../messages/sentence.js';
import type { Deps, GroupRef } from '../deps.js';
import { logStage } from './log-stage.js';

/**
 * Shrinks a group without an archive because its archive, of `needs` bytes, would be larger than any tape of a pool of
 * the set: a single file is skipped, with what it would need; of several files the largest are left out. Throws
 * `ArchiveTooLarge` when that is impossible.
 */
export async function makeSmaller(
  deps: Pick<Deps, 'catalog' | 'logger'>,
  ref: GroupRef,
  needs: number,
): Promise<'skipped' | 'smaller'> {
  const { catalog } = deps;
  const { setId } = ref;
  const limit = await setLimit(catalog, await setNamed(catalog, setId));
  // The tape that was too small may have left the catalog: then the group is tried as it is.
  if (limit === undefined || needs <= limit.bytes) return 'smaller';
  const why = tooLargeText(needs, limit);
  const reasons = {
    alone: english`the file is ${why}: label a larger one, then \`tapeflow retry ${setId}\``,
    amongOthers: english`left out, since the archive of its group is ${why}:
      the next set stores it in a smaller group, or on a larger tape`,
  };
  const result = await shrinkGroup(catalog, { ...ref, limit: limit.bytes, needs, reasons });
  if (result === 'stuck')
    throw new TapeflowFailure('ArchiveTooLarge', english`The archive of group ${ref.group} is ${why}.`, {
      advice: english`Label a larger tape of pool ${limit.pool}, then \`tapeflow retry ${setId}\`.`,
    });
  logStage(deps, 'failed', ref, { reason: result === 'skipped' ? reasons.alone : reasons.amongOthers });
  return result;
}
