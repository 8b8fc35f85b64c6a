import { ScheduleOverlapPolicy } from '@temporalio/client';
import type { Command } from 'commander';
import { scheduledWork } from '../../../operations/sets/scheduled-work.js';
import type { Catalog } from '../../../catalog/open-catalog.js';
import { mayWrite } from '../../../catalog/open-for-reading.js';
import {
  askForRun,
  insertSchedule,
  lastRunOf,
  listSchedules,
  pauseSchedule,
  removeSchedule,
  runTrouble,
  scheduleNamed,
  type LastRun,
  type NewSchedule,
} from '../../../catalog/server/schedules.js';
import type { ScheduleRow } from '../../../catalog/rows.js';
import { isSetId } from '../../../catalog/sets/sets.js';
import { isContainersUtc } from '../../../config/container.js';
import { requireCron } from '../../../config/cron.js';
import { TapeflowFailure, describeError, usageFailure } from '../../../config/failures.js';
import { formatTime } from '../../../config/local-time.js';
import { prepareServer } from '../../../workers/server/prepare-server.js';
import { scheduleId } from '../../../workers/starts/schedule-id.js';
import {
  describeSchedule,
  forgetAtServer,
  tellSchedule,
  tellSchedules,
} from '../../../workers/starts/schedules.js';
import { parseScheduled } from '../../scheduled-command.js';
import {
  connectServer,
  findServer,
  inModestSession,
  inSession,
  type Server,
  type Session,
} from '../../session.js';
import { printTable } from '../../print/table.js';

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** Characters of a schedule's command that the list shows; `--json` has all of them. */
const commandShown = 60;

/**
 * `schedule add|list|pause|resume|run|remove`: backups, verifies and copies at set times. The catalog has them, and the
 * server runs them.
 */
export function addSchedule(program: Command): void {
  const schedule = program.command('schedule');
  schedule
    .command('add')
    .description("such as: schedule add nightly --cron '30 2 * * *' -- backup /srv --mode incremental")
    .argument('<name>', 'name of the schedule')
    .argument('<command...>', 'after `--`: the `backup`, `verify` or `tape copy` to run')
    .requiredOption('--cron <expression>', 'minute, hour, day, month, weekday')
    .option('--time-zone <name>', 'of those, such as Europe/Berlin (default: that of this machine)')
    .option('--replace', 'take the place of a schedule of that name')
    .action((name: string, words: string[], flags: AddFlags, command: Command) =>
      inSession(command, (session) => add(session, name, words, flags)),
    );
  schedule
    .command('list')
    .description('list the schedules with their next runs, and how the last ones ended')
    .action((_options, command: Command) => inModestSession(command, list));
  const one = (
    name: string,
    description: string,
    run: (session: Session, row: ScheduleRow) => Promise<void>,
  ) =>
    schedule
      .command(name)
      .description(description)
      .argument('<name>', 'the schedule')
      .action((schedule: string, _options, command: Command) =>
        inSession(command, async (session) =>
          run(session, await scheduleNamed(await session.catalog(), schedule)),
        ),
      );
  one('pause', 'run it no more until `resume`', pause);
  one('resume', 'let it run again', resume);
  one('run', 'run it now, unless it runs already', runNow);
  one('remove', 'delete it; what it has made stays', remove);
}

interface AddFlags {
  cron: string;
  timeZone?: string;
  replace?: boolean;
}

async function add(session: Session, name: string, words: string[], flags: AddFlags): Promise<void> {
  if (!namePattern.test(name)) {
    throw usageFailure(
      'WrongName',
      `${JSON.stringify(name)} is no name of a schedule.`,
      'Use letters, digits, dots, dashes and underscores.',
    );
  }
  const cron = requireCron(flags.cron);
  const zone = requireTimeZone(flags.timeZone);
  const work = await parseScheduled(session, words);
  const wanted = { name, cron, zone, command: words.join(' '), arguments: JSON.stringify(work) };
  await withServer(session, async (server) => {
    await prepareServer(server);
    const row = await makeSchedule(await session.catalog(), server, wanted, flags.replace === true);
    const next = (await describeSchedule(server, name))?.info.nextActionTimes[0];
    await server.lease?.stay();
    if (session.json) session.emit({ name, cron, zone, next: next?.toISOString() ?? null });
    else {
      const at = next === undefined ? 'never' : `at ${formatTime(next.getTime())}`;
      const whose = flags.timeZone === undefined ? ', that of this machine' : '';
      session.print(`Schedule ${row.name} is made; its next run is ${at}. Its time zone is ${zone}${whose}.`);
      if (flags.timeZone === undefined && isContainersUtc(process.env, zone))
        session.say(
          `${zone} is what a container has where TZ is not set: give --time-zone if you mean another.`,
        );
      if (server.lease !== undefined)
        session.print('Server and workers go on running; after a reboot `tapeflow up` starts them again.');
    }
  });
}

/** Writes a schedule down and tells the server; where that refuses it, all is as it was. */
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
    await tellSchedule(server, catalog, row);
  } catch (error) {
    if (before === undefined) await removeSchedule(catalog, wanted.name);
    else await insertSchedule(catalog, before, { replace: true });
    throw error;
  }
  return row;
}

