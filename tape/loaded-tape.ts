import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Catalog } from '../catalog/open-catalog.js';
import { isSetId, rememberSeenSets } from '../catalog/sets.js';
import { tapeByUuid, updateTape, type TapeRow } from '../catalog/tapes.js';
import { TapeflowFailure } from '../config/failures.js';
import { formatBytes } from '../config/sizes.js';
import { tapeNotReady, type Drive, type Medium, type Space } from './drive.js';
import { archiveName, manifestName } from '../staging/paths.js';
import { folderTaken, nameTaken, tapeFolder } from './write-archive.js';
import { labelFileName, readLabel, type TapeLabel } from './label.js';

/** A tape in a drive that the catalog knows. */
export interface LoadedTape {
  row: TapeRow;
  label: TapeLabel;
  medium: Medium;
  space: Space;
}

const labelAdvice = 'Label it with `tapeflow tape label NAME --pool POOL`, or load another tape.';

/**
 * Looks which tape is in the drive, and whether it is one of ours. Throws `TapeNotReady` with the reason: not mounted,
 * unlabelled, foreign, or a label that was copied to another volume.
 */
export async function identifyTape(drive: Drive, catalog: Catalog): Promise<LoadedTape> {
  const { name, path: where } = drive.settings;
  const medium = await drive.medium();
  const label = await readLabel(where).catch((error: unknown) => {
    // Another tape mends it: the set waits for one.
    if (!(error instanceof TapeflowFailure)) throw error;
    throw tapeNotReady('label_damaged', error.message, error.advice ?? labelAdvice);
  });
  if (label === undefined) {
    throw tapeNotReady(
      'unlabelled',
      `The tape in drive ${name} (${where}) has no label (${labelFileName}).`,
      labelAdvice,
    );
  }
  const row = await tapeByUuid(catalog, label.uuid);
  if (row === undefined) {
    throw tapeNotReady(
      'foreign',
      `The tape ${label.name} in drive ${name} belongs to another installation: this catalog does not know it.`,
      'Load one of your own tapes.',
    );
  }
  if (medium.volume !== null && row.volume !== null && medium.volume !== row.volume) {
    throw tapeNotReady(
      'wrong_volume',
      `The tape in drive ${name} carries the label ${row.name}, but its volume id is ${medium.volume} and not ${row.volume}.`,
      'It was formatted anew, or the label was copied: load the true tape.',
    );
  }
  const space = await drive.space();
  await updateTape(catalog, row.uuid, space);
  return { row: { ...row, ...space }, label, medium, space };
}

/** What a tape must be to take the next archive. */
export interface TapeDemand {
  pool: string;
  /** Only this tape will do: it holds archives that no sync has covered. */
  wanted?: string | undefined;
  /** Bytes of the next archive and its manifest; 0 when the tape is wanted for its sync alone, which needs no room. */
  needBytes: number;
}

/** The tape in the drive, if it may take the next archive; else `TapeNotReady` with the reason. */
export async function requireTape(drive: Drive, catalog: Catalog, demand: TapeDemand): Promise<LoadedTape> {
  const tape = await identifyTape(drive, catalog);
  const { row } = tape;
  if (demand.wanted !== undefined && row.uuid !== demand.wanted) {
    const wanted = await tapeByUuid(catalog, demand.wanted);
    throw tapeNotReady(
      'wrong_tape',
      `The tape ${row.name} is in drive ${drive.settings.name}, but ${wanted?.name ?? demand.wanted} is wanted: it holds archives whose index is not synced yet.`,
      `Load ${wanted?.name ?? 'that tape'}; if it is lost, \`tapeflow tape distrust ${wanted?.name ?? 'NAME'}\` writes them again elsewhere.`,
    );
  }
  if (row.pool !== demand.pool) {
    throw tapeNotReady(
      'wrong_pool',
      `The tape ${row.name} is of pool ${row.pool}, but the set writes to pool ${demand.pool}.`,
      `Load a tape of pool ${demand.pool}.`,
    );
  }
  if (row.state === 'suspect') {
    throw tapeNotReady(
      'suspect',
      `The tape ${row.name} is not trusted any more: ${row.reason ?? 'a write on it failed'}.`,
      `Load another tape of pool ${demand.pool}, or, after a check, \`tapeflow tape trust ${row.name}\`.`,
    );
  }
  const protection = await drive.writeProtection();
  if (protection !== undefined) {
    throw tapeNotReady(
      'write_protected',
      `The tape ${row.name} cannot be written: ${protection}.`,
      'Open its write protection and mount it again, or load another tape.',
    );
  }
  if (demand.needBytes > 0) await requireRoom(drive, catalog, tape, demand);
  await rememberSeenSets(catalog, await setsOnTape(drive.settings.path));
  return tape;
}

