import type { Command } from 'commander';
import { english } from '../../../messages/sentence.js';
import { shown, t } from '../../../messages/shown.js';
import { installationId } from '../../../catalog/installation.js';
import { tapeRetentions } from '../../../catalog/tapes/tape-retention.js';
import { archivesOnTapes } from '../../../catalog/tapes/lost-tapes.js';
import { tapeByName } from '../../../catalog/tapes/tapes.js';
import type { TapeRow } from '../../../catalog/rows.js';
import { TapeflowFailure } from '../../../config/failures.js';
import { driveNamed } from '../../../config/settings/drives.js';
import { formatBytes } from '../../../config/sizes.js';
import { formatTime } from '../../../config/local-time.js';
import { queryDrive } from '../../../tape/drives/query-drive.js';
import { labelTape, type LabelRequest } from '../../../operations/tapes/label-tape.js';
import { identifyTape } from '../../../tape/drives/loaded-tape.js';
import { exitCodes } from '../../exit-codes.js';
import { runInDrive } from '../../run-in-drive.js';
import { inReadOnlySession, inSession, type Session } from '../../session.js';
import { requireName } from '../../print/names.js';
import { driveLines } from '../../print/host-lines.js';
import { printTable } from '../../print/print-table.js';
import { tapeAdvice } from '../../print/tape-advice.js';
import { retentionObject, retentionText } from '../../print/retention-text.js';
import { tapeObject } from './named-tape.js';
import { addTapeCatalog } from './tape-catalog.js';
import { addTapeCopy } from './tape-copy.js';
import { addTapeErase } from './tape-erase.js';
import { addTapeLost } from './tape-lost.js';
import { addTapeRepack } from './tape-repack.js';
import { addTapeTrust } from './tape-trust.js';

/** `tape label|list|status|catalog|erase|copy|repack|lost|found|trust|distrust`. */
export function addTape(program: Command): void {
  const tape = program.command('tape');
  tape
    .command('label')
    .description('label the tape in a drive; erases nothing')
    .argument('<name>', 'name of the tape, as on its sticker')
    .option('--pool <pool>', 'pool it belongs to (default: TAPE_POOL)')
    .option('--drive <drive>', 'the drive it is in', 'lto1')
    .option('--force', 'label a tape that is not empty or has another label; nothing on it is erased')
    .action((name: string, flags: LabelFlags, command: Command) =>
      inSession(command, (session) => label(session, name, flags)),
    );
  tape
    .command('list')
    .description('list the tapes that the catalog knows')
    .action((_options, command: Command) => inReadOnlySession(command, list));
  tape
    .command('status')
    .description('show which tape is in a drive')
    .option('--drive <drive>', 'the drive', 'lto1')
    .action(({ drive }: { drive: string }, command: Command) =>
      inSession(command, (session) => status(session, drive)),
    );
  addTapeCatalog(tape);
  addTapeErase(tape);
  addTapeCopy(tape);
  addTapeRepack(tape);
  addTapeLost(tape);
  addTapeTrust(tape);
}

/** Options of `tape label`. */
export interface LabelFlags {
  pool?: string;
  drive: string;
  force?: boolean;
}

/** Labels the tape in a drive, and says so. */
export async function label(session: Session, name: string, flags: LabelFlags): Promise<void> {
  const { settings } = session;
  const pool = flags.pool ?? settings.TAPE_POOL;
  requireName(name, english`tape name`);
  requireName(pool, english`pool name`);
  const driveSettings = driveNamed(await session.allDrives(), flags.drive);
  const request: LabelRequest = { name, pool, force: flags.force === true };
  const catalog = await session.catalog();
  await runInDrive<unknown>(session, driveSettings.name, {
    role: 'tape label',
    here: (drive, lock) => labelTape(drive, lock, catalog, request),
    workflow: 'labelLoadedTape',
    args: [request],
    summary: `label the tape in drive ${driveSettings.name} as ${name}`,
    refused: 'LabelRefused',
  });
  const row = await tapeByName(catalog, name);
  if (session.json) session.emit(tapeObject(row as TapeRow));
  else session.print(t`The tape in drive ${driveSettings.name} is labelled ${name}, pool ${pool}.`);
}

async function list(session: Session): Promise<void> {
  const catalog = await session.catalog();
  const now = Date.now();
  const tapes = await tapeRetentions(catalog, session.settings.retentions, now);
  const on = await archivesOnTapes(catalog);
  const held = ({ uuid }: TapeRow) => on.get(uuid) ?? { archives: 0, damaged: 0 };
  if (session.json) {
    for (const kept of tapes)
      session.emit({ ...tapeObject(kept.tape), ...held(kept.tape), ...retentionObject(kept) });
    return;
  }
  if (tapes.length === 0) {
    session.print(
      t`There are no tapes yet: \`tapeflow tape label NAME --pool POOL\` labels the one in the drive.`,
    );
    return;
  }
  const rows = tapes.map((kept) => [
    kept.tape.name,
    kept.tape.pool,
    shown(kept.tape.state),
    formatBytes(kept.tape.free),
    formatBytes(kept.tape.capacity),
    formatTime(kept.tape.seen_at),
    `${held(kept.tape).archives}${held(kept.tape).damaged > 0 ? t` (${held(kept.tape).damaged} damaged)` : ''}`,
    kept.sets.length,
    retentionText(kept, now),
    shown(kept.tape.reason ?? ''),
  ]);
  const head = [
    t`TAPE`,
    t`POOL`,
    t`STATE`,
    t`FREE`,
    t`CAPACITY`,
    t`LAST SEEN`,
    t`ARCHIVES`,
    t`SETS`,
    t`KEPT`,
    '',
  ];
  const leaveOut = [t`CAPACITY`, t`LAST SEEN`, t`SETS`, t`ARCHIVES`, t`FREE`];
  await printTable(session, [head, ...rows], leaveOut);
  for (const line of await driveLines(catalog)) session.print(line);
}

async function status(session: Session, driveName: string): Promise<void> {
  const catalog = await session.catalog();
  await installationId(catalog);
  const drive = driveNamed(await session.allDrives(), driveName);
  try {
    const { loaded, protection } = await queryDrive(session.settings, drive, async (asked) => ({
      loaded: await identifyTape(asked, catalog),
      protection: await asked.writeProtection(),
    }));
    if (session.json) {
      session.emit({
        drive: driveName,
        path: drive.path,
        ...tapeObject(loaded.row),
        writeProtection: protection?.why ?? null,
        readOnlyForGood: protection?.forGood === true,
      });
      return;
    }
    const { row, space } = loaded;
    session.print(
      t`Drive ${driveName} (${drive.kind}, ${drive.path}): tape ${row.name}, pool ${row.pool}, ${row.state}`,
    );
    const unwritable = protection === undefined ? '' : t`; cannot be written: ${protection.why}`;
    session.print(t`  ${formatBytes(space.free)} of ${formatBytes(space.capacity)} free${unwritable}`);
    if (row.reason !== null) session.print(`  ${shown(row.reason)}`);
    if (row.state !== 'usable' || protection !== undefined)
      session.print(`  → ${shown(tapeAdvice(row, protection, driveName))}`);
  } catch (error) {
    if (!(error instanceof TapeflowFailure) || error.kind !== 'person') throw error;
    if (!session.json)
      throw new TapeflowFailure(
        error.code,
        error.message,
        error.advice === undefined ? {} : { advice: error.advice },
      );
    session.emit({
      drive: driveName,
      path: drive.path,
      trouble: error.sentence,
      reason: error.details['reason'] ?? null,
    });
    process.exitCode = exitCodes.failure;
  }
}
