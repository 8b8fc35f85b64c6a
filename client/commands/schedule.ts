import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type ScheduleHandle,
} from '@temporalio/client';
import { Command, CommanderError } from 'commander';
import type { ScheduledBackup } from '../../activities/open-scheduled-set.js';
import { TapeflowFailure, describeError, usageFailure } from '../../config/failures.js';
import { archiveQueue } from '../../workflows/queues.js';
import { connectServer, inSession, type Server, type Session } from '../session.js';
import { prepareServer } from '../../workers/prepare-server.js';
import { formatTime, tableLines } from '../table.js';
import { backupArguments, plannedBackup, type BackupFlags } from './backup.js';

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const idOf = (name: string) => `tapeflow-${name}`;

/** Runs that were missed while no server ran are made up for when it is back within this time: the last of a day. */
const catchupWindow = '1 day';

/** `schedule add|list|pause|resume|run|remove`: backups at set times, on Temporal's own schedules. */
export function addSchedule(program: Command): void {
  const schedule = program.command('schedule').description('backups at set times');
  schedule
    .command('add')
    .description("such as: schedule add nightly --cron '30 2 * * *' -- backup /srv --mode incremental")
    .argument('<name>', 'name of the schedule')
    .argument('<backup...>', 'after `--`: the backup command to run')
    .requiredOption(
      '--cron <expression>',
      'minute, hour, day, month, weekday, in the local time of this machine',
    )
    .option('--replace', 'take the place of a schedule of that name')
    .action((name: string, backup: string[], flags: AddFlags, command: Command) =>
      inSession(command, (session) => add(session, name, backup, flags)),
    );
  schedule
    .command('list')
    .description('list the schedules with their next and last runs')
    .action((_options, command: Command) => inSession(command, list));
  const one = (
    name: string,
    description: string,
    done: string,
    keepServer: boolean,
    run: (handle: ScheduleHandle) => Promise<void>,
  ) =>
    schedule
      .command(name)
      .description(description)
      .argument('<name>', 'the schedule')
      .action((schedule: string, _options, command: Command) =>
        inSession(command, (session) => change(session, schedule, done, keepServer, run)),
      );
  one('pause', 'run it no more until `resume`', 'is paused', false, (handle) => handle.pause());
  one('resume', 'let it run again', 'runs again', true, (handle) => handle.unpause());
  one('run', 'run it now, unless it runs already', 'has been told to run now', true, (handle) =>
    handle.trigger(ScheduleOverlapPolicy.SKIP),
  );
  one('remove', 'delete it; sets that it has made stay', 'is removed', false, (handle) => handle.delete());
}

interface AddFlags {
  cron: string;
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
  const backup = parseBackup(session, name, words);
  await withSchedules(session, async (server) => {
    await prepareServer(server);
    const { schedule } = server.client;
    const id = idOf(name);
    const description = {
      scheduleId: id,
      memo: { cron: flags.cron, backup: words.join(' ') },
      spec: { cronExpressions: [flags.cron], timezone: Intl.DateTimeFormat().resolvedOptions().timeZone },
      // One that falls due while another is at work begins after it: no night is lost, and none piles up.
      policies: { overlap: ScheduleOverlapPolicy.BUFFER_ONE, catchupWindow },
      action: {
        type: 'startWorkflow' as const,
        workflowType: 'scheduledBackup',
        workflowId: `scheduled-${name}`,
        taskQueue: archiveQueue,
        args: [backup],
      },
    };
    try {
      await schedule.create(description);
    } catch (error) {
      if (!(error instanceof ScheduleAlreadyRunning)) throw wrongCron(flags.cron, error);
      if (flags.replace !== true) {
        throw usageFailure(
          'ScheduleExists',
          `There is a schedule ${name} already.`,
          'Use --replace, or another name.',
        );
      }
      await schedule.getHandle(id).delete();
      await schedule.create(description);
    }
    const next = (await schedule.getHandle(id).describe()).info.nextActionTimes[0];
    await server.lease?.stay();
    if (session.json) session.emit({ name, cron: flags.cron, next: next?.toISOString() ?? null });
    else {
      session.print(
        `Schedule ${name} is made; its next run is ${next === undefined ? 'never' : `at ${formatTime(next.getTime())}`}.`,
      );
      if (server.lease !== undefined)
        session.print('Server and workers go on running; after a reboot `tapeflow up` starts them again.');
    }
  });
}

