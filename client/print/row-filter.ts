import type { FileRow } from '../../catalog/rows.js';
import { parseDuration } from '../../config/durations.js';
import { usageFailure } from '../../config/failures.js';
import { parseSize } from '../../config/sizes.js';
import { english } from '../../messages/sentence.js';
import { escaped } from './names.js';

/** Options of `find`, as entered. */
export interface RowCriteria {
  newerThan?: string;
  olderThan?: string;
  larger?: string;
  smaller?: string;
}

/**
 * Tells whether an entry matches the requested modification time and size. Sizes apply only to files.
 *
 * @param now milliseconds since 1970.
 */
export function rowFilter(wish: RowCriteria, now: number): (row: FileRow) => boolean {
  const after = wish.newerThan === undefined ? undefined : timeGiven(wish.newerThan, '--newer-than', now);
  const before = wish.olderThan === undefined ? undefined : timeGiven(wish.olderThan, '--older-than', now);
  const above = wish.larger === undefined ? undefined : sizeOf(wish.larger, '--larger');
  const below = wish.smaller === undefined ? undefined : sizeOf(wish.smaller, '--smaller');
  const bySize = above !== undefined || below !== undefined;
  return (row) => {
    const changed = row.mtime_s * 1000 + row.mtime_ns / 1e6;
    if (after !== undefined && changed <= after) return false;
    if (before !== undefined && changed >= before) return false;
    if (bySize && row.type !== 'file') return false;
    if (above !== undefined && row.size <= above) return false;
    return below === undefined || row.size < below;
  };
}

/** Milliseconds since 1970 of a date (in the machine's time zone unless given) or of a duration before now. */
export function timeGiven(text: string, option: string, now: number): number {
  const seconds = parseDuration(text);
  if (seconds !== undefined) return now - seconds * 1000;
  const isDate = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/.test(text);
  // A date alone would mean midnight UTC.
  const at = isDate ? Date.parse(text.length === 10 ? `${text}T00:00` : text.replace(' ', 'T')) : NaN;
  if (Number.isFinite(at)) return at;
  throw usageFailure(
    'WrongTime',
    english`${option} cannot be "${escaped(text)}".`,
    english`It is a date such as 2026-11-24 or "2026-11-24 14:00", or a time such as 36h, 7d, 12w or 1y.`,
  );
}

function sizeOf(text: string, option: string): number {
  const bytes = parseSize(text);
  if (bytes !== undefined) return bytes;
  throw usageFailure(
    'WrongSize',
    english`${option} cannot be "${escaped(text)}".`,
    english`It is a size such as 12GiB, 500MB or 64K.`,
  );
}
