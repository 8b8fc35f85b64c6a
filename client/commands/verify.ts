import type { Command } from 'commander';
import { planRepair } from '../../catalog/plan-copies.js';
import { planVerify } from '../../catalog/plan-retrieval.js';
import {
  insertRetrieval,
  retrievalNamed,
  unfinishedLike,
  type NewRetrieval,
} from '../../catalog/retrievals.js';
import { tapeByUuid } from '../../catalog/tapes.js';
import { usageFailure } from '../../config/failures.js';
import { driveNamed } from '../../config/settings.js';
import { exitCodes } from '../exit-codes.js';
import { runRetrieval } from '../follow-retrieval.js';
import { inSession, type Session } from '../session.js';
import { tapeInDrive } from '../drive-looks.js';
import { nothingOnTape, subjectOf } from './tape-copy.js';

/** `verify SET | TAPE`: reads archives back from tape and compares them. */
export function addVerify(program: Command): void {
  program
    .command('verify')
    .argument('<set-or-tape>', 'a set, or a tape by its name')
    .option('--sample <percent>', 'only so many percent of the archives, chosen by chance', '100')
    .option('--drive <name>', 'drive to read with', 'lto1')
    .option(
      '--repair',
      'then write what is damaged, or was on a lost tape, anew from another copy, to a tape of the same pool',
    )
    .option('--to-drive <name>', 'with --repair: drive to write with (default: the one that reads)')
    .action((subject: string, flags: VerifyFlags, command: Command) =>
      inSession(command, (session) => verify(session, subject, flags)),
    );
}

interface VerifyFlags {
  sample: string;
  drive: string;
  repair?: true;
  toDrive?: string;
}

async function verify(session: Session, subject: string, flags: VerifyFlags): Promise<void> {
  if (flags.repair !== true) {
    await readBack(session, subject, flags);
    return;
  }
  const { settings } = session;
  const catalog = await session.catalog();
  const drive = driveNamed(settings, flags.drive);
  const toDrive = driveNamed(settings, flags.toDrive ?? flags.drive);
  const what = await subjectOf(catalog, subject);
  const wanted: NewRetrieval = {
    ...{ kind: 'copy', subject, drive: drive.name, to_drive: toDrive.name, target: null },
    ...{ overwrite: 'never', selection: JSON.stringify({ repair: true }) },
  };
  const unfinished = await unfinishedLike(catalog, wanted);
  if (unfinished !== undefined) {
    await runRetrieval(session, unfinished, { attached: true });
    return;
  }
  // What was on a lost tape is made anew from other copies, and cannot be read back first.
  const isLost = 'tape' in what && (await tapeByUuid(catalog, what.tape))?.state === 'lost';
  const verified = isLost ? undefined : await readBack(session, subject, flags);
  if (verified !== undefined) {
    const { state } = await retrievalNamed(catalog, verified);
    if (!['completed', 'incomplete'].includes(state)) return;
  }
  const plan = await planRepair(catalog, what, await tapeInDrive(session, drive.name));
  if (plan.archives.length > 0) {
    const repair = await insertRetrieval(catalog, wanted, plan.archives, plan.problems);
    await runRetrieval(session, repair, { attached: false });
    return;
  }
  for (const { reason } of plan.problems) session.say(reason);
  if (isLost && plan.problems.length === 0)
    session.say(
      `Nothing is to be written: what was on tape ${subject} has a whole copy on another of its pool.`,
    );
  if (plan.problems.length > 0) process.exitCode = exitCodes.failure;
}

/** Reads back and compares, and returns the id of that. */
async function readBack(session: Session, subject: string, flags: VerifyFlags): Promise<string> {
  const percent = Number(flags.sample.replace(/%$/, ''));
  if (!(percent > 0 && percent <= 100))
    throw usageFailure(
      'WrongSample',
      `--sample cannot be ${flags.sample}.`,
      'It is a part in percent, such as 5.',
    );
  const drive = driveNamed(session.settings, flags.drive);
  const catalog = await session.catalog();
  const what = await subjectOf(catalog, subject);
  const wanted: NewRetrieval = {
    kind: 'verify',
    subject,
    drive: drive.name,
    target: null,
    overwrite: 'never',
    selection: '{}',
  };
  const unfinished = await unfinishedLike(catalog, wanted);
  const archives = unfinished === undefined ? await planVerify(catalog, what, percent) : [];
  if (unfinished === undefined && archives.length === 0)
    throw await nothingOnTape(catalog, 'NothingToVerify', subject, what);
  const retrieval = unfinished ?? (await insertRetrieval(catalog, wanted, archives, []));
  await runRetrieval(session, retrieval, { attached: unfinished !== undefined });
  return retrieval.id;
}
