import type { Command } from 'commander';
import { inSession } from '../../session.js';
import type { AddFlags } from './make-schedule.js';

/** `schedule add NAME --cron … -- COMMAND`: what is to run at set times. */
export function addScheduleAdd(schedule: Command): void {
  schedule
    .command('add')
    .description("such as: schedule add nightly --cron '30 2 * * *' -- backup /srv --mode incremental")
    .argument('<name>', 'name of the schedule')
    .argument('<command...>', 'after `--`: the `backup`, `verify` or `tape copy` to run')
    .requiredOption('--cron <expression>', 'minute, hour, day, month, weekday')
    .option('--time-zone <name>', 'of those, such as Europe/Berlin (default: that of this machine)')
    .option('--replace', 'replace a schedule of that name')
    .action((name: string, words: string[], flags: AddFlags, command: Command) =>
      inSession(command, async (session) => {
        // Loaded only here, since it takes longer than the other commands for schedules.
        const { add } = await import('./make-schedule.js');
        await add(session, name, words, flags);
      }),
    );
}
