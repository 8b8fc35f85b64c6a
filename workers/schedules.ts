import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type ScheduleDescription,
} from '@temporalio/client';
import { scheduledWork } from '../activities/scheduled-work.js';
import type { Catalog } from '../catalog/open-catalog.js';
import { findSchedule, listSchedules, type ScheduleRow } from '../catalog/schedules.js';
import { queuesOf } from '../workflows/queues.js';
import { cutToBytes } from '../workflows/server-limits.js';
import { importSchedules } from './import-schedules.js';
import { scheduleId } from './schedule-id.js';
import type { TemporalServer } from './temporal-target.js';

/** Runs that were missed while no server ran are made up for when it is back within this time: the last of a day. */
const catchupWindow = '1 day';
/** Most bytes of the memo: the server keeps 2 KiB of it. */
const memoBytes = 500;

/** What the server should know of a schedule; the catalog has the rest, which may be as large as thousands of sources. */
function description(row: ScheduleRow, installation: string) {
  const { name, cron, zone } = row;
  return {
    scheduleId: scheduleId(name, installation),
    memo: { cron, zone, made: row.created_at, command: cutToBytes(row.command, memoBytes) },
    spec: { cronExpressions: [cron], timezone: zone },
    // One that falls due while another is at work begins after it: no night is lost, and none piles up.
    policies: { overlap: ScheduleOverlapPolicy.BUFFER_ONE, catchupWindow } as const,
    state: { paused: row.paused === 1 },
    action: {
      type: 'startWorkflow' as const,
      workflowType: 'kind' in scheduledWork(row.arguments) ? 'scheduledReading' : 'scheduledBackup',
      workflowId: `scheduled-${name}-${installation}`,
      taskQueue: queuesOf(installation).archive,
      args: [{ name }],
    },
  };
}

/** What the server knows of a schedule; undefined: nothing. */
export async function describeSchedule(
  server: TemporalServer,
  name: string,
): Promise<ScheduleDescription | undefined> {
  try {
    return await server.client.schedule.getHandle(scheduleId(name, server.installation)).describe();
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined;
    throw error;
  }
}

/**
 * Makes a schedule on the server what the catalog says it is: one that is missing is made, one that is another, or that
 * somebody has changed there, is made anew.
 *
 * @returns true when the server had to be told.
 */
export async function tellSchedule(server: TemporalServer, row: ScheduleRow): Promise<boolean> {
  const known = await describeSchedule(server, row.name);
  const handle = server.client.schedule.getHandle(scheduleId(row.name, server.installation));
  // We never update one, so whoever did was somebody else.
  const isOurs = known?.memo?.['made'] === row.created_at && known.info.lastUpdatedAt === undefined;
  if (known !== undefined && isOurs) {
    const paused = row.paused === 1;
    if (known.state.paused === paused) return false;
    await (paused ? handle.pause() : handle.unpause());
    return true;
  }
  if (known !== undefined) await forgetAtServer(server, row.name);
  try {
    await server.client.schedule.create(description(row, server.installation));
  } catch (error) {
    // A command, or the worker of another machine, was faster.
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
  }
  return true;
}

/** Deletes a schedule on the server; one that is not there is no fault. */
export async function forgetAtServer(server: TemporalServer, name: string): Promise<void> {
  try {
    await server.client.schedule.getHandle(scheduleId(name, server.installation)).delete();
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
  }
}

/**
 * Makes the server's schedules those of the catalog, which takes those of version 0.1 over first.
 *
 * @returns names of those that the server had to be told of.
 */
export async function tellSchedules(server: TemporalServer, catalog: Catalog): Promise<string[]> {
  const told: string[] = [];
  await importSchedules(server, catalog);
  for (const row of await listSchedules(catalog)) {
    if (!(await tellSchedule(server, row))) continue;
    told.push(row.name);
    // It was removed in between: nobody else would delete what was just made.
    if ((await findSchedule(catalog, row.name)) === undefined) await forgetAtServer(server, row.name);
  }
  return told;
}
