import { english } from '../../../messages/sentence.js';
import { shown, t } from '../../../messages/shown.js';
import { stateWord } from '../../../catalog/schema/state-words.js';
import type { Command } from 'commander';
import type { MissingBase } from '../../../catalog/rebuilt/rebuilt-layers.js';
import type { RebuiltSet } from '../../../catalog/rebuilt/rebuilt-state.js';
import {
  type WorkerTapeImport,
  nothingRead,
  importTape,
  scratchFile,
  type TapeImport,
} from '../../../operations/rebuild/import-tape.js';
import { TapeflowFailure } from '../../../config/failures.js';
import { driveNamed } from '../../../config/settings/drives.js';
import type { ArchiveReport } from '../../../operations/rebuild/import-tape-archive.js';
import { formatCount, formatNumber } from '../../../config/counts.js';
import { exitCodes } from '../../exit-codes.js';
import { runInDrive } from '../../run-in-drive.js';
import { inSession, type Session } from '../../session.js';
import { identityPath } from '../../encryption.js';
import { identitiesHere } from '../../../operations/encryption/identities.js';
import { tapeObject } from './named-tape.js';

/** `tape catalog`: imports the contents of a tape into the catalog. */
export function addTapeCatalog(tape: Command): void {
  tape
    .command('catalog')
    .description(
      'import the tape in a drive into the catalog: after it was lost, or from another installation',
    )
    .option('--drive <drive>', 'the drive', 'lto1')
    .option('--identity <file>', 'file of identities for encrypted sets (default: AGE_IDENTITY_FILE)')
    .option('--adopt', 'adopt a tape of another installation that is gone, so that it can be written to')
    .action((flags: CatalogFlags, command: Command) =>
      inSession(command, (session) => catalogTape(session, flags)),
    );
}

interface CatalogFlags {
  drive: string;
  adopt?: true;
  identity?: string;
}

async function catalogTape(session: Session, flags: CatalogFlags): Promise<void> {
  const { settings } = session;
  const driveSettings = driveNamed(await session.allDrives(), flags.drive);
  const catalog = await session.catalog();
  const adopt = flags.adopt === true;
  const identity = identityPath(flags.identity);
  try {
    const reading = await runInDrive<TapeImport | WorkerTapeImport>(session, driveSettings.name, {
      role: 'tape catalog',
      here: (drive, lock) =>
        importTape({
          ...{ drive, lock, catalog, adopt, scratch: scratchFile(settings, driveSettings) },
          identities: () => identitiesHere(settings, identity),
          say: (sentence) => session.say(shown(sentence)),
          onArchive: (report) => printArchive(session, report),
        }),
      workflow: 'readLoadedTape',
      args: [identity === null ? { adopt } : { adopt, identity }],
      summary: `read the tape in drive ${driveSettings.name} into the catalog`,
      refused: 'TapeNotRead',
    });
    if ('reports' in reading) printReports(session, reading);
    printReading(session, reading, adopt);
    process.exitCode = exitCodeOf(reading, adopt);
  } catch (error) {
    if (!(error instanceof TapeflowFailure) || error.kind !== 'person') throw error;
    const { code, message, advice } = error;
    throw new TapeflowFailure(code, message, advice === undefined ? {} : { advice });
  }
}

/** Damage is reported and costs only what is damaged; what was not done, or contradicts the catalog, is a failure. */
function exitCodeOf(reading: TapeImport, adopt: boolean): number {
  if (reading.troubles.length === 0) return exitCodes.success;
  const wasKept = adopt && reading.tape.state === 'foreign';
  const failed = wasKept || reading.contradictions > 0 || nothingRead(reading);
  return failed ? exitCodes.failure : exitCodes.skipped;
}

/** Why a tape is only read: one of another installation, to be adopted or not. */
function whyForeign({ tape, contradictions }: TapeImport, adopt: boolean): string {
  if (tape.state !== 'foreign') return '';
  if (!adopt)
    return t`; another installation has labelled it, so it is only read
      (if that one is gone, --adopt makes it one of this)`;
  return contradictions > 0
    ? t`; another installation has labelled it, so it is only read
        (it is not made one of this, since what is on it contradicts this catalog)`
    : t`; another installation has labelled it, so it is only read
        (it is not made one of this, since nothing on it could be read)`;
}

