import { fitsBudget } from '../../catalog/groups/staging-budget.js';
import { groupOf, maxArchiveBytes } from '../../catalog/groups/groups.js';
import { formatBytes } from '../../config/sizes.js';
import { asAttempt } from '../attempt.js';
import type { Deps, GroupRef } from '../../operations/deps.js';
import { finalShortage, diskShortage } from '../../operations/groups/staging-room.js';
import { english } from '../../messages/sentence.js';
import { waitForSpace } from './staging-condition.js';

/**
 * Waits until staging has room for a group: in its budget and on its disk for a group to be compressed, in `final/` for
 * one to be promoted. Only checks, and takes no compression slot.
 */
export function waitForRoom(deps: Deps, ref: GroupRef, place: 'temp' | 'final' = 'temp'): Promise<void> {
  return asAttempt(async (attempt) => {
    const { catalog, settings } = deps;
    if (place === 'final') {
      await waitForSpace(deps, ref, attempt, () => finalShortage(deps, ref));
      return;
    }
    const budget = settings.STAGING_MAX_BYTES;
    const need = Math.min(maxArchiveBytes(await groupOf(catalog, ref.setId, ref.group)), budget);
    await waitForSpace(deps, ref, attempt, async () => {
      const lack = await diskShortage(deps, ref, need);
      if (lack !== undefined || (await fitsBudget(catalog, ref, need, budget))) return lack;
      return { why: english`the staging budget of ${formatBytes(budget)} is taken`, stuck: false };
    });
  });
}
