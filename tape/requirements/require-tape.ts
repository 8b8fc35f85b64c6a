import { english } from '../../messages/sentence.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { TapeRow } from '../../catalog/rows.js';
import { holdsOtherCopy } from '../../catalog/copies/copies.js';
import { rememberSeenSets } from '../../catalog/sets/set-id.js';
import { clearReadOnly, markReadOnly } from '../../catalog/tapes/tape-states.js';
import { tapeByUuid } from '../../catalog/tapes/tapes.js';
import { TapeflowFailure } from '../../config/failures.js';
import { formatBytes } from '../../config/sizes.js';
import type { Drive } from '../drives/drive.js';
import { identifyTape, type LoadedTape, lookAt, requireOwn, unfinishedErase } from '../drives/loaded-tape.js';
import { tapeNotReady } from '../drives/tape-not-ready.js';
import { setFoldersOn } from '../files/set-folders.js';
import { protectionAdvice, type WriteProtection } from '../ltfs/write-protection.js';
import { requireFreeNames } from './free-names.js';
import { requireFits } from './tape-limit.js';
import type { TapeRequirements } from './tape-requirements.js';
import { requireRoom } from './tape-room.js';

/**
 * The tape in the drive, if it may take the next archive; otherwise throws `TapeNotReady` with the reason and what is
 * needed.
 */
export async function requireTape(
  drive: Drive,
  catalog: Catalog,
  demand: TapeRequirements,
): Promise<LoadedTape> {
  const wanted =
    demand.wanted === undefined
      ? undefined
      : ((await tapeByUuid(catalog, demand.wanted))?.name ?? demand.wanted);
  const tape = await identifyTape(drive, catalog).catch(async (error: unknown) => {
    await requireTapeExists(catalog, demand);
    throw withDemand(error, demand, wanted);
  });
  // After checking the drive, which may hold a larger tape than any known one.
  await requireTapeExists(catalog, demand);
  const { row } = tape;
  await requireOwn(drive, catalog, tape, english` of pool ${demand.pool}`);
  if (row.state === 'erasing') throw unfinishedErase(drive, row);
  requireWanted(drive, row, demand, wanted);
  await requireNoOtherCopy(catalog, row, demand);
  await requireWritable(drive, catalog, row, demand.pool);
  await rememberSeenSets(catalog, await setFoldersOn(drive.settings.path));
  if (demand.next !== undefined) {
    await requireRoom(drive, catalog, tape, demand.pool, demand.next.bytes);
    await requireFreeNames(drive, catalog, tape, demand.setId, demand.next.group);
  }
  return tape;
}

/** Throws `TapeNotReady` unless the tape is the wanted one, and of the pool. */
function requireWanted(
  drive: Drive,
  row: TapeRow,
  demand: TapeRequirements,
  wanted: string | undefined,
): void {
  if (wanted !== undefined && row.uuid !== demand.wanted) {
    throw tapeNotReady(
      'wrong_tape',
      english`The tape ${row.name} is in drive ${drive.settings.name}, but ${wanted}
        is wanted: it holds archives whose index is not synced yet.`,
      english`Load ${wanted}; if it is lost, \`tapeflow tape distrust ${wanted}\` writes them again elsewhere.`,
    );
  }
  if (row.pool === demand.pool) return;
  throw tapeNotReady(
    'wrong_pool',
    demand.because === undefined
      ? english`The tape ${row.name} is of pool ${row.pool}, but the set writes to pool ${demand.pool}.`
      : english`The tape ${row.name} is of pool ${row.pool}, but the set writes to pool ${demand.pool} next
          (${demand.because}).`,
    english`Load a tape of pool ${demand.pool}.`,
  );
}

