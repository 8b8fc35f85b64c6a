import type { Command } from 'commander';
import { t } from '../../../messages/shown.js';
import { requireErasable } from '../../../catalog/tapes/erasable.js';
import { purgeErased } from '../../../catalog/tapes/purge-erased.js';
import { SetRetention } from '../../../catalog/sets/set-retention.js';
import {
  tapeRetention,
  type TapeContent,
  type TapeRetention,
} from '../../../catalog/tapes/tape-retention.js';
import { TapeflowFailure } from '../../../config/failures.js';
import { createLogger } from '../../../config/logger.js';
import { driveNamed } from '../../../config/settings/drives.js';
import { formatBytes } from '../../../config/sizes.js';
import { eraseTape, type Erased } from '../../../operations/tapes/erase-tape.js';
import { formatCount } from '../../../config/counts.js';
import { runInDrive } from '../../run-in-drive.js';
import { expiryText, retentionObject, retentionText } from '../../print/retention-text.js';
import { inSession, type Session } from '../../session.js';
import { namedTape, tapeObject } from './named-tape.js';

/** Options of `tape erase`. */
export interface EraseFlags {
  drive: string;
  yes?: boolean;
  evenUnexpired?: boolean;
  formatted?: boolean;
}

/** `tape erase NAME`: shows what would be lost; erases with `--yes`. */
export function addTapeErase(tape: Command): void {
  tape
    .command('erase')
    .description('say what is on a tape; with --yes erase it, so that it can be written to again')
    .argument('<tape>', 'the tape')
    .option('--drive <drive>', 'the drive that it is in', 'lto1')
    .option('--yes', 'erase it')
    .option('--even-unexpired', 'also what has not expired, or what other sets build on')
    .option('--formatted', 'the tape was already formatted: it is the empty one without a label in the drive')
    .action((name: string, flags: EraseFlags, command: Command) =>
      inSession(command, (session) => erase(session, name, flags)),
    );
}

/** Says what erasing a tape would lose, or erases it. */
export async function erase(session: Session, name: string, flags: EraseFlags): Promise<void> {
  const { settings } = session;
  const driveName = driveNamed(await session.allDrives(), flags.drive).name;
  const row = await namedTape(session, name);
  const catalog = await session.catalog();
  const now = Date.now();
  const kept = await tapeRetention(catalog, row, await SetRetention.of(catalog, settings.retentions), now);
  const evenUnexpired = flags.evenUnexpired === true;
  if (flags.yes !== true) {
    const refusal = refusalOf(kept, evenUnexpired, now);
    if (session.json)
      session.emit({ ...tapeObject(row), ...retentionObject(kept), erased: false, refused: refusal ?? null });
    else for (const line of lossLines(kept, now)) session.print(line);
    session.say(
      refusal === undefined
        ? t`Nothing was erased: \`${eraseCommand(name, flags)}\` does it.`
        : t`Nothing was erased, and \`${eraseCommand(name, flags)}\` would be refused: ${refusal}`,
    );
    return;
  }
  if (row.state !== 'erasing') requireErasable(kept, evenUnexpired, now);
  const formatted = flags.formatted === true;
  const wish = { tape: row.uuid, retentions: settings.retentions, evenUnexpired, formatted };
  const logger = createLogger(settings, 'client');
  const erased = await runInDrive<Erased>(session, driveName, {
    role: 'tape erase',
    here: (drive, lock) => eraseTape({ catalog, logger, drive, lock, guard: () => undefined }, wish),
    workflow: 'eraseLoadedTape',
    args: [wish],
    summary: `erase the tape ${name} in drive ${driveName}`,
    refused: 'EraseRefused',
  }).finally(() => purgeErased(catalog));
  printErased(session, erased);
}

/** Why an erase would be refused, as far as the catalog knows; undefined when it would not. */
function refusalOf(kept: TapeRetention, evenUnexpired: boolean, now: number): string | undefined {
  if (kept.tape.state === 'erasing') return undefined;
  try {
    requireErasable(kept, evenUnexpired, now);
    return undefined;
  } catch (error) {
    if (error instanceof TapeflowFailure) return error.sentence;
    throw error;
  }
}

/** The command that would actually erase the tape. */
function eraseCommand(name: string, { drive, evenUnexpired, formatted }: EraseFlags): string {
  const flags = [
    ...(drive === 'lto1' ? [] : [`--drive ${drive}`]),
    ...(evenUnexpired === true ? ['--even-unexpired'] : []),
    ...(formatted === true ? ['--formatted'] : []),
  ];
  return ['tapeflow tape erase', name, '--yes', ...flags].join(' ');
}

/** What erasing a tape would lose, as far as the catalog knows. */
function lossLines(kept: TapeRetention, now: number): string[] {
  const { tape, sets, inUse } = kept;
  const state = retentionText(kept, now);
  const line = t`Tape ${tape.name}, pool ${tape.pool}, ${tape.state}`;
  const head = state === '' ? line : `${line}${t`: `}${state}`;
  if (sets.length === 0) return [head, t`  The catalog knows nothing on it.`];
  return [
    head,
    ...inUse.map((use) => t`  In use: ${use}.`),
    t`  On it:`,
    ...sets.flatMap((set) => setLines(set, now)),
  ];
}

function setLines(set: TapeContent, now: number): string[] {
  const { setId, archives, bytes, members, elsewhere, remaining, neededBy, perhapsNeededBy } = set;
  const lost = archives - elsewhere;
  const fate =
    lost === 0
      ? t`nothing is lost: every archive has another copy`
      : remaining === 0
        ? t`nothing of the set would be left`
        : t`the set would be incomplete: on other tapes it has ${formatCount(remaining, 'archive')}`;
  const copies = elsewhere > 0 && lost > 0 ? t`; ${elsewhere} of them have another copy` : '';
  return [
    t`  ${setId}: ${formatCount(archives, 'archive')}, ${formatCount(members, 'entry', 'entries')},
      ${formatBytes(bytes)}${copies}; ${expiryText(set, now)}; ${fate}`,
    ...neededBy.map((id) =>
      perhapsNeededBy.includes(id)
        ? t`    set ${id}, which has not expired, may build on it: \`tape catalog\` of its base's tapes tells`
        : t`    set ${id}, which has not expired, builds on it and would lose files`,
    ),
  ];
}

function printErased(session: Session, { tape, archives, left }: Erased): void {
  if (session.json) {
    session.emit({ ...tapeObject(tape), archives, left, erased: true });
    return;
  }
  session.print(
    t`The tape ${tape.name}, pool ${tape.pool}, is erased:
      ${formatCount(archives, 'archive was', 'archives were')} deleted, ${formatBytes(tape.free)} are free.`,
  );
  if (left.length === 0) return;
  const names = left.slice(0, 10).join(', ');
  session.print(t`  Left, since it is not tapeflow's: ${names}${left.length > 10 ? ', …' : ''}`);
}
