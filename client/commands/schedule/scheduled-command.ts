import { Command, CommanderError } from 'commander';
import { english } from '../../../messages/sentence.js';
import { t } from '../../../messages/shown.js';
import {
  scheduledTree,
  type ScheduledBackup,
  type ScheduledReading,
} from '../../../operations/sets/scheduled-work.js';
import { planVerify } from '../../../catalog/retrievals/plan/plan-verify.js';
import {
  subjectName,
  nothingOnTape,
  subjectOf,
  type SubjectRequest,
} from '../../../catalog/retrievals/retrieval-subject.js';
import { sliceSubject } from '../../../catalog/retrievals/slices.js';
import { listSchedules } from '../../../catalog/server/schedules.js';
import { listSets } from '../../../catalog/sets/sets.js';
import { TapeflowFailure, usageFailure } from '../../../config/failures.js';
import { requireSources } from '../../../source/require-sources.js';
import { resolveTaken } from '../../../source/taken/resolve-taken.js';
import { sourceHost } from '../../source-host.js';
import { tryEncryption } from '../../encryption.js';
import { backupArguments, type BackupFlags } from '../set/backup-arguments.js';
import { plannedBackup } from '../set/plan-backup.js';
import { copyArguments, plannedCopy, type CopyFlags } from '../tape/tape-copy.js';
import { plannedSlice } from '../files/verify-slice.js';
import { verifyArguments, type VerifyFlags } from '../files/verify-arguments.js';
import { plannedVerify } from '../files/verify.js';
import { subjectRequest } from '../../subject-options.js';
import type { Session } from '../../session.js';

/**
 * Parses the words after `--` of `schedule add` with the parser of the named command, so that a typing error does not
 * cost a night's run.
 */
export async function parseScheduled(
  session: Session,
  words: readonly string[],
): Promise<ScheduledBackup | ScheduledReading> {
  const settings = await session.allDrives();
  const [first, ...rest] = words;
  if (first === 'backup') {
    const { given, flags } = parsed<string[], BackupFlags>('backup', backupArguments, rest);
    if (flags.dryRun === true || flags.filesFrom === '-' || flags.filesFrom0 === '-')
      throw usageFailure(
        'WrongSchedule',
        english`A schedule stores a set each time, and nobody writes to its standard input.`,
        english`Leave --dry-run out, and give --files-from a file.`,
      );
    if (flags.set !== undefined || flags.new === true || flags.detach === true) {
      throw usageFailure(
        'WrongSchedule',
        english`A schedule makes a set of its own each time.`,
        english`Leave --set, --new and --detach out.`,
      );
    }
    const { paths, elsewhere, request, recipients, ...work } = plannedBackup(settings, given, flags);
    await tryEncryption(session, recipients, flags.identity);
    const planned = recipients === undefined ? work : { ...work, encrypt: true };
    const { sources, excludes, taken } = resolveTaken(request, paths, elsewhere !== undefined);
    const host = await sourceHost(session, elsewhere);
    if (elsewhere === undefined) await requireSources(settings, sources, excludes, undefined, taken);
    const hosted = host === null ? planned : { ...planned, host };
    return { ...hosted, sources, excludes, asked: { paths, ...request } };
  }
  if (first === 'verify') {
    const { given, flags } = parsed<string | undefined, VerifyFlags>('verify', verifyArguments, rest);
    const slice = plannedSlice(given, flags);
    if (slice !== undefined)
      return { ...plannedVerify(settings, flags), slice, subject: { name: sliceSubject(slice) } };
    if (flags.repair === true || flags.toDrive !== undefined)
      throw usageFailure(
        'WrongSchedule',
        english`A schedule does not repair: a drive that reads badly makes whole copies look damaged,
          and each run would write them again.`,
        english`Leave --repair and --to-drive out, or verify in slices (--each-within 1y --repair), which writes
          little again: the schedule reports what is damaged, and \`tapeflow verify SET --repair\` repairs it when
          you have checked the drive.`,
      );
    const verify = plannedVerify(settings, flags);
    return {
      ...verify,
      subject: await checkedSubject(session, await subjectRequest(session, given, flags.latest), 'verify'),
    };
  }
  if (first === 'tape' && rest[0] === 'copy') {
    const { given, flags } = parsed<string | undefined, CopyFlags>('tape copy', copyArguments, rest.slice(1));
    const copy = plannedCopy(settings, flags);
    return {
      ...copy,
      subject: await checkedSubject(session, await subjectRequest(session, given, flags.latest), 'copy'),
    };
  }
  throw usageFailure(
    'WrongSchedule',
    english`What a schedule runs begins with \`backup\`, \`verify\` or \`tape copy\`.`,
    english`Such as: -- backup /srv`,
  );
}

/** Parses words with a command's own parser. */
function parsed<Given, Flags>(
  name: string,
  withArguments: (command: Command) => Command,
  words: readonly string[],
): { given: Given; flags: Flags } {
  let found: { given: Given; flags: Flags } | undefined;
  const parser = withArguments(new Command(name))
    .exitOverride()
    .configureOutput({ writeErr: () => undefined, writeOut: () => undefined, outputError: () => undefined })
    .action((given: Given, flags: Flags) => void (found = { given, flags }));
  try {
    parser.parse([...words], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw usageFailure(
      'WrongSchedule',
      english`The ${name} of the schedule is wrong: ${error.message.replace(/^error: /, '')}.`,
    );
  }
  if (found === undefined)
    throw usageFailure('WrongSchedule', english`The ${name} of the schedule does nothing.`);
  return found;
}

/** A named subject must exist; sources may get their first set later, if a schedule or unfinished set will make one. */
async function checkedSubject(
  session: Session,
  wish: SubjectRequest,
  kind: 'verify' | 'copy',
): Promise<SubjectRequest> {
  const catalog = await session.catalog();
  if ('latest' in wish) {
    try {
      await subjectName(catalog, wish, kind);
    } catch (error) {
      if (!(error instanceof TapeflowFailure) || error.code !== 'NoSetOfSources') throw error;
      if (!(await isBackedUp(session, wish))) throw error;
      session.say(t`${error.message} Runs fail until there is one.`);
    }
    return wish;
  }
  const what = await subjectOf(catalog, wish.name);
  if (kind === 'verify' && (await planVerify(catalog, what, 100)).length === 0)
    throw await nothingOnTape(catalog, 'NothingToVerify', wish.name, what);
  return wish;
}

/** True when a schedule or an unfinished set backs up exactly these sources. */
async function isBackedUp(
  session: Session,
  { latest: sources, host = null }: { latest: readonly string[]; host?: string | null },
): Promise<boolean> {
  const catalog = await session.catalog();
  const text = JSON.stringify(sources);
  const sets = await listSets(catalog);
  if (sets.some((set) => set.sources === text && set.host === host)) return true;
  const trees = (await listSchedules(catalog)).map((row) => scheduledTree(row.arguments));
  return trees.some((tree) => tree?.sources === text && tree.host === host);
}
