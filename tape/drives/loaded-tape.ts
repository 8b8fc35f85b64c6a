import path from 'node:path';
import { isCatalogReadOnly } from '../../catalog/catalog-failure.js';
import { installationId, type Catalog } from '../../catalog/open-catalog.js';
import { lastCommittedOn, tapeByUuid, tapeErasedTo, updateTape } from '../../catalog/tapes/tapes.js';
import type { TapeRow } from '../../catalog/rows.js';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import type { Drive, Medium, Space } from './drive.js';
import { tapeNotReady } from './tape-not-ready.js';
import { labelFileName, type TapeLabel } from '../labels/label.js';

/** A tape in a drive that the catalog knows. */
export interface LoadedTape {
  row: TapeRow;
  label: TapeLabel;
  medium: Medium;
  space: Space;
}

/**
 * Milliseconds after which a look at a tape that shows nothing new is written down: a commit for each would cost most
 * of it.
 */
const newsAfterMs = 60_000;

const labelAdvice = 'Label it with `tapeflow tape label NAME --pool POOL`, or load another tape.';

/**
 * Looks which tape is in the drive, and whether it is one of ours. Throws `TapeNotReady` with the reason: not mounted,
 * not readable, unlabelled, foreign, a label that was copied to another volume, or committed archives gone.
 */
export async function identifyTape(drive: Drive, catalog: Catalog): Promise<LoadedTape> {
  const tape = await labelledTape(drive, catalog);
  await requireLastArchive(drive, catalog, tape.row);
  return tape;
}

/** Reasons that say nothing of the tape which is in the drive: that it cannot be looked at. */
const ofTheDrive = new Set(['not_mounted', 'not_ltfs', 'unreadable', 'silent', 'drive_held']);

/** The tape in the drive, if it is the wanted one, for reading: a damaged or full one will do. Else `TapeNotReady`. */
export async function requireForReading(drive: Drive, catalog: Catalog, wanted: string): Promise<LoadedTape> {
  const name = (await tapeByUuid(catalog, wanted))?.name ?? wanted;
  const load = `Load the tape ${name} into drive ${drive.settings.name}.`;
  let tape: LoadedTape;
  try {
    tape = await labelledTape(drive, catalog);
  } catch (error) {
    if (!(error instanceof TapeflowFailure) || error.kind !== 'person') throw error;
    const { reason: told } = error.details;
    const reason = typeof told === 'string' ? told : 'unreadable';
    // Where no tape can be looked at, what helps is told too; what is said of another tape that is in the drive helps
    // nobody here.
    const first = ofTheDrive.has(reason) && error.advice !== undefined ? `${error.advice} ` : '';
    throw tapeNotReady(reason, error.message, first + load, { first });
  }
  if (tape.row.uuid === wanted) return tape;
  throw tapeNotReady(
    'wrong_tape',
    `The tape ${tape.row.name} is in drive ${drive.settings.name}, but ${name} is wanted.`,
    load,
    { loaded: tape.row.name },
  );
}

/** The tape in the drive by its label and volume id. */
async function labelledTape(drive: Drive, catalog: Catalog): Promise<LoadedTape> {
  const { name } = drive.settings;
  const medium = await lookAt(drive, () => drive.medium());
  const label = await lookAt(drive, () => drive.label());
  if (label === undefined) {
    throw tapeNotReady(
      'unlabelled',
      `The tape in drive ${name} (${drive.settings.path}) has no label (${labelFileName}).`,
      labelAdvice,
    );
  }
  const row = await tapeByUuid(catalog, label.uuid);
  if (row === undefined) {
    const erased = await tapeErasedTo(catalog, label.uuid);
    if (erased !== undefined) throw halfErased(drive, erased);
    throw tapeNotReady(
      'foreign',
      label.installation === (await installationId(catalog))
        ? `The tape ${label.name} in drive ${name} was labelled by this installation, but its catalog does not know it.`
        : `The tape ${label.name} in drive ${name} belongs to another installation: this catalog does not know it.`,
      `\`tapeflow tape catalog${driveFlag(name)}\` reads what it holds; ${adoptAdvice(name)}.`,
    );
  }
  if (medium.volume !== null && row.volume !== null && medium.volume !== row.volume) {
    throw tapeNotReady(
      'wrong_volume',
      `The tape in drive ${name} carries the label ${row.name}, but its volume id is ${medium.volume} and not ${row.volume}.`,
      'It was formatted anew, or the label was copied: load the true tape.',
    );
  }
  const space = await lookAt(drive, () => drive.space());
  const { uuid, free, capacity, seen_at: seenAt } = row;
  const isNews =
    free !== space.free || capacity !== space.capacity || Math.abs(Date.now() - seenAt) > newsAfterMs;
  if (isNews) {
    try {
      await updateTape(catalog, uuid, space);
    } catch (error) {
      // A user who may only read looks too.
      if (!isCatalogReadOnly(error)) throw error;
    }
  }
  return { row: { ...row, ...space }, label, medium, space };
}

