import { createHash } from 'node:crypto';
import type { ScheduleSpec } from '@temporalio/client';
import { cronTimesOn, runsOften } from '../../config/cron-times.js';
import { datesOfChanges, type LocalDate } from '../../config/time-zone.js';

const dayMs = 86_400_000;
/** Changes of the clocks for so long are told to the server at once. */
const toldForMs = 3 * 365 * dayMs;
/** Some that come within this time must be among them. */
const neededForMs = 365 * dayMs;

/**
 * One time is told as an interval that is longer than anybody waits. The server counts intervals from 1970 on, and
 * their offset must be shorter; the first that it finds begins one interval after that. So this serves from 2020 to
 * 2069.
 */
const onceEvery = 50 * 365 * dayMs;

const months = [
  ...(['JANUARY', 'FEBRUARY', 'MARCH', 'APRIL', 'MAY', 'JUNE'] as const),
  ...(['JULY', 'AUGUST', 'SEPTEMBER', 'OCTOBER', 'NOVEMBER', 'DECEMBER'] as const),
] as const;

/** Which changes of the clocks the server was told, as its memo of a schedule has it. Milliseconds since 1970. */
export interface ToldClocks {
  from: number;
  until: number;
  /** A hash of what was told: another release of the time zones may have other changes. */
  hash: string;
}

/**
 * When a schedule runs, as the server is told. Its own way with changes of the clocks is not ours (server 1.32): it
 * leaves out what the clocks skip, may run twice what they show twice (01:30 in New York), or then at a time of no
 * schedule (`*`/30 2 in Berlin: 03:30). So on the dates of such changes it does nothing by itself, and is given the
 * times, one second after the minute, since that date's whole minutes are left out.
 */
export function scheduleSpec(
  cron: string,
  zone: string,
  now: number,
): { spec: ScheduleSpec; clocks: ToldClocks } {
  const [from, until] = [now, now + toldForMs];
  const dates = specialDates(cron, zone, from, until);
  const times = dates.flatMap((date) => cronTimesOn(cron, zone, date));
  const spec: ScheduleSpec = {
    cronExpressions: [cron],
    timezone: zone,
    intervals: [...new Set(times)].map((at) => ({ every: onceEvery, offset: at + 1000 - onceEvery })),
    skip: dates.map(({ year, month, day }) => ({
      ...{ year, month: months[month - 1] ?? 'JANUARY', dayOfMonth: day },
      ...{ hour: '*', minute: '*', second: 0 },
    })),
  };
  return { spec, clocks: { from, until, hash: hashOf(dates, times) } };
}

/** True when what the server was told of the clocks is right, and enough for a year. */
export function isToldRight(cron: string, zone: string, told: ToldClocks | undefined, now: number): boolean {
  const { from, until, hash } = told ?? { from: now, until: now, hash: hashOf([], []) };
  const dates = specialDates(cron, zone, from, until);
  const times = dates.flatMap((date) => cronTimesOn(cron, zone, date));
  return hash === hashOf(dates, times) && specialDates(cron, zone, until, now + neededForMs).length === 0;
}

/** The dates of changes of the clocks on which a schedule runs whose every run counts. */
function specialDates(cron: string, zone: string, from: number, until: number): LocalDate[] {
  if (runsOften(cron)) return [];
  return datesOfChanges(zone, from, until).filter((date) => cronTimesOn(cron, zone, date).length > 0);
}

function hashOf(dates: readonly LocalDate[], times: readonly number[]): string {
  return createHash('sha256')
    .update(JSON.stringify([dates, times]))
    .digest('hex')
    .slice(0, 16);
}
