import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type ScheduleDescription,
} from '@temporalio/client';
import { scheduledWork } from '../../operations/sets/scheduled-work.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { findSchedule, listSchedules, recordTold } from '../../catalog/server/schedules.js';
import type { ScheduleRow } from '../../catalog/rows.js';
import { queuesOf } from '../../workflows/queues.js';
import { cutToBytes } from '../../workflows/server-limits.js';
import { importSchedules } from './import-schedules.js';
import { scheduleId } from './schedule-id.js';
import type { TemporalServer } from '../server/temporal-target.js';

/** Runs that were missed while no server ran are made up for when it is back within this time: the last of a day. */
const catchupWindow = '1 day';
/** Milliseconds that whoever tells the server of a schedule has for noting it. */
const noteWithinMs = 30_000;
/** Most bytes of the memo: the server keeps 2 KiB of it. */
const memoBytes = 500;

/**
 * What the server should know of a schedule; the catalog has the rest, which may be as large as thousands of sources.
 */
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
 * somebody has changed or made there, is made anew.
 *
 * @returns true when the server had to be told.
 */
export async function tellSchedule(
  server: TemporalServer,
  catalog: Catalog,
  row: ScheduleRow,
): Promise<boolean> {
  const known = await describeSchedule(server, row.name);
  const handle = server.client.schedule.getHandle(scheduleId(row.name, server.installation));
  if (known !== undefined && (await isOurs(catalog, row, known))) {
    const paused = row.paused === 1;
    if (known.state.paused === paused) return false;
    await (paused ? handle.pause() : handle.unpause());
    return true;
  }
  if (known !== undefined) await forgetAtServer(server, row.name);
  try {
    await server.client.schedule.create(description(row, server.installation));
  } catch (error) {
    // A command, or the worker of another machine, was faster, and notes it.
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    return true;
  }
  const made = await describeSchedule(server, row.name);
  if (made !== undefined) await recordTold(catalog, row, made.info.createdAt.getTime());
  return true;
}

/**
 * True for the schedule that we have made: only its time of birth tells, which is the server's. Everything else can be
 * read and copied. We never change one, so whoever did was somebody else.
 */
async function isOurs(
  catalog: Catalog,
  { name, created_at: madeAt }: ScheduleRow,
  { memo, info: { createdAt, lastUpdatedAt } }: ScheduleDescription,
): Promise<boolean> {
  if (memo?.['made'] !== madeAt || lastUpdatedAt !== undefined) return false;
  const toldAt = (await findSchedule(catalog, name))?.told_at ?? null;
  if (toldAt !== null) return toldAt === createdAt.getTime();
  // Another process of ours is about to note it.
  return Date.now() - createdAt.getTime() < noteWithinMs;
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
    if (!(await tellSchedule(server, catalog, row))) continue;
    told.push(row.name);
    // It was removed in between: nobody else would delete what was just made.
    if ((await findSchedule(catalog, row.name)) === undefined) await forgetAtServer(server, row.name);
  }
  return told;
}
