import type { Command } from 'commander';
import { t } from '../../../messages/shown.js';
import {
  pauseSchedule,
  removeSchedule,
  scheduleNamed,
  type LastRun,
} from '../../../catalog/server/schedules.js';
import { runScheduleNow } from '../../../workers/starts/run-schedule.js';
import { deleteScheduleAtServer, registerSchedule } from '../../../workers/starts/schedules.js';
import { formatTime } from '../../../config/local-time.js';
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
    run: (session: Session, schedule: string) => Promise<void>,
  ) =>
    schedule
      .command(name)
      .description(description)
      .argument('<schedule>', 'the schedule')
      .action((schedule: string, _options, command: Command) =>
        inSession(command, (session) => run(session, schedule)),
      );
  one('pause', 'do not run it until `resume`', pauseRuns);
  one('resume', 'let it run again', resumeRuns);
  one('run', 'run it now, unless it runs already', runNow);
  one('remove', 'delete it; what it has made stays', remove);
}

/** Lets a schedule run no more, until it is resumed. */
export async function pauseRuns(session: Session, name: string): Promise<void> {
  const catalog = await session.catalog();
  const row = await scheduleNamed(catalog, name);
  await pauseSchedule(catalog, name, true);
  await tellWhereOneRuns(session, (server) => registerSchedule(server, catalog, { ...row, paused: 1 }));
  tell(session, name, 'is paused', t`Schedule ${name} is paused.`);
}

async function remove(session: Session, name: string): Promise<void> {
  const catalog = await session.catalog();
  await scheduleNamed(catalog, name);
  await removeSchedule(catalog, name);
  await tellWhereOneRuns(session, (server) => deleteScheduleAtServer(server, name));
  tell(session, name, 'is removed', t`Schedule ${name} is removed.`);
}

/** Lets a schedule run again that was paused. */
export async function resumeRuns(session: Session, name: string): Promise<void> {
  const catalog = await session.catalog();
  const row = await scheduleNamed(catalog, name);
  await pauseSchedule(catalog, name, false);
  await tellServer(session, async (server) => {
    await registerSchedule(server, catalog, { ...row, paused: 0 });
    await server.lease?.stay();
  });
  tell(session, name, 'runs again', t`Schedule ${name} runs again.`);
}

/** Runs a schedule now, or says that a run of it is at work. */
export async function runNow(session: Session, name: string): Promise<void> {
  const catalog = await session.catalog();
  const row = await scheduleNamed(catalog, name);
  let atWork: LastRun | undefined;
  await tellServer(session, async (server) => {
    atWork = await runScheduleNow(server, catalog, row);
    await server.lease?.stay();
  });
  if (atWork === undefined) tell(session, name, 'will run now', t`Schedule ${name} will run now.`);
  else {
    const { startedAt, id } = atWork;
    const sentence = t`Schedule ${name} has been running since ${formatTime(startedAt)}.`;
    tell(session, name, 'runs already', id === null ? sentence : `${sentence}${t` Its run is ${id}.`}`);
  }
}

function tell(session: Session, name: string, done: string, sentence: string): void {
  if (session.json) session.emit({ name, done });
  else session.print(sentence);
}
