import { formatTime } from '../../config/local-time.js';
import { countedText } from '../../catalog/sets/counted-text.js';
import type { CountedReason } from '../../catalog/sets/pool-counts.js';
import type { ExpiryTime } from '../../catalog/sets/set-retention.js';
import type { TapeContent, TapeRetention } from '../../catalog/tapes/tape-retention.js';
import { english } from '../../messages/sentence.js';
import { t } from '../../messages/shown.js';

/** How long a tape is needed, in words for a table or a sentence. */
export function retentionText(kept: TapeRetention, now: number): string {
  const { sets, until, untilByTime, inUse, isRecyclable } = kept;
  if (inUse.length > 0) return t`in use`;
  if (sets.length === 0) return '';
  if (isRecyclable) return t`recyclable since ${formatTime(until)}`;
  if (until <= now) return t`not needed since ${formatTime(until)}`;
  if (until !== Infinity) return t`needed until ${formatTime(until)}`;
  if (untilByTime === Infinity) return t`needed for ever`;
  return keptText(
    sets.flatMap((set) => set.countedNeeds),
    untilByTime,
    now,
  );
}

/** What keeps a set or a tape by count, and until when it is kept whatever happens. */
export function keptText(reasons: readonly CountedReason[], untilByTime: ExpiryTime, now: number): string {
  const atLeast = untilByTime > now ? t`; at least until ${formatTime(untilByTime)}` : '';
  return t`kept: ${countedText(reasons)}${atLeast}`;
}

/** What can be done about a set that is on no known tape any more. */
export const anotherCopy = english`Should another copy turn up, \`tapeflow tape catalog\` reads it.`;

/** When a set expires or expired, or what keeps it, for a sentence. */
export function expiryText({ expires, countedReasons }: TapeContent, now: number): string {
  if (countedReasons.length > 0) return t`kept: ${countedText(countedReasons)}`;
  if (expires === Infinity) return t`never expires`;
  return expires <= now ? t`expired ${formatTime(expires)}` : t`expires ${formatTime(expires)}`;
}

/** The same for programs: a time, or null when there is none; `forEver` distinguishes the cases. */
export function isoTime(until: ExpiryTime): string | null {
  return Number.isFinite(until) ? new Date(until).toISOString() : null;
}

/** What `tape list --json` and `tape erase --json` add to a tape's row. */
export function retentionObject(kept: TapeRetention): object {
  const { sets, until, untilByTime, inUse, isRecyclable } = kept;
  return {
    recyclable: isRecyclable,
    recyclableSince: isRecyclable ? isoTime(until) : null,
    neededUntil: isRecyclable ? null : isoTime(until),
    keptForEver: untilByTime === Infinity,
    keptBy: reasonObjects(sets.flatMap((set) => set.countedNeeds)),
    inUse,
    sets: sets.map(setObject),
  };
}

/** The counts that keep something, each once, for programs. */
export function reasonObjects(reasons: readonly CountedReason[]): object[] {
  const objects = reasons.map(({ rule, period, isOldest, pool }) => ({
    ...{ rule, period: ['last', 'unreplaced'].includes(rule) ? null : period, oldest: isOldest, pool },
  }));
  return [...new Map(objects.map((one) => [JSON.stringify(one), one])).values()];
}

function setObject({
  setId,
  archives,
  bytes,
  members,
  elsewhere,
  inPool,
  remaining,
  ...set
}: TapeContent): object {
  const { expires, neededBy, countedReasons } = set;
  return {
    setId,
    archives,
    bytes,
    files: members,
    elsewhere,
    inPool,
    remaining,
    expires: isoTime(expires),
    keptBy: reasonObjects(countedReasons),
    neededBy,
  };
}