/** Throws `TapeNotReady` when the tape already holds another copy of the next archive. */
async function requireNoOtherCopy(
  catalog: Catalog,
  row: TapeRow,
  { setId, pool, next }: TapeRequirements,
): Promise<void> {
  if (next === undefined || !(await holdsOtherCopy(catalog, { setId, ...next }, row.uuid))) return;
  throw tapeNotReady(
    'holds_other_copy',
    english`The tape ${row.name} holds another copy of group ${next.group} of set
      ${setId} already, and two copies on one tape are worth no more than one.`,
    english`Load another tape of pool ${pool}.`,
  );
}

/** Throws `TapeNotReady` when the catalog or the cartridge itself says that nothing may be written to the tape. */
async function requireWritable(drive: Drive, catalog: Catalog, row: TapeRow, pool: string): Promise<void> {
  if (row.state === 'lost') {
    throw tapeNotReady(
      'lost',
      english`The tape ${row.name} in drive ${drive.settings.name} is marked as lost.`,
      english`If it is back: \`tapeflow tape found ${row.name}\`; else load another tape of pool ${pool}.`,
    );
  }
  const protection = await lookAt(drive, () => drive.writeProtection());
  await noteReadOnly(catalog, row, protection);
  if (protection?.forGood === true) {
    throw tapeNotReady(
      'suspect',
      english`The tape ${row.name} is only read from now on: ${protection.why}.`,
      protectionAdvice(protection, { name: row.name, pool }),
    );
  }
  if (row.state === 'suspect') {
    throw tapeNotReady(
      'suspect',
      english`The tape ${row.name} is not trusted any more: ${row.reason ?? english`a write on it failed`}.`,
      english`Load another tape of pool ${pool}, or, after a check, \`tapeflow tape trust ${row.name}\`.`,
    );
  }
  if (protection !== undefined) {
    throw tapeNotReady(
      'write_protected',
      english`The tape ${row.name} cannot be written: ${protection.why}.`,
      protectionAdvice(protection, row),
    );
  }
}

/**
 * Records whether LTFS has made the cartridge in a drive read-only for good, so that no command makes it usable later,
 * or clears this.
 */
export async function noteReadOnly(
  catalog: Catalog,
  { uuid, read_only: noted }: Pick<TapeRow, 'uuid' | 'read_only'>,
  protection: WriteProtection | undefined,
): Promise<void> {
  if (protection?.forGood === true && noted === 0) await markReadOnly(catalog, uuid, protection.why);
  if (protection === undefined && noted === 1) await clearReadOnly(catalog, uuid);
}

/** Throws `ArchiveTooLarge` when no known tape could ever take the next archive. */
async function requireTapeExists(catalog: Catalog, { pool, next }: TapeRequirements): Promise<void> {
  if (next !== undefined)
    await requireFits(catalog, pool, english`The archive of group ${next.group}`, next.bytes);
}

function neededOf(pool: string, bytes: number | undefined, because: string | undefined): string {
  if (bytes === undefined)
    return because === undefined
      ? english`The set needs a tape of pool ${pool}.`
      : english`The set needs a tape of pool ${pool} (${because}).`;
  const room = formatBytes(bytes);
  return because === undefined
    ? english`The set needs a tape of pool ${pool} with room for ${room}.`
    : english`The set needs a tape of pool ${pool} with room for ${room} (${because}).`;
}

/** Adds to a failure which tape is needed, for the person at the drive. */
function withDemand(
  error: unknown,
  { pool, next, because }: TapeRequirements,
  wanted: string | undefined,
): unknown {
  if (!(error instanceof TapeflowFailure) || error.kind !== 'person') return error;
  // Nobody can load a tape there now.
  if (error.details['reason'] === 'drive_held') return error;
  const needs =
    wanted === undefined
      ? neededOf(pool, next?.bytes, because)
      : english`The set needs the tape ${wanted}, which holds archives that are not
        synced yet (if it is lost: \`tapeflow tape distrust ${wanted}\`).`;
  const reason = typeof error.details['reason'] === 'string' ? error.details['reason'] : '';
  return tapeNotReady(
    reason,
    error.message,
    `${error.advice === undefined ? '' : `${error.advice} `}${needs}`,
    error.details,
  );
}
