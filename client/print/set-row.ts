import { stateWord } from '../../catalog/schema/state-words.js';
import type { SetRow } from '../../catalog/rows.js';
import type { SetRetention } from '../../catalog/sets/set-retention.js';
import type { SetSummary } from '../../catalog/sets/set-summary.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import { formatTime } from '../../config/local-time.js';
import { keptText } from './retention-text.js';
import { shown, t } from '../../messages/shown.js';

/** The state of a set, and what it has lost. */
export function setStateText(
  { state, erased_at: erasedAt }: SetRow,
  { lostGroups, groups }: SetSummary,
): string {
  const erased = erasedAt === null || state === 'expired' ? '' : t`, partly erased`;
  const lost =
    lostGroups.length === 0
      ? ''
      : t`, ${formatNumber(lostGroups.length)} of ${formatCount(groups, 'group')} LOST`;
  return `${shown(stateWord(state))}${erased}${lost}`;
}

/** When a set expires or has expired, or what keeps it, and which unexpired set still needs it. */
export function setExpiryText(keeping: SetRetention, { id, state }: SetRow, now: number): string {
  if (state === 'expired' || keeping.isUnfinished(id)) return '';
  const expires = keeping.expires(id);
  const byTime = keeping.keptByTime(id);
  if (expires === Infinity && byTime < expires) return keptText(keeping.countedReasons(id), byTime, now);
  if (expires > now) return expires === Infinity ? t`never` : formatTime(expires);
  const [holder] = keeping.unexpiredDependents(id, now);
  const over = `${formatTime(expires)}${t`, is over`}`;
  if (holder === undefined) return over;
  return `${over}${keeping.isBaseUnread(holder) ? t`; ${holder} may build on it` : t`; ${holder} builds on it`}`;
}
