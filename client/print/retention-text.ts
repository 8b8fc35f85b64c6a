import { formatTime } from '../../config/local-time.js';
import type { ExpiryTime } from '../../catalog/sets/set-retention.js';
import type { TapeContent, TapeRetention } from '../../catalog/tapes/tape-retention.js';

/** How long a tape is needed, in words for a table or a sentence. */
export function retentionText(kept: TapeRetention, now: number): string {
  const { sets, until, inUse, isRecyclable } = kept;
  if (inUse.length > 0) return 'in use';
  if (sets.length === 0) return '';
  if (isRecyclable) return `recyclable since ${formatTime(until)}`;
  if (until <= now) return `not needed since ${formatTime(until)}`;
  return until === Infinity ? 'needed for ever' : `needed until ${formatTime(until)}`;
}

/** What can be done about a set that is on no known tape any more. */
export const anotherCopy = 'Should another copy turn up, `tapeflow tape catalog` reads it.';

/** When a set expires or expired, for a sentence. */
export function expiryText(expires: ExpiryTime, now: number): string {
  if (expires === Infinity) return 'never expires';
  return `${expires <= now ? 'expired' : 'expires'} ${formatTime(expires)}`;
}

/** The same for programs: a time, or null when there is none; `forEver` distinguishes the cases. */
export function isoTime(until: ExpiryTime): string | null {
  return Number.isFinite(until) ? new Date(until).toISOString() : null;
}

/** What `tape list --json` and `tape erase --json` add to a tape's row. */
export function retentionObject({ sets, until, inUse, isRecyclable }: TapeRetention): object {
  return {
    recyclable: isRecyclable,
    recyclableSince: isRecyclable ? isoTime(until) : null,
    neededUntil: isRecyclable ? null : isoTime(until),
    keptForEver: until === Infinity,
    inUse,
    sets: sets.map(setObject),
  };
}

function setObject({ setId, archives, bytes, members, elsewhere, remaining, ...set }: TapeContent): object {
  const { expires, neededBy } = set;
  return {
    setId,
    archives,
    bytes,
    files: members,
    elsewhere,
    remaining,
    expires: isoTime(expires),
    neededBy,
  };
}