/** The time zone that a schedule is in: this machine's where none is given. */
function requireTimeZone(given: string | undefined): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: given }).resolvedOptions().timeZone;
  } catch {
    throw usageFailure(
      'WrongTimeZone',
      `There is no time zone ${JSON.stringify(given)}.`,
      'Give one such as Europe/Berlin.',
    );
  }
}

async function list(session: Session): Promise<void> {
  const catalog = await session.catalog();
  const server = await findServer(session);
  try {
    if (server !== undefined && mayWrite(session.settings.CATALOG_URL))
      await atServer(server, () => tellSchedules(server, catalog));
    const rows: string[][] = [
      ['SCHEDULE', 'CRON', 'STATE', 'TIME ZONE', 'NEXT RUN', 'LAST RUN', 'ENDED', 'COMMAND'],
    ];
    const troubles: string[] = [];
    for (const row of await listSchedules(catalog)) {
      const { name, cron, zone, command } = row;
      const known =
        server === undefined ? undefined : await atServer(server, () => describeSchedule(server, name));
      const next = row.paused === 1 ? undefined : known?.info.nextActionTimes[0];
      const last = await lastRunOf(catalog, row);
      const trouble = runTrouble(last);
      if (trouble !== undefined) troubles.push(`Schedule ${name} has no success: ${trouble}`);
      if (session.json)
        session.emit({
          ...{ name, cron, zone, command, paused: row.paused === 1 },
          ...('kind' in scheduledWork(row.arguments) ? {} : { backup: command }),
          next: next?.toISOString() ?? null,
          last: last === undefined ? null : lastRunJson(last),
        });
      const time = (ms: number | undefined) => (ms === undefined ? '–' : formatTime(ms));
      rows.push([
        ...[name, cron, row.paused === 1 ? 'paused' : 'on', zone, time(next?.getTime())],
        ...[time(last?.startedAt), last === undefined ? '–' : endOf(last)],
        command.length > commandShown ? `${command.slice(0, commandShown)}…` : command,
      ]);
    }
    if (session.json) return;
    if (rows.length === 1) session.print('There are no schedules.');
    else printTable(session, rows, ['TIME ZONE', 'CRON', 'LAST RUN', 'STATE']);
    for (const trouble of troubles) session.print(trouble);
    if (rows.length > 1 && server === undefined)
      session.print('No server runs, so nothing runs by itself until `tapeflow up`.');
  } finally {
    await server?.close();
  }
}

/** How a run ended, in few words. */
function endOf({ state, id }: LastRun): string {
  return `${state.replaceAll('_', ' ')}${id === null ? '' : ` (${id})`}`;
}

function lastRunJson(run: LastRun) {
  const { startedAt, endedAt, id, state, reason } = run;
  const setId = id !== null && isSetId(id) ? id : null;
  const time = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
  return { started: time(startedAt), ended: time(endedAt), id, setId, status: state, reason };
}

async function pause(session: Session, row: ScheduleRow): Promise<void> {
  const catalog = await session.catalog();
  await pauseSchedule(catalog, row.name, true);
  await whereServerRuns(session, (server) => tellSchedule(server, catalog, { ...row, paused: 1 }));
  tell(session, row.name, 'is paused');
}

async function remove(session: Session, row: ScheduleRow): Promise<void> {
  await removeSchedule(await session.catalog(), row.name);
  await whereServerRuns(session, (server) => forgetAtServer(server, row.name));
  tell(session, row.name, 'is removed');
}

async function resume(session: Session, row: ScheduleRow): Promise<void> {
  const catalog = await session.catalog();
  await pauseSchedule(catalog, row.name, false);
  await withServer(session, async (server) => {
    await tellSchedule(server, catalog, { ...row, paused: 0 });
    await server.lease?.stay();
  });
  tell(session, row.name, 'runs again');
}

async function runNow(session: Session, row: ScheduleRow): Promise<void> {
  const catalog = await session.catalog();
  await withServer(session, async (server) => {
    await tellSchedule(server, catalog, row);
    // Without this the run would be taken for somebody else's.
    await askForRun(catalog, row.name);
    await server.client.schedule
      .getHandle(scheduleId(row.name, server.installation))
      .trigger(ScheduleOverlapPolicy.SKIP);
    await server.lease?.stay();
  });
  tell(session, row.name, 'has been told to run now');
}

function tell(session: Session, name: string, done: string): void {
  if (session.json) session.emit({ name, done });
  else session.print(`Schedule ${name} ${done}.`);
}

/** Tells the server what the catalog says already, where one runs; else it is told when it does. */
async function whereServerRuns(session: Session, run: (server: Server) => Promise<unknown>): Promise<void> {
  const server = await findServer(session);
  if (server === undefined) return;
  try {
    await atServer(server, () => run(server));
  } finally {
    await server.close();
  }
}

/** The same with a server that is started where none runs. */
async function withServer(session: Session, run: (server: Server) => Promise<void>): Promise<void> {
  const server = await connectServer(session);
  try {
    await atServer(server, () => run(server));
  } finally {
    await server.close();
  }
}

/** What fails there is told as the server's. */
async function atServer<Result>(server: Server, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof TapeflowFailure) throw error;
    throw new TapeflowFailure(
      'ServerFailed',
      `The Temporal server at ${server.target.address} failed: ${describeError(error)}.`,
      { cause: error },
    );
  }
}
