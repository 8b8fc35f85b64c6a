import type { Catalog } from '../catalog/open-catalog.js';
import { findSchedule, insertSchedule, pauseSchedule } from '../catalog/schedules.js';
import { schedulePrefix } from './schedule-id.js';
import type { TemporalServer } from './temporal-target.js';

/** Key in the catalog's `meta`: the schedules of version 0.1, which only the server knew, were taken over. */
const importedKey = 'schedules_imported';

/**
 * Takes over the schedules of version 0.1, which stand on the embedded server alone: once for a catalog, so that nobody who
 * reaches the server can bring in others later. On a server of one's own nothing tells whose a schedule is, and none is taken.
 *
 * @returns the names of those that were taken over.
 */
export async function importSchedules(server: TemporalServer, catalog: Catalog): Promise<string[]> {
  const mark = catalog.selectFrom('meta').select('value').where('key', '=', importedKey);
  if (!server.target.embedded || (await mark.executeTakeFirst()) !== undefined) return [];
  const names: string[] = [];
  for await (const { scheduleId } of server.client.schedule.list()) {
    if (!scheduleId.startsWith(schedulePrefix)) continue;
    const name = scheduleId.slice(schedulePrefix.length);
    if (await importSchedule(server, catalog, name)) names.push(name);
  }
  await catalog
    .insertInto('meta')
    .values({ key: importedKey, value: new Date().toISOString() })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .execute();
  return names;
}

async function importSchedule(server: TemporalServer, catalog: Catalog, name: string): Promise<boolean> {
  if ((await findSchedule(catalog, name)) !== undefined) return false;
  const { memo, action, spec, state } = await server.client.schedule
    .getHandle(schedulePrefix + name)
    .describe();
  const [backup] = (action.args ?? []) as { sources?: unknown }[];
  const cron = memo?.['cron'];
  // Those of this version carry their name alone: the catalog forgot this one, and so should the server.
  if (action.workflowType !== 'scheduledBackup' || !Array.isArray(backup?.sources)) return false;
  if (typeof cron !== 'string') return false;
  const zone = spec.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  const words = memo?.['backup'];
  const command = typeof words === 'string' ? words : 'backup';
  await insertSchedule(
    catalog,
    { name, cron, zone, command, arguments: JSON.stringify(backup) },
    { replace: false },
  );
  if (state.paused) await pauseSchedule(catalog, name, true);
  return true;
}