/** Prints the reports that the drive's worker returned. */
function printReports(session: Session, { said, reports, more }: WorkerTapeImport): void {
  for (const sentence of said) session.say(shown(sentence));
  for (const report of reports) printArchive(session, report);
  if (more > 0)
    session.say(
      t`${formatCount(more, 'more archive was', 'more archives were')} read
        than one message of the worker can tell of.`,
    );
}

const outcomeWords: Record<ArchiveReport['outcome'], string> = {
  added: english`added`,
  copy: english`known; this copy of it was not, and is added`,
  known: english`known`,
  refused: english`left out`,
};

function printArchive(session: Session, report: ArchiveReport): void {
  const { setId, group, outcome, entries, fromArchive, trouble } = report;
  if (session.json) {
    session.emit(report);
    return;
  }
  const from = fromArchive ? t` from the archive itself` : '';
  const what = outcome === 'added' ? `${shown(formatCount(entries, 'entry', 'entries'))}${from}${t`, `}` : '';
  session.print(`${setId}${t` group ${group}: `}${what}${shown(outcomeWords[outcome])}`);
  if (trouble !== null) session.print(`  ${shown(trouble)}`);
}

function printReading(session: Session, reading: TapeImport, adopt: boolean): void {
  const { tape, sets, counts, troubles } = reading;
  if (session.json) {
    session.emit({ tape: tapeObject(tape), sets, ...counts, troubles });
    return;
  }
  const foreign = whyForeign(reading, adopt);
  session.print(t`The tape ${tape.name}, pool ${tape.pool}, is in the catalog${foreign}.`);
  session.print(
    t`  ${formatCount(counts.added, 'archive')} added, ${formatCount(counts.copy, 'copy', 'copies')} added,
      ${formatNumber(counts.known)} known already, ${formatNumber(counts.refused)} left out`,
  );
  for (const set of sets) session.print(`  ${setLine(set)}`);
  if (troubles.length > 0)
    session.print(
      t`  Damaged, or left out: ${formatCount(troubles.length, 'archive or folder', 'archives or folders')};
        see above. \`restore\` brings back the rest, and \`tapeflow verify ${tape.name} --repair\` writes again
        what another tape holds whole.`,
    );
}

function setLine({ setId, state, groups, missing, ended, damaged, partial, base }: RebuiltSet): string {
  const faults = [
    ...(missing.length > 0 ? [t`${listed(missing)} missing: read the other tapes of the set too`] : []),
    ...(damaged.length > 0 ? [`${listed(damaged)}${t` damaged`}`] : []),
    ...(partial.length > 0
      ? [t`${listed(partial)} without a manifest: what of it earlier sets hold is not known`]
      : []),
    ...(ended === false
      ? [t`nothing tells that it had ended: it did not, or a tape of it is to be read too`]
      : []),
    ...(base === null ? [] : [baseText(base)]),
  ];
  const all = formatCount(groups, 'group');
  if (faults.length > 0) return `${setId}${t`: `}${[shown(all), ...faults].join(t`; `)}`;
  const words = stateWord(state);
  if (ended === true) return setId + t`: ${words}: ${all}, which ${groups === 1 ? 'is' : 'are'} all`;
  return setId + t`: ${words}, as far as tapes tell: ${all}, none missing between`;
}

function baseText({ setId, uuid, tapes }: MissingBase): string {
  const of = uuid.slice(0, 64);
  return tapes.length === 0
    ? t`what it has unchanged from the set ${setId} (${of}) is not all known:
        read its tapes too, and this one is whole`
    : t`what it has unchanged from the set ${setId} (${of}) is not all known:
        read its tapes (${listed(tapes)}) too, and this one is whole`;
}

function listed(numbers: readonly (number | string)[]): string {
  return `${numbers.slice(0, 5).join(', ')}${numbers.length > 5 ? ', …' : ''}`;
}