async function requireRoom(
  drive: Drive,
  catalog: Catalog,
  tape: LoadedTape,
  demand: TapeDemand,
): Promise<void> {
  const { row, space } = tape;
  const reserve = drive.reserve(space.capacity);
  const fits = space.free >= demand.needBytes + reserve;
  // On LTFS deleting frees nothing: a full tape stays full. A folder can get room again.
  const isFull = row.state === 'full' && drive.settings.kind === 'ltfs';
  if (fits && !isFull) {
    if (row.state === 'full') await updateTape(catalog, row.uuid, { state: 'usable', reason: null });
    return;
  }
  const tooLarge = demand.needBytes + reserve > space.capacity;
  if (!tooLarge && row.state !== 'full')
    await updateTape(catalog, row.uuid, { state: 'full', reason: 'no room' });
  throw tapeNotReady(
    'full',
    `The tape ${row.name} is full: ${formatBytes(space.free)} are free, and the next archive needs ${formatBytes(demand.needBytes)} besides a reserve of ${formatBytes(reserve)}.`,
    tooLarge
      ? `It is larger than this whole tape: load a larger tape of pool ${demand.pool}.`
      : `Load another tape of pool ${demand.pool}; \`tapeflow tape label NAME --pool ${demand.pool}\` makes a new one.`,
    { capacity: space.capacity },
  );
}

/**
 * Throws `TapeNotReady` when the tape holds something, under a name that an archive of the set is still to get there,
 * that this catalog did not write: it is never replaced, and never written through. `requireFreeName` refuses the same
 * for one name; here the watch asks, or it would end before a person has acted.
 */
export async function requireOwnNames(
  drive: Drive,
  catalog: Catalog,
  tape: LoadedTape,
  setId: string,
): Promise<void> {
  const folder = tapeFolder(drive.settings.path, setId);
  const stats = await lstat(folder).catch(() => undefined);
  if (stats === undefined) return;
  if (!stats.isDirectory()) throw folderTaken(folder);
  const toCome = await catalog
    .selectFrom('groups')
    .leftJoin('copies', (join) =>
      join.onRef('copies.set_id', '=', 'groups.set_id').onRef('copies.group_no', '=', 'groups.no'),
    )
    .select(['groups.no', 'copies.tape_uuid'])
    .where('groups.set_id', '=', setId)
    .where('groups.state', 'not in', ['committed', 'released', 'skipped', 'failed', 'written'])
    .execute();
  const names = new Map<string, boolean>();
  for (const { no, tape_uuid: uuid } of toCome) {
    for (const name of [archiveName(setId, no), manifestName(setId, no)])
      names.set(name, uuid === tape.row.uuid);
  }
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const isOurs = names.get(entry.name);
    if (isOurs === false || (isOurs === true && !entry.isFile()))
      throw nameTaken(path.join(folder, entry.name));
  }
}

/** Set folders at the root of a tape; none when it cannot be listed. */
export async function setsOnTape(mountPoint: string): Promise<string[]> {
  try {
    return (await readdir(mountPoint)).filter(isSetId);
  } catch {
    return [];
  }
}
