/** A change of the clocks of a time zone. Times are milliseconds since 1970, offsets milliseconds ahead of UTC. */
export interface ClockChange {
  at: number;
  before: number;
  after: number;
}

/** A date of the calendar; the month counts from 1. */
export interface LocalDate {
  year: number;
  month: number;
  day: number;
}

const dayMs = 86_400_000;
const minuteMs = 60_000;
/** Steps in which changes are looked for: no zone changes its clocks and changes them back within a week. */
const stepMs = 7 * dayMs;

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      ...{ timeZone: zone, calendar: 'gregory', numberingSystem: 'latn', hourCycle: 'h23' },
      ...{ year: 'numeric', month: 'numeric', day: 'numeric' },
      ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
    });
    formats.set(zone, format);
  }
  return format;
}

/** The time zone of this machine, or of `TZ`. */
export function machineZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** The clock of a time zone at a time, as milliseconds since 1970 if it were that of UTC; by whole seconds. */
export function localClock(zone: string, at: number): number {
  const parts = formatOf(zone).formatToParts(at);
  const part = (type: Intl.DateTimeFormatPartTypes) => Number(parts.find((one) => one.type === type)?.value);
  return Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
}

/** The date that the calendar of a time zone shows. */
export function localDate(zone: string, at: number): LocalDate {
  return dateOf(localClock(zone, at));
}

/** The date of a clock as `localClock` gives it. */
function dateOf(clock: number): LocalDate {
  const date = new Date(clock);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
}

function offsetAt(zone: string, at: number): number {
  const second = Math.floor(at / 1000) * 1000;
  return localClock(zone, second) - second;
}

/**
 * When a clock shows a time: the first time where it does so twice. Where the clock skips it, it is as late as if it
 * had not been changed, as calendars have it (RFC 5545, 3.3.5): 02:30 becomes 03:30.
 *
 * @param clock as `localClock` gives it.
 */
export function timeOfClock(zone: string, clock: number): number {
  const before = clock - offsetAt(zone, clock - dayMs);
  const after = clock - offsetAt(zone, clock + dayMs);
  const shows = (at: number) => localClock(zone, at) === clock;
  return shows(before) || !shows(after) ? before : after;
}

/** The changes of a zone's clocks from one time until before another. */
export function clockChanges(zone: string, from: number, until: number): ClockChange[] {
  const found: ClockChange[] = [];
  const start = Math.floor(from / minuteMs) * minuteMs;
  for (let left = start; left < until; left += stepMs) {
    const [before, after] = [offsetAt(zone, left), offsetAt(zone, left + stepMs)];
    if (before === after) continue;
    let [low, high] = [left, left + stepMs];
    while (high - low > minuteMs) {
      const middle = low + Math.floor((high - low) / 2 / minuteMs) * minuteMs;
      if (offsetAt(zone, middle) === before) low = middle;
      else high = middle;
    }
    if (high >= from && high < until) found.push({ at: high, before, after });
  }
  return found;
}

/** The dates on which the clocks of a zone skip times or show them twice, each once, in order. */
export function datesOfChanges(zone: string, from: number, until: number): LocalDate[] {
  const dates = new Map<string, LocalDate>();
  for (const { at, before, after } of clockChanges(zone, from, until)) {
    const [first, end] = [at + Math.min(before, after), at + Math.max(before, after)];
    for (const clock of [first, end - 1]) dates.set(String(Math.floor(clock / dayMs)), dateOf(clock));
  }
  return [...dates.values()];
}
