/** Seconds from 1970 that a JavaScript date can hold (to the year 275,760); some file systems take more. */
const mostSeconds = 8_640_000_000_000;

/**
 * A file's time as seconds, rounded down also before 1970, and the nanoseconds above them. A time beyond what a date can
 * hold becomes the last that it can, so that no later step has to think of it.
 */
export function splitTime(timeNs: bigint): { seconds: number; ns: number } {
  const ns = ((timeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = Number((timeNs - ns) / 1_000_000_000n);
  if (Math.abs(seconds) < mostSeconds) return { seconds, ns: Number(ns) };
  return { seconds: Math.sign(seconds) * mostSeconds, ns: 0 };
}
