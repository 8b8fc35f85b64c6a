import { cronFields } from './cron.js';
import { localClock, localDate, timeOfClock, type LocalDate } from './time-zone.js';

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** Times a day from which on a schedule is left to the clock: what a change of it takes or doubles matters little. */
const oftenADay = 48;

/**
 * True for a cron expression that runs in every hour of a day, or every half hour on average: it has no run that could
 * be missed, and goes on in an hour that comes twice.
 */
export function runsOften(cron: string): boolean {
  const { minutes, hours } = cronFields(cron);
  return hours.size === 24 || minutes.size * hours.size > oftenADay;
}

/**
 * The times of a cron expression on a date of its zone, in milliseconds since 1970, each once and in order. A time that
 * the clocks show twice is the first of both; one that they skip comes as late as if they had not been changed.
 */
export function cronTimesOn(cron: string, zone: string, { year, month, day }: LocalDate): number[] {
  const { minutes, hours, days, months, weekdays } = cronFields(cron);
  const midnight = Date.UTC(year, month - 1, day);
  if (!days.has(day) || !months.has(month) || !weekdays.has(new Date(midnight).getUTCDay())) return [];
  const times = new Set<number>();
  for (const hour of hours)
    for (const minute of minutes) times.add(timeOfClock(zone, midnight + (hour * 60 + minute) * minuteMs));
  return [...times].sort((a, b) => a - b);
}

/**
 * True when the minute of a time (milliseconds since 1970) is one at which a checked cron expression runs, in its time
 * zone: see `cronTimesOn`.
 */
export function cronMatches(cron: string, zone: string, at: number): boolean {
  if (runsOften(cron) && isShown(cron, zone, at)) return true;
  const minute = Math.floor(at / minuteMs) * minuteMs;
  // A time that was skipped shortly before midnight comes on the next date.
  const dates = [localDate(zone, minute), localDate(zone, minute - dayMs / 2)];
  return dates.some((date) => cronTimesOn(cron, zone, date).includes(minute));
}

/** True when the clock shows a time of the expression, the first or the second time. */
function isShown(cron: string, zone: string, at: number): boolean {
  const { minutes, hours, days, months, weekdays } = cronFields(cron);
  const clock = new Date(localClock(zone, at));
  return (
    minutes.has(clock.getUTCMinutes()) &&
    hours.has(clock.getUTCHours()) &&
    days.has(clock.getUTCDate()) &&
    months.has(clock.getUTCMonth() + 1) &&
    weekdays.has(clock.getUTCDay())
  );
}

/** Days in which every cron expression that has a time has one: a 29 February, also over a year without one. */
const daysAhead = 8 * 366 + 1;

/**
 * The first time of a checked cron expression after another time, both in milliseconds since 1970; undefined when it
 * has none, such as on a 30 February.
 */
export function nextCronTime(cron: string, zone: string, after: number): number | undefined {
  const { year, month, day } = localDate(zone, after);
  // A time that was skipped shortly before midnight comes on the next date.
  for (let ahead = -1; ahead < daysAhead; ahead += 1) {
    const date = new Date(Date.UTC(year, month - 1, day + ahead));
    const on = { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
    const next = cronTimesOn(cron, zone, on).find((time) => time > after);
    if (next !== undefined) return next;
  }
  return undefined;
}
