import type { Command } from 'commander';
import { openVerify, type OpenedRead, type ReadRequest } from '../../../catalog/retrievals/open-read.js';
import { planRepair } from '../../../catalog/retrievals/plan/plan-copies.js';
import { subjectName, subjectOf } from '../../../catalog/retrievals/retrieval-subject.js';
import {
  insertRetrieval,
  pendingArchives,
  retrievalNamed,
  unfinishedRetrievalLike,
  type NewRetrieval,
} from '../../../catalog/retrievals/retrievals.js';
import { tapeByUuid } from '../../../catalog/tapes/tapes.js';
import { usageFailure } from '../../../config/failures.js';
import { copyDrives, drivesToRead } from '../../../config/settings/drives.js';
import type { Settings } from '../../../config/settings/settings.js';
import { identityPath, sayIfClosed } from '../../encryption.js';
import { tapesInDrives } from '../../follow/drive-inspection.js';
import { exitCodes } from '../../exit-codes.js';
import { runRetrieval } from '../../follow/follow-retrieval.js';
import { subjectRequest } from '../../subject-options.js';
import { inSession, type Session } from '../../session.js';
import { verifyArguments, type VerifyFlags } from './verify-arguments.js';
import { plannedSlice, verifySlice } from './verify-slice.js';
import { english } from '../../../messages/sentence.js';
import { shown, t } from '../../../messages/shown.js';

/** `verify SET | TAPE`: reads archives back from tape and compares them. */
export function addVerify(program: Command): void {
  verifyArguments(program.command('verify')).action(
    (subject: string | undefined, flags: VerifyFlags, command: Command) =>
      inSession(command, async (session) => {
        const slice = plannedSlice(subject, flags);
        if (slice !== undefined) return verifySlice(session, slice, flags);
        const wish = await subjectRequest(session, subject, flags.latest);
        await verify(session, await subjectName(await session.catalog(), wish, 'verify'), flags);
      }),
  );
}

/** What of the options of a `verify` says how it reads. */
type ReadBackFlags = Pick<VerifyFlags, 'sample' | 'drive' | 'identity'>;

/** Checks the options of a `verify`; throws a usage failure that says what is wrong. */
export function plannedVerify(
  settings: Settings,
  flags: ReadBackFlags,
): Extract<ReadRequest, { kind: 'verify' }> {
  const percent = Number(flags.sample.replace(/%$/, ''));
  if (!(percent > 0 && percent <= 100))
    throw usageFailure(
      'WrongSample',
      english`--sample cannot be ${JSON.stringify(flags.sample)}.`,
      english`It is a part in percent, such as 5.`,
    );
  const { drive, any_drive } = drivesToRead(settings, flags.drive);
  const identity = identityPath(flags.identity);
  return { kind: 'verify', drive, any_drive, percent, ...(identity === null ? {} : { identity }) };
}

async function verify(session: Session, subject: string, flags: VerifyFlags): Promise<void> {
  if (flags.repair !== true) {
    await readBack(session, subject, flags);
    return;
  }
  const settings = await session.allDrives();
  const catalog = await session.catalog();
  const { drive, any_drive, toDrive } = copyDrives(settings, flags);
  const what = await subjectOf(catalog, subject);
  const wanted: NewRetrieval = {
    ...{ kind: 'copy', subject, drive, any_drive, to_drive: toDrive, target: null },
    ...{ overwrite: 'never', selection: JSON.stringify({ repair: true }) },
  };
  const unfinished = await unfinishedRetrievalLike(catalog, wanted);
  if (unfinished !== undefined) {
    await runRetrieval(session, unfinished, { attached: true });
    return;
  }
  // What was on a lost tape is written again from other copies and cannot be read back first.
  const isLost = 'tape' in what && (await tapeByUuid(catalog, what.tape))?.state === 'lost';
  const verified = isLost ? undefined : await readBack(session, subject, flags);
  if (verified !== undefined) {
    const { state } = await retrievalNamed(catalog, verified);
    if (!['completed', 'incomplete'].includes(state)) return;
  }
  const plan = await planRepair(
    catalog,
    what,
    await tapesInDrives(session, drivesToRead(settings, flags.drive).names),
  );
  if (plan.archives.length > 0) {
    const repair = await insertRetrieval(catalog, wanted, plan.archives, plan.problems);
    await runRetrieval(session, repair, { attached: false });
    return;
  }
  for (const { reason } of plan.problems) session.say(shown(reason));
  if (isLost && plan.problems.length === 0)
    session.say(
      t`Nothing is to be written: what was on tape ${subject} has a whole copy on another of its pool.`,
    );
  if (plan.problems.length > 0) process.exitCode = exitCodes.failure;
}

/** Reads back and compares; returns the id of the verify. */
async function readBack(session: Session, subject: string, flags: VerifyFlags): Promise<string> {
  const opened = await beginVerify(session, subject, flags);
  await runRetrieval(session, opened.row, opened);
  return opened.row.id;
}

/** Makes the verify of a set or a tape, or finds the unfinished one; nothing reads for it yet. */
export async function beginVerify(
  session: Session,
  subject: string,
  flags: ReadBackFlags = { sample: '100' },
): Promise<OpenedRead> {
  const wanted = plannedVerify(await session.allDrives(), flags);
  const catalog = await session.catalog();
  const opened = await openVerify(catalog, subject, wanted);
  const archives = (await pendingArchives(catalog, opened.row.id, 1_000_000)).map((row) => {
    return { setId: row.set_id, group: row.group_no };
  });
  await sayIfClosed(session, catalog, archives, opened.row.identity_file);
  return opened;
}
