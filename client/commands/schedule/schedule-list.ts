import { shown, t } from '../../../messages/shown.js';
import { stateWord } from '../../../catalog/schema/state-words.js';
import type { Command } from 'commander';
import { scheduledWork } from '../../../operations/sets/scheduled-work.js';
import { mayWrite } from '../../../catalog/open-for-reading.js';
import { listSchedules, type LastRun } from '../../../catalog/server/schedules.js';
import { isSetId } from '../../../catalog/sets/set-id.js';
import { formatTime, formatTimeIn } from '../../../config/local-time.js';
import { scheduleStatus } from '../../../workers/starts/schedule-status.js';
import { describeSchedule, registerSchedules } from '../../../workers/starts/schedules.js';
import { inReadWriteSession, type Session } from '../../session.js';
import { atServer, findServer } from '../../server.js';
import { printTable } from '../../print/print-table.js';

/** Number of characters of a schedule's command shown in the list; `--json` has all. */
const commandShown = 60;

/** `schedule list`: all of them, with their next and last runs. */
export function addScheduleList(schedule: Command): void {
  schedule
    .command('list')
    .description('list the schedules with their next runs, and how the last ones ended')
    .action((_options, command: Command) => inReadWriteSession(command, list));
}

async function list(session: Session): Promise<void> {
  const catalog = await session.catalog();
  const server = await findServer(session);
  try {
    if (server !== undefined && mayWrite(session.settings.CATALOG_URL))
      await atServer(server, () => registerSchedules(server, catalog));
    const rows: string[][] = [
      [t`SCHEDULE`, t`CRON`, t`STATE`, t`TIME ZONE`, t`NEXT RUN`, t`LAST RUN`, t`ENDED`, t`COMMAND`],
    ];
    const nights: string[] = [];
    const troubles: string[] = [];
    for (const row of await listSchedules(catalog)) {
      const { name, cron, zone, command } = row;
      const known =
        server === undefined ? undefined : await atServer(server, () => describeSchedule(server, name));
      const { next, last, trouble } = await scheduleStatus(catalog, row, known);
      if (trouble !== undefined) troubles.push(t`Schedule ${name} has no success: ${trouble}`);
      if (session.json)
        session.emit({
          ...{ name, cron, zone, command, paused: row.paused === 1 },
          ...('kind' in scheduledWork(row.arguments) ? {} : { backup: command }),
          next: isoTimes(next)[0] ?? null,
          nextRuns: isoTimes(next),
          last: last === undefined ? null : lastRunJson(last),
        });
      const time = (ms: number | undefined) => (ms === undefined ? '–' : formatTime(ms));
      const times = next.map((ms) => formatTimeIn(zone, ms));
      if (times.length > 0) nights.push(t`Schedule ${name} runs next at ${listText(times)} (${zone}).`);
      rows.push([
        ...[name, cron, row.paused === 1 ? t`paused` : t`on`, zone, times[0] ?? '–'],
        ...[time(last?.startedAt), last === undefined ? '–' : endOf(last)],
        command.length > commandShown ? `${command.slice(0, commandShown)}…` : command,
      ]);
    }
    if (session.json) return;
    if (rows.length === 1) session.print(t`There are no schedules.`);
    else await printTable(session, rows, [t`TIME ZONE`, t`CRON`, t`LAST RUN`, t`STATE`]);
    for (const night of nights) session.print(night);
    for (const trouble of troubles) session.print(trouble);
    if (rows.length > 1 && server === undefined)
      session.print(t`No server runs, so nothing runs automatically until \`tapeflow up\`.`);
  } finally {
    await server?.close();
  }
}

/** `a, b and c` */
function listText(words: readonly string[]): string {
  return words.length < 2
    ? words.join('')
    : `${words.slice(0, -1).join(', ')}${t` and `}${words.at(-1) ?? ''}`;
}

const isoTimes = (times: readonly number[]) => times.map((ms) => new Date(ms).toISOString());

/** How a run ended, in a few words. */
function endOf({ state, id }: LastRun): string {
  return `${shown(stateWord(state))}${id === null ? '' : t` (${id})`}`;
}

function lastRunJson(run: LastRun) {
  const { startedAt, endedAt, id, state, reason } = run;
  const setId = id !== null && isSetId(id) ? id : null;
  const time = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
  return { started: time(startedAt), ended: time(endedAt), id, setId, status: state, reason };
}
