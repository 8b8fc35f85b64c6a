import type { Command } from 'commander';
import { planVerify } from '../../catalog/plan-retrieval.js';
import { insertRetrieval, unfinishedLike, type NewRetrieval } from '../../catalog/retrievals.js';
import { findSet, setWithFiles } from '../../catalog/sets.js';
import { tapeByName } from '../../catalog/tapes.js';
import { TapeflowFailure, usageFailure } from '../../config/failures.js';
import { driveNamed } from '../../config/settings.js';
import { runRetrieval } from '../follow-retrieval.js';
import { inSession, type Session } from '../session.js';

/** `verify SET | TAPE`: reads archives back from tape and compares them. */
export function addVerify(program: Command): void {
  program
    .command('verify')
    .description('read what is on tape back from the medium, and compare every hash')
    .argument('<set-or-tape>', 'a set, or a tape by its name')
    .option('--sample <percent>', 'only so many percent of the archives, chosen by chance', '100')
    .option('--drive <name>', 'drive to read with', 'lto1')
    .action((subject: string, flags: { sample: string; drive: string }, command: Command) =>
      inSession(command, (session) => verify(session, subject, flags)),
    );
}

async function verify(
  session: Session,
  subject: string,
  flags: { sample: string; drive: string },
): Promise<void> {
  const percent = Number(flags.sample.replace(/%$/, ''));
  if (!(percent > 0 && percent <= 100))
    throw usageFailure(
      'WrongSample',
      `--sample cannot be ${flags.sample}.`,
      'It is a part in percent, such as 5.',
    );
  const drive = driveNamed(session.settings, flags.drive);
  const catalog = await session.catalog();
  const set = await findSet(catalog, subject);
  const tape = set === undefined ? await tapeByName(catalog, subject) : undefined;
  if (set === undefined && tape === undefined) {
    throw usageFailure(
      'NoSuchSubject',
      `There is no set and no tape ${subject} in the catalog.`,
      '`tapeflow sets` and `tapeflow tape list` list them.',
    );
  }
  if (set !== undefined) await setWithFiles(catalog, subject);
  const wanted: NewRetrieval = {
    kind: 'verify',
    subject,
    drive: drive.name,
    target: null,
    overwrite: 'never',
    selection: '{}',
  };
  const unfinished = await unfinishedLike(catalog, wanted);
  const what = tape === undefined ? { setId: subject } : { tape: tape.uuid };
  const archives = unfinished === undefined ? await planVerify(catalog, what, percent) : [];
  if (unfinished === undefined && archives.length === 0)
    throw new TapeflowFailure('NothingToVerify', `${subject} has no archive on tape.`);
  const retrieval = unfinished ?? (await insertRetrieval(catalog, wanted, archives, []));
  await runRetrieval(session, retrieval, { attached: unfinished !== undefined });
}
