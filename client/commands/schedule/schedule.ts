import type { Command } from 'commander';
import { t } from '../../../messages/shown.js';
import {
  isAtWork,
  lastRunOf,
  requestRun,
  pauseSchedule,
  removeSchedule,
  scheduleNamed,
  type LastRun,
} from '../../../catalog/server/schedules.js';
import type { ScheduleRow } from '../../../catalog/rows.js';
import { scheduleId } from '../../../workers/starts/schedule-id.js';
import {
  deleteScheduleAtServer,
  describeSchedule,
  registerSchedule,
} from '../../../workers/starts/schedules.js';
import type { Catalog } from '../../../catalog/open-catalog.js';
import { formatTime } from '../../../config/local-time.js';
import type { Server } from '../../server.js';
import { inSession, type Session } from '../../session.js';
import { addScheduleAdd } from './schedule-add.js';
import { addScheduleList } from './schedule-list.js';
import { tellServer, tellWhereOneRuns } from './tell-server.js';

/**
 * `schedule add|list|pause|resume|run|remove`: scheduled backups, verifies and copies. They are stored in the catalog,
 * and the server runs them.
 */
export function addSchedule(program: Command): void {
  const schedule = program.command('schedule');
  addScheduleAdd(schedule);
  addScheduleList(schedule);
  const one = (
    name: string,
    description: string,
    run: (session: Session, row: ScheduleRow) => Promise<void>,
  ) =>
    schedule
      .command(name)
      .description(description)
      .argument('<schedule>', 'the schedule')
      .action((schedule: string, _options, command: Command) =>
        inSession(command, async (session) =>
          run(session, await scheduleNamed(await session.catalog(), schedule)),
        ),
      );
  one('pause', 'do not run it until `resume`', pause);
  one('resume', 'let it run again', resume);
  one('run', 'run it now, unless it runs already', runNow);
  one('remove', 'delete it; what it has made stays', remove);
}

async function pause(session: Session, row: ScheduleRow): Promise<void> {
  const catalog = await session.catalog();
  await pauseSchedule(catalog, row.name, true);
  await tellWhereOneRuns(session, (server) => registerSchedule(server, catalog, { ...row, paused: 1 }));
  tell(session, row.name, 'is paused', t`Schedule ${row.name} is paused.`);
}

async function remove(session: Session, row: ScheduleRow): Promise<void> {
  await removeSchedule(await session.catalog(), row.name);
  await tellWhereOneRuns(session, (server) => deleteScheduleAtServer(server, row.name));
  tell(session, row.name, 'is removed', t`Schedule ${row.name} is removed.`);
}

async function resume(session: Session, row: ScheduleRow): Promise<void> {
  const catalog = await session.catalog();
  await pauseSchedule(catalog, row.name, false);
  await tellServer(session, async (server) => {
    await registerSchedule(server, catalog, { ...row, paused: 0 });
    await server.lease?.stay();
  });
  tell(session, row.name, 'runs again', t`Schedule ${row.name} runs again.`);
}

async function runNow(session: Session, row: ScheduleRow): Promise<void> {
  const catalog = await session.catalog();
  let atWork: LastRun | undefined;
  await tellServer(session, async (server) => {
    await registerSchedule(server, catalog, row);
    atWork = await runAtWork(server, catalog, row);
    if (atWork === undefined) {
      // Without this the run would be refused as forged.
      await requestRun(catalog, row.name);
      // The server may not have noticed yet that the last run has ended: this one comes after it, and is not skipped.
      await server.client.schedule.getHandle(scheduleId(row.name, server.installation)).trigger('BUFFER_ONE');
    }
    await server.lease?.stay();
  });
  if (atWork === undefined) tell(session, row.name, 'will run now', t`Schedule ${row.name} will run now.`);
  else {
    const { startedAt, id } = atWork;
    const sentence = t`Schedule ${row.name} has been running since ${formatTime(startedAt)}.`;
    tell(session, row.name, 'runs already', id === null ? sentence : `${sentence}${t` Its run is ${id}.`}`);
  }
}

/** The run of a schedule that is at work, to the catalog and to the server: to each alone it may have been for long. */
async function runAtWork(server: Server, catalog: Catalog, row: ScheduleRow): Promise<LastRun | undefined> {
  const run = await lastRunOf(catalog, row);
  if (!isAtWork(run)) return undefined;
  const known = await describeSchedule(server, row.name);
  return known === undefined || known.info.runningActions.length === 0 ? undefined : run;
}

function tell(session: Session, name: string, done: string, sentence: string): void {
  if (session.json) session.emit({ name, done });
  else session.print(sentence);
}
