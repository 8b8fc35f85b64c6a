import type { Command } from 'commander';
import { t } from '../../../messages/shown.js';
import { openRead, type ReadRequest } from '../../../catalog/retrievals/open-read.js';
import { subjectName } from '../../../catalog/retrievals/retrieval-subject.js';
import { copyDrives, drivesToRead } from '../../../config/settings/drives.js';
import type { Settings } from '../../../config/settings/settings.js';
import { formatNumber } from '../../../config/counts.js';
import { tapesInDrives } from '../../follow/drive-inspection.js';
import { runRetrieval } from '../../follow/follow-retrieval.js';
import { latestOption, subjectRequest } from '../../subject-options.js';
import { inSession, type Session } from '../../session.js';

/** Options of `tape copy`. */
export interface CopyFlags {
  latest: string[];
  pool: string;
  drive?: string;
  toDrive?: string;
}

/** `tape copy SET|TAPE --pool POOL`: a further copy of what is on tape. */
export function addTapeCopy(tape: Command): void {
  copyArguments(
    tape.command('copy').description('copy a set or a tape to tapes of another pool, checked while reading'),
  ).action((subject: string | undefined, flags: CopyFlags, command: Command) =>
    inSession(command, (session) => copyTape(session, subject, flags)),
  );
}

/** Adds the arguments and options of `tape copy` to a command; schedules take the same. */
export function copyArguments(command: Command): Command {
  command.argument('[set-or-tape]', 'a set (with the earlier ones that it builds on), or a tape by its name');
  return latestOption(command)
    .requiredOption('--pool <pool>', 'pool whose tapes take the copy')
    .option('--drive <drive>', 'read with this drive only (default: with any that has the tape)')
    .option(
      '--to-drive <drive>',
      'write with this drive only (default: that of --drive, which asks for tapes in turn; else any with one for it)',
    );
}

/** Checks the options of a `tape copy`; throws a usage failure that says what is wrong. */
export function plannedCopy(settings: Settings, flags: CopyFlags): Extract<ReadRequest, { kind: 'copy' }> {
  return { kind: 'copy', ...copyDrives(settings, flags), pool: flags.pool };
}

async function copyTape(session: Session, given: string | undefined, flags: CopyFlags): Promise<void> {
  const wish = await subjectRequest(session, given, flags.latest);
  const settings = await session.allDrives();
  const copy = plannedCopy(settings, flags);
  const catalog = await session.catalog();
  const subject = await subjectName(catalog, wish, 'copy');
  const opened = await openRead(catalog, subject, copy, () =>
    tapesInDrives(session, drivesToRead(settings, flags.drive).names),
  );
  if ('row' in opened) {
    await runRetrieval(session, opened.row, opened);
    return;
  }
  const { there } = opened;
  if (session.json) session.emit({ subject, pool: flags.pool, archives: 0, there });
  else
    session.print(
      there === 1
        ? t`The one archive of ${subject} is on a tape of pool ${flags.pool} already.`
        : t`All ${formatNumber(there)} archives of ${subject} are on tapes of pool ${flags.pool} already.`,
    );
}
