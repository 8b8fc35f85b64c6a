import type { Command } from 'commander';
import { english } from '../../../messages/sentence.js';
import { t } from '../../../messages/shown.js';
import { openRead, type OpenedRead, type ReadRequest } from '../../../catalog/retrievals/open-read.js';
import { subjectName } from '../../../catalog/retrievals/retrieval-subject.js';
import { copyDrives, drivesToRead } from '../../../config/settings/drives.js';
import type { Settings } from '../../../config/settings/settings.js';
import { formatNumber } from '../../../config/counts.js';
import { tapesInDrives } from '../../follow/drive-inspection.js';
import { runRetrieval } from '../../follow/follow-retrieval.js';
import { requireName } from '../../print/names.js';
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
export function plannedCopy(
  settings: Settings,
  flags: Omit<CopyFlags, 'latest'>,
): Extract<ReadRequest, { kind: 'copy' }> {
  requireName(flags.pool, english`pool name`, 'WrongPool');
  return { kind: 'copy', ...copyDrives(settings, flags), pool: flags.pool };
}

async function copyTape(session: Session, given: string | undefined, flags: CopyFlags): Promise<void> {
  const wish = await subjectRequest(session, given, flags.latest);
  const subject = await subjectName(await session.catalog(), wish, 'copy');
  const begun = await beginCopy(session, subject, flags);
  if (begun !== undefined) await runRetrieval(session, begun.row, begun);
}

/**
 * Makes the copy of a set or a tape, or finds the unfinished one; nothing copies for it yet. Undefined, which is said,
 * when the pool has everything already.
 */
export async function beginCopy(
  session: Session,
  subject: string,
  flags: Omit<CopyFlags, 'latest'>,
): Promise<OpenedRead | undefined> {
  const settings = await session.allDrives();
  const copy = plannedCopy(settings, flags);
  const opened = await openRead(await session.catalog(), subject, copy, () =>
    tapesInDrives(session, drivesToRead(settings, flags.drive).names),
  );
  if ('row' in opened) return opened;
  const { there } = opened;
  if (session.json) session.emit({ subject, pool: flags.pool, archives: 0, there });
  else
    session.print(
      there === 1
        ? t`The one archive of ${subject} is on a tape of pool ${flags.pool} already.`
        : t`All ${formatNumber(there)} archives of ${subject} are on tapes of pool ${flags.pool} already.`,
    );
  return undefined;
}
