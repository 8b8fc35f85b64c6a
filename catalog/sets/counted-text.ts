import type { CountedReason } from './pool-counts.js';

/** Reasons in words, each once, three at most: `monthly 2026-03, daily 2026-03-02 and 4 more`. */
export function countedText(reasons: readonly CountedReason[]): string {
  const texts = [...new Set(reasons.map(reasonText))];
  const more = texts.length > 3 ? ` and ${texts.length - 3} more` : '';
  return texts.slice(0, 3).join(', ') + more;
}

function reasonText({ rule, period, isOldest }: CountedReason): string {
  if (rule === 'unreplaced') return 'no later one has succeeded';
  if (rule === 'last') return isOldest ? 'last (the oldest)' : 'one of the last';
  return `${rule} ${period}${isOldest ? ' (the oldest)' : ''}`;
}
