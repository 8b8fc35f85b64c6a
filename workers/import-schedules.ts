import type { Catalog } from '../catalog/open-catalog.js';
import {
  areImported,
  findSchedule,
  insertSchedule,
  noteImported,
  type NewSchedule,
} from '../catalog/schedules.js';
import { schedulePrefix } from './schedule-id.js';
import type { TemporalServer } from './temporal-target.js';

/**
 * Takes over the schedules of version 0.1, which stand on the embedded server alone: once for a catalog, so that nobody who
 * reaches the server can bring in others later. On a server of one's own nothing tells whose a schedule is, and none is taken.
 */
export async function importSchedules(server: TemporalServer, catalog: Catalog): Promise<void> {
  if (!server.target.embedded || (await areImported(catalog))) return;
  for await (const { scheduleId } of server.client.schedule.list()) {
    if (!scheduleId.startsWith(schedulePrefix)) continue;
    const name = scheduleId.slice(schedulePrefix.length);
    if ((await findSchedule(catalog, name)) !== undefined) continue;
    const schedule = await earlierSchedule(server, name);
    if (schedule !== undefined) await insertSchedule(catalog, schedule, { replace: false });
  }
  await noteImported(catalog);
}

/** A schedule as version 0.1 has made it; undefined for one of another kind: those of today carry their name alone. */
async function earlierSchedule(server: TemporalServer, name: string): Promise<NewSchedule | undefined> {
  const handle = server.client.schedule.getHandle(schedulePrefix + name);
  const { memo, action, spec, state } = await handle.describe();
  const [backup] = (action.args ?? []) as { sources?: unknown }[];
  const { cron, backup: words } = memo ?? {};
  if (action.workflowType !== 'scheduledBackup' || !Array.isArray(backup?.sources)) return undefined;
  if (typeof cron !== 'string') return undefined;
  return {
    name,
    cron,
    zone: spec.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
    command: typeof words === 'string' ? words : 'backup',
    arguments: JSON.stringify(backup),
    paused: state.paused ? 1 : 0,
  };
}
