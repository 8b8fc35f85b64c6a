import { english } from '../../../messages/sentence.js';
import { t } from '../../../messages/shown.js';
import type { Catalog } from '../../../catalog/open-catalog.js';
import {
  insertSchedule,
  listSchedules,
  removeSchedule,
  scheduleNamed,
  type NewSchedule,
} from '../../../catalog/server/schedules.js';
import type { ScheduleRow } from '../../../catalog/rows.js';
import { isContainerUtc } from '../../../config/container.js';
import { requireCron } from '../../../config/cron.js';
import { usageFailure } from '../../../config/failures.js';
import { formatTimeIn } from '../../../config/local-time.js';
import { prepareServer } from '../../../workers/server/prepare-server.js';
import { describeSchedule, nextTimes, registerSchedule } from '../../../workers/starts/schedules.js';
import { requireName } from '../../print/names.js';
import { parseScheduled } from './scheduled-command.js';
import type { Session } from '../../session.js';
import type { Server } from '../../server.js';
import { tellServer } from './tell-server.js';

/** Options of `schedule add`. */
export interface AddFlags {
  cron: string;
  timeZone?: string;
  replace?: boolean;
}

/** Makes a schedule: stores it, and tells a server, which is started if none runs. */
export async function add(session: Session, name: string, words: string[], flags: AddFlags): Promise<void> {
  requireName(name, english`valid name for a schedule`);
  const cron = requireCron(flags.cron);
  const zone = requireTimeZone(flags.timeZone);
  const work = await parseScheduled(session, words);
  const wanted = { name, cron, zone, command: words.join(' '), arguments: JSON.stringify(work) };
  await tellServer(session, async (server) => {
    await prepareServer(server);
    const row = await makeSchedule(await session.catalog(), server, wanted, flags.replace === true);
    const known = await describeSchedule(server, name);
    const next = known === undefined ? undefined : nextTimes(known)[0];
    await server.lease?.stay();
    if (session.json)
      session.emit({ name, cron, zone, next: next === undefined ? null : new Date(next).toISOString() });
    else {
      const made =
        next === undefined
          ? t`Schedule ${row.name} is made; its next run is never.`
          : t`Schedule ${row.name} is made; its next run is at ${formatTimeIn(zone, next)}.`;
      session.print(
        made +
          (flags.timeZone === undefined
            ? t` Its time zone is ${zone}, that of this machine.`
            : t` Its time zone is ${zone}.`),
      );
      if (flags.timeZone === undefined && isContainerUtc(process.env, zone))
        session.say(
          t`${zone} is what a container has where TZ is not set: give --time-zone if you mean another.`,
        );
      if (server.lease !== undefined)
        session.print(t`Server and workers go on running; after a reboot \`tapeflow up\` starts them again.`);
    }
  });
}

/** Stores and registers a schedule; if the server refuses it, everything is as before. */
async function makeSchedule(
  catalog: Catalog,
  server: Server,
  wanted: NewSchedule,
  replace: boolean,
): Promise<ScheduleRow> {
  const before = (await listSchedules(catalog)).find(({ name }) => name === wanted.name);
  await insertSchedule(catalog, wanted, { replace });
  const row = await scheduleNamed(catalog, wanted.name);
  try {
    await registerSchedule(server, catalog, row);
  } catch (error) {
    if (before === undefined) await removeSchedule(catalog, wanted.name);
    else await insertSchedule(catalog, before, { replace: true });
    throw error;
  }
  return row;
}

/** The time zone of a schedule: this machine's by default. */
function requireTimeZone(given: string | undefined): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: given }).resolvedOptions().timeZone;
  } catch {
    throw usageFailure(
      'WrongTimeZone',
      english`There is no time zone ${JSON.stringify(given)}.`,
      english`Give one such as Europe/Berlin.`,
    );
  }
}
