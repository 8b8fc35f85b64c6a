import type { Catalog } from '../../catalog/open-catalog.js';
import {
  isAtWork,
  lastRunOf,
  listSchedules,
  runTrouble,
  settledUntil,
} from '../../catalog/server/schedules.js';
import { nextCronTime } from '../../config/cron-times.js';
import { scheduledTree } from '../../operations/sets/scheduled-work.js';

/** What is known of a schedule. Times are milliseconds since 1970. */
export interface ScheduleFigure {
  name: string;
  paused: boolean;
  /** The last run that has ended was no success. */
  failed: boolean;
  /** When it is to run next, or was to run: it has missed a time that has passed. Undefined while it is paused. */
  next: number | undefined;
  /** The host and JSON of the sources that it backs up, as in `SetsTable`; undefined for a verify or a copy. */
  tree: { host: string | null; sources: string } | undefined;
}

/** What is known of every schedule at a time. */
export async function scheduleFigures(db: Catalog, now: number): Promise<ScheduleFigure[]> {
  const figures: ScheduleFigure[] = [];
  for (const row of await listSchedules(db)) {
    const run = await lastRunOf(db, row);
    // A time that falls due while a run lasts is due when that has ended.
    const after = isAtWork(run) ? now : settledUntil(row);
    figures.push({
      name: row.name,
      paused: row.paused === 1,
      failed: runTrouble(run) !== undefined,
      next: row.paused === 1 ? undefined : nextCronTime(row.cron, row.zone, after),
      tree: scheduledTree(row.arguments),
    });
  }
  return figures;
}
