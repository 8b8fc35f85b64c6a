import type { ScheduleDescription } from '@temporalio/client';
import { lastRunOf, runTrouble, type LastRun } from '../../catalog/server/schedules.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { ScheduleRow } from '../../catalog/rows.js';
import { nextTimes } from './schedules.js';

/** A schedule as people see it. */
export interface ScheduleStatus {
  row: ScheduleRow;
  /** Its next times, in milliseconds since 1970; none while it is paused, or when the server does not know it. */
  next: number[];
  /** Undefined: it has not run yet. */
  last: LastRun | undefined;
  /** Why its last run was no success: the end of an English sentence. */
  trouble: string | undefined;
}

/**
 * When a schedule runs next, and how its last run ended.
 *
 * @param known what the server has of it.
 */
export async function scheduleStatus(
  catalog: Catalog,
  row: ScheduleRow,
  known: ScheduleDescription | undefined,
): Promise<ScheduleStatus> {
  const next = row.paused === 1 || known === undefined ? [] : nextTimes(known);
  const last = await lastRunOf(catalog, row);
  return { row, next, last, trouble: runTrouble(last) };
}
