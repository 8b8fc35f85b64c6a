import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { archiveOf, bytesWithManifest, groupOf, maxArchiveBytes } from '../../catalog/groups/groups.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { isSetId, rememberSeenSets, setNamed } from '../../catalog/sets/sets.js';
import { copyText, placesOf } from '../../catalog/sets/set-copies.js';
import { transitionTape, markReadOnly, clearReadOnly } from '../../catalog/tapes/tape-states.js';
import { holdsOtherCopy, tapeByUuid, wasBegunOn } from '../../catalog/tapes/tapes.js';
import type { TapeRow } from '../../catalog/rows.js';
import { TapeflowFailure, systemErrorCode } from '../../config/failures.js';
import type { Settings } from '../../config/settings.js';
import { formatBytes } from '../../config/sizes.js';
import { archiveNames, manifestName } from '../../entry/archive-name.js';
import { queryDrive } from './query-drive.js';
import type { Drive } from './drive.js';
import { tapeNotReady } from './tape-not-ready.js';
import { unfinishedErase, identifyTape, lookAt, requireOwn, type LoadedTape } from './loaded-tape.js';
import { requireFits } from './tape-limit.js';
import { folderTaken, tapeFolder } from '../files/write-archive.js';
import { protectionAdvice, type WriteProtection } from '../ltfs/write-protection.js';

/** Requirements for the tape that takes the next archive, or that is to be synced. */
export interface TapeRequirements {
  setId: string;
  pool: string;
  /** UUID of the only acceptable tape: it holds unsynced archives. */
  wanted?: string | undefined;
  /** The next archive; if undefined, the tape is only needed for its sync, which needs no space. */
  next?: { group: number; copyNo: number; bytes: number } | undefined;
  /** Which of several copies it is for, and why that one is next, such as `copy 2 of 2, since …`. */
  because?: string | undefined;
}

/** Reason of a full tape that reported free space; a check of its free space does not clear it. */
export const writeFoundNoSpace = 'a write found no space on it';

/**
 * What the set requires of the tape in its drive. The write and the wait before it use the same requirements; otherwise
 * a wait could end for a tape that the write refuses.
 */
export async function tapeRequirements(
  catalog: Catalog,
  { setId, group, copyNo = 1 }: { setId: string; group?: number | undefined; copyNo?: number | undefined },
  wanted: string | undefined,
  because?: string,
): Promise<TapeRequirements> {
  const set = await setNamed(catalog, setId);
  const places = placesOf(set);
  const pool = places[copyNo - 1]?.pool ?? set.pool;
  if (group === undefined) return { setId, pool, wanted };
  const row = await groupOf(catalog, setId, group);
  const archive = row.direct === 1 ? undefined : await archiveOf(catalog, setId, group);
  const bytes = archive === undefined ? maxArchiveBytes(row) : bytesWithManifest(archive);
  const which = copyText(copyNo, places.length);
  const why = [which, because ?? ''].filter((part) => part !== '').join(', ');
  return { setId, pool, wanted, next: { group, copyNo, bytes }, because: why === '' ? undefined : why };
}

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
  await requireOwn(drive, catalog, tape, ` of pool ${demand.pool}`);
  if (row.state === 'erasing') throw unfinishedErase(drive, row);
  if (wanted !== undefined && row.uuid !== demand.wanted) {
    throw tapeNotReady(
      'wrong_tape',
      `The tape ${row.name} is in drive ${drive.settings.name}, but ${wanted} is wanted: it holds archives whose index is not synced yet.`,
      `Load ${wanted}; if it is lost, \`tapeflow tape distrust ${wanted}\` writes them again elsewhere.`,
    );
  }
  if (row.pool !== demand.pool) {
    throw tapeNotReady(
      'wrong_pool',
      `The tape ${row.name} is of pool ${row.pool}, but the set writes to pool ${demand.pool}${demand.because === undefined ? '' : ` next (${demand.because})`}.`,
      `Load a tape of pool ${demand.pool}.`,
    );
  }
  if (
    demand.next !== undefined &&
    (await holdsOtherCopy(catalog, { setId: demand.setId, ...demand.next }, row.uuid))
  ) {
    throw tapeNotReady(
      'holds_other_copy',
      `The tape ${row.name} holds another copy of group ${demand.next.group} of set ${demand.setId} already, and two copies on one tape are worth no more than one.`,
      `Load another tape of pool ${demand.pool}.`,
    );
  }
  if (row.state === 'lost') {
    throw tapeNotReady(
      'lost',
      `The tape ${row.name} in drive ${drive.settings.name} is marked as lost.`,
      `If it is back: \`tapeflow tape found ${row.name}\`; else load another tape of pool ${demand.pool}.`,
    );
  }
  const protection = await lookAt(drive, () => drive.writeProtection());
  await noteReadOnly(catalog, row, protection);
  if (protection?.forGood === true) {
    throw tapeNotReady(
      'suspect',
      `The tape ${row.name} is only read from now on: ${protection.why}.`,
      protectionAdvice(protection, { name: row.name, pool: demand.pool }),
    );
  }
  if (row.state === 'suspect') {
    throw tapeNotReady(
      'suspect',
      `The tape ${row.name} is not trusted any more: ${row.reason ?? 'a write on it failed'}.`,
      `Load another tape of pool ${demand.pool}, or, after a check, \`tapeflow tape trust ${row.name}\`.`,
    );
  }
  if (protection !== undefined) {
    throw tapeNotReady(
      'write_protected',
      `The tape ${row.name} cannot be written: ${protection.why}.`,
      protectionAdvice(protection, row),
    );
  }
  await rememberSeenSets(catalog, await setFoldersOn(drive.settings.path));
  if (demand.next !== undefined) {
    await requireRoom(drive, catalog, tape, demand.pool, demand.next.bytes);
    await requireFreeNames(drive, catalog, tape, demand.setId, demand.next.group);
  }
  return tape;
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
  if (next !== undefined) await requireFits(catalog, pool, `The archive of group ${next.group}`, next.bytes);
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
  const room = next === undefined ? '' : ` with room for ${formatBytes(next.bytes)}`;
  const needs =
    wanted === undefined
      ? `The set needs a tape of pool ${pool}${room}${because === undefined ? '' : ` (${because})`}.`
      : `The set needs the tape ${wanted}, which holds archives that are not synced yet (if it is lost: \`tapeflow tape distrust ${wanted}\`).`;
  const reason = typeof error.details['reason'] === 'string' ? error.details['reason'] : '';
  return tapeNotReady(
    reason,
    error.message,
    `${error.advice === undefined ? '' : `${error.advice} `}${needs}`,
    error.details,
  );
}

