import type { Command } from 'commander';
import { planCopies } from '../../catalog/plan-copies.js';
import { insertRetrieval, unfinishedLike, type NewRetrieval } from '../../catalog/retrievals.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { lostGroupsOf } from '../../catalog/lost-tapes.js';
import { findSet, setWithFiles } from '../../catalog/sets.js';
import { tapeByName, tapeByUuid } from '../../catalog/tapes.js';
import { TapeflowFailure, usageFailure } from '../../config/failures.js';
import { driveNamed } from '../../config/settings.js';
import { shownNumber } from '../counts.js';
import { runRetrieval } from '../follow-retrieval.js';
import { inSession, type Session } from '../session.js';
import { tapeInDrive } from '../drive-looks.js';

interface CopyFlags {
  pool: string;
  drive: string;
  toDrive?: string;
}

/** `tape copy SET|TAPE --pool POOL`: a further copy of what is on tape. */
export function addTapeCopy(tape: Command): void {
  tape
    .command('copy')
    .description(
      'write what a set or a tape holds to tapes of another pool as well, checked while it is read',
    )
    .argument('<set-or-tape>', 'a set (with the earlier ones that it builds on), or a tape by its name')
    .requiredOption('--pool <name>', 'pool whose tapes take the copy')
    .option('--drive <name>', 'drive to read with', 'lto1')
    .option(
      '--to-drive <name>',
      'drive to write with (default: the one that reads; it asks for the tapes in turn)',
    )
    .action((subject: string, flags: CopyFlags, command: Command) =>
      inSession(command, (session) => copyTape(session, subject, flags)),
    );
}

async function copyTape(session: Session, subject: string, flags: CopyFlags): Promise<void> {
  const drive = driveNamed(session.settings, flags.drive);
  const toDrive = driveNamed(session.settings, flags.toDrive ?? flags.drive);
  const catalog = await session.catalog();
  const what = await subjectOf(catalog, subject);
  const wanted: NewRetrieval = {
    ...{ kind: 'copy', subject, drive: drive.name, to_drive: toDrive.name, target: null },
    ...{ overwrite: 'never', selection: JSON.stringify({ pool: flags.pool }) },
  };
  const unfinished = await unfinishedLike(catalog, wanted);
  if (unfinished !== undefined) {
    await runRetrieval(session, unfinished, { attached: true });
    return;
  }
  const plan = await planCopies(catalog, what, flags.pool, await tapeInDrive(session, drive.name));
  if (plan.archives.length === 0) {
    const [problem] = plan.problems;
    if (problem !== undefined) throw new TapeflowFailure('NothingToCopy', problem.reason);
    const there = plan.there > 0;
    if (!there) throw await nothingOnTape(catalog, 'NothingToCopy', subject, what);
    const sentence = `${plan.there === 1 ? `The one archive of ${subject} is on a tape` : `All ${shownNumber(plan.there)} archives of ${subject} are on tapes`} of pool ${flags.pool} already.`;
    if (session.json) session.emit({ subject, pool: flags.pool, archives: 0, there: plan.there });
    else session.print(sentence);
    return;
  }
  const retrieval = await insertRetrieval(catalog, wanted, plan.archives, plan.problems);
  await runRetrieval(session, retrieval, { attached: false });
}

/** A set or a tape by its name; a usage failure when there is neither. */
export async function subjectOf(
  catalog: Catalog,
  name: string,
): Promise<{ setId: string } | { tape: string }> {
  if ((await findSet(catalog, name)) !== undefined) return { setId: (await setWithFiles(catalog, name)).id };
  const tape = await tapeByName(catalog, name);
  if (tape !== undefined) return { tape: tape.uuid };
  throw usageFailure(
    'NoSuchSubject',
    `There is no set and no tape ${name} in the catalog.`,
    '`tapeflow sets` and `tapeflow tape list` list them.',
  );
}

/** The failure of what has no archive on a tape that counts, with the reason. */
export async function nothingOnTape(
  catalog: Catalog,
  code: string,
  name: string,
  what: { setId: string } | { tape: string },
): Promise<TapeflowFailure> {
  const failure = (message: string, advice?: string) =>
    new TapeflowFailure(code, message, advice === undefined ? {} : { advice });
  const row = 'tape' in what ? await tapeByUuid(catalog, what.tape) : undefined;
  if (row?.state === 'lost')
    return failure(
      `The tape ${name} is marked as lost, and nothing on it counts.`,
      `If it is back, \`tapeflow tape found ${name}\`.`,
    );
  if (row?.state === 'erasing')
    return failure(`The erasing of tape ${name} has begun, and nothing on it counts.`);
  if ('setId' in what && (await lostGroupsOf(catalog, what.setId)).length > 0)
    return failure(
      `Every tape that held the set ${name} is marked as lost.`,
      'If one is back, `tapeflow tape found NAME`.',
    );
  return failure(`${name} has no archive on tape.`);
}
