/** Seconds from 1970 that a JavaScript date can hold (to the year 275,760); some file systems take more. */
const maxSeconds = 8_640_000_000_000;

/**
 * A file's time as seconds, rounded down also before 1970, and the nanoseconds above them. A time beyond what a date
 * can hold is clamped to that limit, so that no later step has to deal with it.
 */
export function splitTime(timeNs: bigint): { seconds: number; ns: number } {
  // One calculation with a BigInt: each takes as long as ten with numbers.
  let ns = Number(timeNs % 1_000_000_000n);
  let seconds = Math.round((Number(timeNs) - ns) / 1e9);
  // BigInt's remainder has the sign of the time.
  if (ns < 0) {
    ns += 1_000_000_000;
    seconds -= 1;
  }
  return isInDateRange(seconds) ? { seconds, ns } : { seconds: clampSeconds(seconds), ns: 0 };
}

/** True for seconds that a date can hold. */
function isInDateRange(seconds: number): boolean {
  return Math.abs(seconds) < maxSeconds;
}

/** Seconds from 1970, kept within what a date can hold. */
export function clampSeconds(seconds: number): number {
  return Math.max(-maxSeconds, Math.min(seconds, maxSeconds));
}

/** A time in nanoseconds since 1970: the inverse of `splitTime`. */
export function timeNs({ mtimeS, mtimeNs }: { mtimeS: number; mtimeNs: number }): bigint {
  return BigInt(mtimeS) * 1_000_000_000n + BigInt(mtimeNs);
}

/**
 * A time as the calls of `node:fs` take it: seconds, which are exact to a microsecond. Node takes a negative number as
 * "now", so times before 1970 are given as a `Date`, which is exact to a millisecond.
 */
export function fileTime({ mtimeS, mtimeNs }: { mtimeS: number; mtimeNs: number }): number | Date {
  return mtimeS < 0 ? new Date(mtimeS * 1000 + Math.floor(mtimeNs / 1e6)) : mtimeS + mtimeNs / 1e9;
}
