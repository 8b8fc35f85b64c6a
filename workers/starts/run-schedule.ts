import { isAtWork, lastRunOf, requestRun, type LastRun } from '../../catalog/server/schedules.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { ScheduleRow } from '../../catalog/rows.js';
import type { TemporalServer } from '../server/temporal-target.js';
import { scheduleId } from './schedule-id.js';
import { describeSchedule, registerSchedule } from './schedules.js';

/**
 * Lets a schedule run now, unless a run of it is at work.
 *
 * @returns that run; undefined when a new one was asked for.
 */
export async function runScheduleNow(
  server: TemporalServer,
  catalog: Catalog,
  row: ScheduleRow,
): Promise<LastRun | undefined> {
  await registerSchedule(server, catalog, row);
  const atWork = await runAtWork(server, catalog, row);
  if (atWork !== undefined) return atWork;
  // Without this the run would be refused as forged.
  await requestRun(catalog, row.name);
  // The server may not have noticed yet that the last run has ended: this one comes after it, and is not skipped.
  await server.client.schedule.getHandle(scheduleId(row.name, server.installation)).trigger('BUFFER_ONE');
  return undefined;
}

/** The run of a schedule that is at work, to the catalog and to the server: to each alone it may have been for long. */
async function runAtWork(
  server: TemporalServer,
  catalog: Catalog,
  row: ScheduleRow,
): Promise<LastRun | undefined> {
  const run = await lastRunOf(catalog, row);
  if (!isAtWork(run)) return undefined;
  const known = await describeSchedule(server, row.name);
  return known === undefined || known.info.runningActions.length === 0 ? undefined : run;
}