/**
 * Nothing is written to a tape of another installation. Whose it is, its label says, and not the catalog's row: that
 * may be of before the tape was labelled by somebody else.
 */
export async function requireOwn(
  drive: Drive,
  catalog: Catalog,
  { row, label }: Pick<LoadedTape, 'row' | 'label'>,
  ofPool = '',
): Promise<void> {
  if (label.installation === (await installationId(catalog)) && row.state !== 'foreign') return;
  throw tapeNotReady(
    'foreign',
    `The tape ${row.name} in drive ${drive.settings.name} belongs to another installation: it is read, and never written to.`,
    `Load a tape of your own${ofPool}; ${adoptAdvice(drive.settings.name)}.`,
  );
}

/** What makes a tape ours that no catalog of ours knows. */
export function adoptAdvice(drive: string): string {
  return `if that installation is gone, or the tape is your own and its catalog was lost, \`tapeflow tape catalog --adopt${driveFlag(drive)}\` makes it one of this`;
}

/** What a command needs besides to mean that drive. */
function driveFlag(drive: string): string {
  return drive === 'lto1' ? '' : ` --drive ${drive}`;
}

/** A tape whose erasing was begun and not ended: it takes no writes, and what is left on it counts for nothing. */
export function halfErased(drive: Drive, { name }: TapeRow): TapeflowFailure {
  return tapeNotReady(
    'erasing',
    `The erasing of tape ${name}, which is in drive ${drive.settings.name}, has not ended.`,
    `\`tapeflow tape erase ${name} --yes\` ends it.`,
  );
}

/**
 * The tape must hold the newest archive that the catalog has committed on it. One that does not carries a copied label
 * (a folder has no volume id that would tell), or has lost what was synced.
 */
async function requireLastArchive(drive: Drive, catalog: Catalog, row: TapeRow): Promise<void> {
  const last = await lastCommittedOn(catalog, row.uuid);
  if (last === undefined) return;
  const size = await lookAt(drive, () => drive.sizeOf(path.join(last.set_id, last.name)));
  if (size === last.size) return;
  const found = size === undefined ? 'is not there' : `has ${size} bytes instead of ${last.size}`;
  throw tapeNotReady(
    'last_archive_missing',
    `The tape in drive ${drive.settings.name} carries the label ${row.name}, but its last archive ${last.set_id}/${last.name} ${found}: it is another cartridge with a copied label, or damaged.`,
    `Load the true ${row.name}; if this is it, keep it for a rescue: \`tapeflow tape distrust ${row.name}\`, and load another tape.`,
  );
}

/** Runs one look at the tape. What the system says against it is a matter for a person, not a failure of the set. */
export async function lookAt<Result>(drive: Drive, look: () => Promise<Result>): Promise<Result> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof TapeflowFailure) throw error;
    const { name, path: where } = drive.settings;
    throw tapeNotReady(
      'unreadable',
      `The tape in drive ${name} (${where}) cannot be read: ${describeError(error)}.`,
      'Unmount it and mount it again, or load another tape.',
    );
  }
}