async function requireRoom(
  drive: Drive,
  catalog: Catalog,
  { row, space }: LoadedTape,
  pool: string,
  bytes: number,
): Promise<void> {
  const reserve = drive.reserve(space.capacity);
  const fits = space.free >= bytes + reserve;
  // On LTFS deleting frees nothing: a full tape stays full. A folder can get free space again, unless the reported
  // value was wrong.
  const staysFull = drive.settings.kind === 'ltfs' || row.reason === writeFoundNoSpace;
  if (fits && !(row.state === 'full' && staysFull)) {
    if (row.state === 'full') await transitionTape(catalog, row.uuid, 'regain');
    return;
  }
  const tooLarge = bytes + reserve > space.capacity;
  if (!tooLarge && row.state !== 'full') {
    await transitionTape(catalog, row.uuid, 'fill', 'no room');
  }
  const why = fits
    ? `${row.reason ?? writeFoundNoSpace} (it says that ${formatBytes(space.free)} are free)`
    : `${formatBytes(space.free)} are free, and the next archive needs ${formatBytes(bytes)} besides a reserve of ${formatBytes(reserve)}`;
  throw tapeNotReady(
    'full',
    `The tape ${row.name} is full: ${why}.`,
    tooLarge
      ? `It is larger than this whole tape: load a larger tape of pool ${pool}.`
      : `Load another tape of pool ${pool}; \`tapeflow tape label NAME --pool ${pool}\` makes a new one.`,
    { capacity: space.capacity },
  );
}

/**
 * Throws when files with the archive's names on the tape are not ours: a restored catalog may reuse a set's number, and
 * a foreign entry, such as a link leading off the tape, must never be written through.
 */
async function requireFreeNames(
  drive: Drive,
  catalog: Catalog,
  { row }: LoadedTape,
  setId: string,
  group: number,
): Promise<void> {
  const folder = tapeFolder(drive.settings.path, setId);
  const looked = await lookAt(drive, () => entryAt(folder));
  if (looked === undefined) return;
  if (!looked.isDirectory()) throw folderTaken(folder);
  for (const name of [...archiveNames(setId, group), manifestName(setId, group)]) {
    const entry = await lookAt(drive, () => entryAt(path.join(folder, name)));
    if (entry === undefined || (entry.isFile() && (await wasBegunOn(catalog, setId, group, row.uuid))))
      continue;
    throw tapeNotReady(
      'name_taken',
      `The tape ${row.name} holds another ${setId}/${name} already, which this catalog did not write.`,
      `Load another tape of pool ${row.pool}, or \`tapeflow cancel ${setId}\` and start a new set under the next number.`,
    );
  }
}

/** The entry of that name, without following links; undefined when there is none. */
async function entryAt(file: string): Promise<Stats | undefined> {
  try {
    return await lstat(file);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' || systemErrorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/**
 * Set numbers found on the tapes in the drives; for `rememberSeenSets`, so that they are never reused, even after the
 * catalog was lost. A drive that does not answer is skipped: names already on its tape are refused when writing.
 */
export async function setFoldersInDrives(settings: Settings): Promise<string[]> {
  const names = await Promise.all(
    settings.drives.map((drive) => queryDrive(settings, drive, (asked) => asked.names()).catch(() => [])),
  );
  return names.flat().filter(isSetId);
}

/** Set folders at the root of a tape; none when it cannot be listed. */
export async function setFoldersOn(mountPoint: string): Promise<string[]> {
  try {
    return (await readdir(mountPoint)).filter(isSetId);
  } catch {
    return [];
  }
}
