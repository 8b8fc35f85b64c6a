import { english } from '../../messages/sentence.js';
import type { CountedReason } from './pool-counts.js';

/** Reasons in words, each once, three at most: `monthly 2026-03, daily 2026-03-02 and 4 more`. */
export function countedText(reasons: readonly CountedReason[]): string {
  const texts = [...new Set(reasons.map(reasonText))];
  const some = texts.slice(0, 3).join(', ');
  return texts.length > 3 ? english`${some} and ${texts.length - 3} more` : some;
}

function reasonText({ rule, period, isOldest }: CountedReason): string {
  if (rule === 'unreplaced') return english`no later one has succeeded`;
  if (rule === 'last') return isOldest ? english`last (the oldest)` : english`one of the last`;
  return isOldest ? english`${rule} ${period} (the oldest)` : `${rule} ${period}`;
}
