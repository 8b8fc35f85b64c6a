import { committedBySpan, spanMs } from '../../catalog/figures/period-figures.js';
import type { Catalog } from '../../catalog/open-catalog.js';

/** How what is on tape has grown: what is there now, by when it was committed. Each copy counts. */
export interface Growth {
  /** Days of the calendar in each step. */
  days: number;
  steps: GrowthStep[];
  /** Bytes and archives that were there before the period, and that came in it. */
  before: { archives: number; bytes: number };
  added: { archives: number; bytes: number };
}

export interface GrowthStep {
  /** When its first day begins, in milliseconds since 1970. */
  at: number;
  archives: number;
  bytes: number;
  /** Bytes on tape at its end. */
  total: number;
}

/** A plot of more steps than that is read by nobody. */
const mostSteps = 100;
const stepDays = [1, 7, 28, 364];
const dayMs = 86_400_000;
/** What began yesterday is shown in its week. */
const leastMs = 7 * dayMs;

/** The growth in a period, by days of the machine's calendar, or by weeks or more where it is long. */
export async function growthOf(db: Catalog, from: number, to: number): Promise<Growth> {
  const spans = await committedBySpan(db);
  const first = Math.max(from, Math.min(spans[0]?.at ?? from, to - leastMs));
  const days = stepDays.find((step) => (to - first) / dayMs / step <= mostSteps) ?? 3640;
  const before = { archives: 0, bytes: 0 };
  const added = { archives: 0, bytes: 0 };
  const steps: GrowthStep[] = [];
  for (let at = dayOf(first); at <= to; at = dayOf(at, days))
    steps.push({ at, archives: 0, bytes: 0, total: 0 });
  for (const { at, archives, bytes } of spans) {
    // Of the span in which the period begins, all counts.
    const step = at + spanMs > from ? steps.findLast((one) => one.at <= at) : undefined;
    for (const sum of step === undefined ? [before] : [added, step]) {
      sum.archives += archives;
      sum.bytes += bytes;
    }
  }
  let total = before.bytes;
  for (const step of steps) step.total = total += step.bytes;
  return { days, steps, before, added };
}

/** When the calendar's day of a time begins on this machine, or one so many days later. */
function dayOf(at: number, later = 0): number {
  const date = new Date(at);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + later).getTime();
}
