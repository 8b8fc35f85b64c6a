import type { ScheduleDescription } from '@temporalio/client';
import { scheduledWork } from '../../operations/sets/scheduled-work.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { findSchedule, listSchedules, recordRegistered } from '../../catalog/server/schedules.js';
import type { ScheduleRow } from '../../catalog/rows.js';
import { queuesOf } from '../../workflows/queues.js';
import { cutToBytes } from '../../workflows/server-limits.js';
import { importSchedules } from './import-schedules.js';
import { scheduleId } from './schedule-id.js';
import { isToldRight, scheduleSpec, type ToldClocks } from './schedule-spec.js';
import type { TemporalServer } from '../server/temporal-target.js';

/** Runs missed while no server ran are caught up within this time: only the last of a day. */
const catchupWindow = '1 day';
/** Milliseconds within which a newly registered schedule must be recorded. */
const noteWithinMs = 30_000;
/** Milliseconds before its next run in which a schedule is not replaced. */
const quietMs = 60_000;
/** Maximum bytes of the memo; the server's limit is 2 KiB. */
const memoBytes = 500;

/** The server's description of a schedule; the catalog has the rest, such as thousands of sources. */
function description(row: ScheduleRow, installation: string) {
  const { name, cron, zone } = row;
  const { spec, clocks } = scheduleSpec(cron, zone, Date.now());
  return {
    scheduleId: scheduleId(name, installation),
    memo: { cron, zone, made: row.created_at, clocks, command: cutToBytes(row.command, memoBytes) },
    spec,
    // A run that falls due while another is running starts after it: no night is lost, and runs do not pile up.
    policies: { overlap: 'BUFFER_ONE', catchupWindow } as const,
    state: { paused: row.paused === 1 },
    action: {
      type: 'startWorkflow' as const,
      workflowType: 'kind' in scheduledWork(row.arguments) ? 'scheduledReading' : 'scheduledBackup',
      workflowId: `scheduled-${name}-${installation}`,
      taskQueue: queuesOf(installation).archive,
      args: [{ name, ...sourcesHost(row) }],
    },
  };
}

/** The host that has the sources of a schedule, where that is not the home of the installation. */
function sourcesHost(row: ScheduleRow): { host?: string } {
  const work = scheduledWork(row.arguments);
  return 'kind' in work || work.host === undefined ? {} : { host: work.host };
}

/** The server's description of a schedule; undefined: it does not know it. */
export async function describeSchedule(
  server: TemporalServer,
  name: string,
): Promise<ScheduleDescription | undefined> {
  try {
    return await server.client.schedule.getHandle(scheduleId(name, server.installation)).describe();
  } catch (error) {
    const { ScheduleNotFoundError } = await import('../server/temporal-client.js');
    if (error instanceof ScheduleNotFoundError) return undefined;
    throw error;
  }
}

/** Number of times that a schedule is shown with. */
const shownTimes = 3;

/** When a schedule runs next, as the server has it, by whole minutes; in milliseconds since 1970. */
export function nextTimes({ info }: ScheduleDescription): number[] {
  return info.nextActionTimes
    .slice(0, shownTimes)
    .map((time) => Math.floor(time.getTime() / 60_000) * 60_000);
}

/**
 * Makes a schedule on the server match the catalog: a missing one is created, and one that differs, or that somebody
 * has changed or created there, is replaced.
 *
 * @returns true when the server had to be changed.
 */
export async function registerSchedule(
  server: TemporalServer,
  catalog: Catalog,
  row: ScheduleRow,
): Promise<boolean> {
  const known = await describeSchedule(server, row.name);
  const handle = server.client.schedule.getHandle(scheduleId(row.name, server.installation));
  if (known !== undefined && (await isOurs(catalog, row, known))) {
    const paused = row.paused === 1;
    if (!isLeftAsItIs(row, known)) return replaceSchedule(server, catalog, row);
    if (known.state.paused === paused) return false;
    await (paused ? handle.pause() : handle.unpause());
    return true;
  }
  return replaceSchedule(server, catalog, row, known === undefined);
}

/**
 * True when the server was told of the changes of the clocks as they are, or when this is not the moment to replace the
 * schedule: its run in progress, or one that is due, must not be forgotten.
 */
function isLeftAsItIs({ cron, zone }: ScheduleRow, { memo, info }: ScheduleDescription): boolean {
  const now = Date.now();
  const told = memo?.['clocks'] as ToldClocks | undefined;
  if (isToldRight(cron, zone, told, now)) return true;
  const next = info.nextActionTimes[0]?.getTime() ?? Infinity;
  return info.runningActions.length > 0 || next - now < quietMs;
}

/** Creates a schedule at the server, after deleting the one that is there. */
async function replaceSchedule(
  server: TemporalServer,
  catalog: Catalog,
  row: ScheduleRow,
  isNew = false,
): Promise<true> {
  if (!isNew) await deleteScheduleAtServer(server, row.name);
  try {
    await server.client.schedule.create(description(row, server.installation));
  } catch (error) {
    // A command, or a worker on another machine, was faster and records it.
    const { ScheduleAlreadyRunning } = await import('../server/temporal-client.js');
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    return true;
  }
  const made = await describeSchedule(server, row.name);
  if (made !== undefined) await recordRegistered(catalog, row, made.info.createdAt.getTime());
  return true;
}

/**
 * True for a schedule that we created: only its creation time, set by the server, proves that. Everything else can be
 * read and copied. We never update one, so any change was made by somebody else.
 */
async function isOurs(
  catalog: Catalog,
  { name, created_at: madeAt }: ScheduleRow,
  { memo, info: { createdAt, lastUpdatedAt } }: ScheduleDescription,
): Promise<boolean> {
  if (memo?.['made'] !== madeAt || lastUpdatedAt !== undefined) return false;
  const toldAt = (await findSchedule(catalog, name))?.told_at ?? null;
  if (toldAt !== null) return toldAt === createdAt.getTime();
  // Another of our processes is about to record it.
  return Date.now() - createdAt.getTime() < noteWithinMs;
}

/** Deletes a schedule on the server; a missing one is no error. */
export async function deleteScheduleAtServer(server: TemporalServer, name: string): Promise<void> {
  try {
    await server.client.schedule.getHandle(scheduleId(name, server.installation)).delete();
  } catch (error) {
    const { ScheduleNotFoundError } = await import('../server/temporal-client.js');
    if (!(error instanceof ScheduleNotFoundError)) throw error;
  }
}

/**
 * Makes the server's schedules match the catalog, after importing those of version 0.1.
 *
 * @returns names of the schedules that had to be registered.
 */
export async function registerSchedules(server: TemporalServer, catalog: Catalog): Promise<string[]> {
  const told: string[] = [];
  await importSchedules(server, catalog);
  for (const row of await listSchedules(catalog)) {
    if (!(await registerSchedule(server, catalog, row))) continue;
    told.push(row.name);
    // It was removed in between: nobody else would delete what was just created.
    if ((await findSchedule(catalog, row.name)) === undefined) await deleteScheduleAtServer(server, row.name);
  }
  return told;
}