/** The words after `--`, as the command `backup` takes them; checked now, so that no night is lost to a typing error. */
function parseBackup(session: Session, name: string, words: string[]): ScheduledBackup {
  const [verb, ...rest] = words;
  if (verb !== 'backup')
    throw usageFailure(
      'WrongSchedule',
      'What a schedule runs begins with `backup`.',
      'Such as: -- backup /srv',
    );
  let found: { paths: string[]; flags: BackupFlags } | undefined;
  const parser = backupArguments(new Command('backup'))
    .exitOverride()
    .configureOutput({ writeErr: () => undefined, outputError: () => undefined })
    .action((paths: string[], flags: BackupFlags) => void (found = { paths, flags }));
  try {
    parser.parse(rest, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw usageFailure(
      'WrongSchedule',
      `The backup of the schedule is wrong: ${error.message.replace(/^error: /, '')}.`,
    );
  }
  if (found === undefined) throw usageFailure('WrongSchedule', 'The backup of the schedule names no path.');
  const { paths, flags } = found;
  if (flags.set !== undefined || flags.new === true || flags.detach === true) {
    throw usageFailure(
      'WrongSchedule',
      'A schedule makes a set of its own each time.',
      'Leave --set, --new and --detach out.',
    );
  }
  return { name, ...plannedBackup(session.settings, paths, flags) };
}

function wrongCron(cron: string, error: unknown): unknown {
  const message = describeError(error);
  const details = error instanceof Error && error.cause !== undefined ? describeError(error.cause) : message;
  if (!/cron|spec|argument/i.test(`${message} ${details}`)) return error;
  return usageFailure(
    'WrongCron',
    `--cron cannot be ${JSON.stringify(cron)}: ${details}.`,
    "Such as '30 2 * * *'.",
  );
}

async function list(session: Session): Promise<void> {
  await withSchedules(session, async ({ client }) => {
    const rows: string[][] = [['SCHEDULE', 'CRON', 'STATE', 'NEXT RUN', 'LAST RUN', 'BACKUP']];
    for await (const { scheduleId, memo } of client.schedule.list()) {
      if (!scheduleId.startsWith('tapeflow-')) continue;
      const name = scheduleId.slice('tapeflow-'.length);
      const { state, info } = await client.schedule.getHandle(scheduleId).describe();
      const next = info.nextActionTimes[0];
      const last = info.recentActions.at(-1)?.takenAt;
      const cron = textOf(memo?.['cron']);
      const backup = textOf(memo?.['backup']);
      if (session.json) {
        session.emit({
          ...{ name, cron, backup, paused: state.paused },
          next: next?.toISOString() ?? null,
          last: last?.toISOString() ?? null,
        });
      }
      const time = (date: Date | undefined) => (date === undefined ? '–' : formatTime(date.getTime()));
      rows.push([
        name,
        cron,
        state.paused ? 'paused' : 'on',
        state.paused ? '–' : time(next),
        time(last),
        backup,
      ]);
    }
    if (session.json) return;
    if (rows.length === 1) session.print('There are no schedules.');
    else for (const line of tableLines(rows)) session.print(line);
  });
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

async function change(
  session: Session,
  name: string,
  done: string,
  keepServer: boolean,
  run: (handle: ScheduleHandle) => Promise<void>,
): Promise<void> {
  await withSchedules(session, async (server) => {
    try {
      await run(server.client.schedule.getHandle(idOf(name)));
    } catch (error) {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
      throw usageFailure(
        'NoSuchSchedule',
        `There is no schedule ${name}.`,
        '`tapeflow schedule list` lists them.',
      );
    }
    if (keepServer) await server.lease?.stay();
    if (session.json) session.emit({ name, done });
    else session.print(`Schedule ${name} ${done}.`);
  });
}

async function withSchedules(session: Session, run: (server: Server) => Promise<void>): Promise<void> {
  const server = await connectServer(session);
  try {
    await run(server);
  } catch (error) {
    if (error instanceof TapeflowFailure) throw error;
    throw new TapeflowFailure(
      'ServerFailed',
      `The Temporal server at ${server.target.address} failed: ${describeError(error)}.`,
      { cause: error },
    );
  } finally {
    await server.close();
  }
}
