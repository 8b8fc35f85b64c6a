import type { Catalog } from '../../catalog/open-catalog.js';
import {
  schedulesImported,
  findSchedule,
  insertSchedule,
  recordSchedulesImported,
  type NewSchedule,
} from '../../catalog/server/schedules.js';
import { legacyArchiveQueue } from '../../workflows/queues.js';
import { legacySchedulePrefix } from './schedule-id.js';
import type { TemporalServer } from '../server/temporal-target.js';

/**
 * Imports the schedules of version 0.1, which exist only on the embedded server: once per catalog, so that nobody who
 * reaches the server can inject others later. On your own server nothing shows who owns a schedule, so none is
 * imported.
 */
export async function importSchedules(server: TemporalServer, catalog: Catalog): Promise<void> {
  if (!server.target.embedded || (await schedulesImported(catalog))) return;
  for await (const { scheduleId } of server.client.schedule.list()) {
    if (scheduleId.startsWith(legacySchedulePrefix)) {
      await importSchedule(server, catalog, scheduleId.slice(legacySchedulePrefix.length));
    }
  }
  await recordSchedulesImported(catalog);
}

/** Copies a schedule of the server to the catalog, from which it is registered again under its new id. */
async function importSchedule(server: TemporalServer, catalog: Catalog, name: string): Promise<void> {
  const handle = server.client.schedule.getHandle(legacySchedulePrefix + name);
  const { memo, action, spec, state } = await handle.describe();
  // Schedules of this version have other queues.
  if (action.taskQueue !== legacyArchiveQueue || action.workflowType !== 'scheduledBackup') return;
  if ((await findSchedule(catalog, name)) === undefined) {
    const [backup] = (action.args ?? []) as { sources?: unknown }[];
    const { cron, backup: words } = memo ?? {};
    if (!Array.isArray(backup?.sources) || typeof cron !== 'string') return;
    const schedule: NewSchedule = {
      name,
      cron,
      zone: spec.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
      command: typeof words === 'string' ? words : 'backup',
      arguments: JSON.stringify(backup),
      paused: state.paused ? 1 : 0,
    };
    await insertSchedule(catalog, schedule, { replace: false });
  }
  await handle.delete();
}
