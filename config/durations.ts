/** Seconds of each unit; a year has 365 days. No `m`: to some it is a minute, to others a month. */
const units: Record<string, number> = {
  s: 1,
  min: 60,
  h: 3600,
  d: 86_400,
  w: 7 * 86_400,
  y: 365 * 86_400,
};

/** Seconds of a duration such as `36h`, `90d`, `12w` or `1y`; undefined when the text is none. */
export function parseDuration(text: string): number | undefined {
  const match = /^\s*(\d{1,9})\s*([A-Za-z]+)\s*$/.exec(text);
  const factor = match === null ? undefined : units[(match[2] ?? '').toLowerCase()];
  return match === null || factor === undefined ? undefined : Number(match[1]) * factor;
}

/** A duration as a setting writes it, in the largest unit without a fraction: `90d`, `1y`. */
export function formatDuration(seconds: number): string {
  const fitting = Object.entries(units).filter(([, factor]) => seconds % factor === 0);
  const [unit, factor] = fitting.at(-1) ?? ['s', 1];
  return `${seconds / factor}${unit}`;
}
