import { type LocalDate, localDate } from '../../config/time-zone.js';
import { type KeepCounts, type KeepRule, keepRules } from '../../config/settings/retention.js';

/** A set of a tree that has ended with success; times in milliseconds since 1970. */
export interface CountedSet {
  id: string;
  /** Its period is that of its beginning, which is the time that its files are of. */
  begunAt: number;
  endedAt: number;
}

/** Why a set is kept: it is the newest of a period, or, while a rule has room, the oldest of all. */
export interface KeptBy {
  rule: KeepRule;
  /** `2026-03-02`, `2026-W10`, `2026-03`, `2026`; the set's id for `last`. */
  period: string;
  isOldest: boolean;
}

/** What the rules say of a set. */
export interface Verdict {
  /** Empty: no rule keeps it any more. */
  by: KeptBy[];
  /** When the last rule ceased to keep it, in milliseconds since 1970; `Infinity` while one does. */
  until: number;
}

/**
 * Which sets of one tree the counts keep. Each rule keeps the newest set of each of the newest periods that have one,
 * and the oldest set of all as long as there are fewer periods than it wants. Sets that are kept stay so when one that
 * is not goes.
 */
export function keptByCount(sets: readonly CountedSet[], counts: KeepCounts, zone: string) {
  const newestFirst = [...sets].sort((a, b) => b.begunAt - a.begunAt || (a.id < b.id ? 1 : -1));
  const dates = new Map(newestFirst.map(({ id, begunAt }) => [id, localDate(zone, begunAt)]));
  const verdicts = new Map(
    newestFirst.map(({ id }): [string, Verdict] => [id, { by: [], until: -Infinity }]),
  );
  for (const rule of keepRules) {
    const count = counts[rule];
    if (count === undefined) continue;
    const periodOf = ({ id }: CountedSet) => (rule === 'last' ? id : periodName(rule, dates.get(id)!));
    applyRule(newestFirst, rule, count ?? Infinity, periodOf, verdicts);
  }
  return verdicts;
}

function applyRule(
  newestFirst: readonly CountedSet[],
  rule: KeepRule,
  count: number,
  periodOf: (set: CountedSet) => string,
  verdicts: ReadonlyMap<string, Verdict>,
): void {
  /** When the first set of each newer period ended, in that order: from the `count`th on the rule has no room. */
  const newerPeriods: number[] = [];
  /** When that happened to sets of the same period that are newer. */
  let firstOfPeriod = Infinity;
  let [lastPeriod] = newestFirst.map(periodOf);
  for (const [index, set] of newestFirst.entries()) {
    const period = periodOf(set);
    if (period !== lastPeriod) {
      insertSorted(newerPeriods, firstOfPeriod);
      [lastPeriod, firstOfPeriod] = [period, Infinity];
    }
    const newest = Math.min(firstOfPeriod, nth(newerPeriods, count));
    const oldest = index === newestFirst.length - 1 ? nth(newerPeriods, count - 1) : -Infinity;
    const verdict = verdicts.get(set.id)!;
    verdict.until = Math.max(verdict.until, newest, oldest);
    if (newest === Infinity || oldest === Infinity)
      verdict.by.push({ rule, period, isOldest: newest !== Infinity });
    firstOfPeriod = Math.min(firstOfPeriod, set.endedAt);
  }
}

/** The `n`th of sorted times, counted from 1; `Infinity` if there are fewer, `-Infinity` for 0. */
function nth(times: readonly number[], n: number): number {
  return n === 0 ? -Infinity : (times[n - 1] ?? Infinity);
}

function insertSorted(times: number[], time: number): void {
  const at = times.findIndex((other) => other > time);
  times.splice(at === -1 ? times.length : at, 0, time);
}

const two = (value: number) => String(value).padStart(2, '0');

function periodName(rule: Exclude<KeepRule, 'last'>, { year, month, day }: LocalDate): string {
  if (rule === 'yearly') return String(year);
  if (rule === 'monthly') return `${year}-${two(month)}`;
  if (rule === 'daily') return `${year}-${two(month)}-${two(day)}`;
  return weekName(year, month, day);
}

/** The week of ISO 8601, which is of the year that has its Thursday: `2026-W01`. */
function weekName(year: number, month: number, day: number): string {
  const date = new Date(Date.UTC(year, month - 1, day));
  date.setUTCDate(date.getUTCDate() + 4 - (date.getUTCDay() || 7));
  const first = Date.UTC(date.getUTCFullYear(), 0, 1);
  const week = Math.floor((date.getTime() - first) / (7 * 86_400_000)) + 1;
  return `${date.getUTCFullYear()}-W${two(week)}`;
}
