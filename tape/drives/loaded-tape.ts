import path from 'node:path';
import { english } from '../../messages/sentence.js';
import { isCatalogReadOnly } from '../../catalog/catalog-failure.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { lastCommittedOn } from '../../catalog/copies/copies.js';
import { installationId } from '../../catalog/installation.js';
import { tapeByUuid, tapeErasedTo, updateTape } from '../../catalog/tapes/tapes.js';
import type { TapeRow } from '../../catalog/rows.js';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import type { Drive, Medium, Space } from './drive.js';
import { tapeNotReady } from './tape-not-ready.js';
import { labelFileName, type TapeLabel } from '../labels/label.js';

/** A tape in a drive, known to the catalog. */
export interface LoadedTape {
  row: TapeRow;
  label: TapeLabel;
  medium: Medium;
  space: Space;
}

/**
 * Milliseconds after which an unchanged check of a tape is recorded again: a commit for each would cost most of the
 * time.
 */
const newsAfterMs = 60_000;

const labelAdvice = english`Label it with \`tapeflow tape label NAME --pool POOL\`, or load another tape.`;

/**
 * Identifies the tape in the drive. Throws `TapeNotReady` with the reason: not mounted, unreadable, unlabelled,
 * foreign, a label copied to another volume, or committed archives missing.
 */
export async function identifyTape(drive: Drive, catalog: Catalog): Promise<LoadedTape> {
  const tape = await labelledTape(drive, catalog);
  await requireLastArchive(drive, catalog, tape.row);
  return tape;
}

/** Reasons that concern the drive rather than the tape in it. */
const ofTheDrive = new Set(['not_mounted', 'not_ltfs', 'unreadable', 'silent', 'drive_held']);

/**
 * The tape in the drive, if it is the wanted one; for reading, a damaged or full one is fine. Otherwise throws
 * `TapeNotReady`.
 */
export async function requireForReading(drive: Drive, catalog: Catalog, wanted: string): Promise<LoadedTape> {
  const name = (await tapeByUuid(catalog, wanted))?.name ?? wanted;
  const load = english`Load the tape ${name} into drive ${drive.settings.name}.`;
  let tape: LoadedTape;
  try {
    tape = await labelledTape(drive, catalog);
  } catch (error) {
    if (!(error instanceof TapeflowFailure) || error.kind !== 'person') throw error;
    const { reason: told } = error.details;
    const reason = typeof told === 'string' ? told : 'unreadable';
    // If no tape can be read, the advice for that is shown too; advice about another tape in the drive would not help.
    const first = ofTheDrive.has(reason) && error.advice !== undefined ? `${error.advice} ` : '';
    throw tapeNotReady(reason, error.message, first + load, { first });
  }
  if (tape.row.uuid === wanted) return tape;
  throw tapeNotReady(
    'wrong_tape',
    english`The tape ${tape.row.name} is in drive ${drive.settings.name}, but ${name} is wanted.`,
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
      english`The tape in drive ${name} (${drive.settings.path}) has no label (${labelFileName}).`,
      labelAdvice,
    );
  }
  const row = await tapeByUuid(catalog, label.uuid);
  if (row === undefined) {
    const erased = await tapeErasedTo(catalog, label.uuid);
    if (erased !== undefined) throw unfinishedErase(drive, erased);
    throw tapeNotReady(
      'foreign',
      label.installation === (await installationId(catalog))
        ? english`The tape ${label.name} in drive ${name} was labelled by this installation, but its
            catalog does not know it.`
        : english`The tape ${label.name} in drive ${name} belongs to another installation: this catalog
            does not know it.`,
      english`\`tapeflow tape catalog${driveFlag(name)}\` reads what it holds; ${adoptAdvice(name)}.`,
    );
  }
  if (medium.volume !== null && row.volume !== null && medium.volume !== row.volume) {
    throw tapeNotReady(
      'wrong_volume',
      english`The tape in drive ${name} carries the label ${row.name}, but its
        volume id is ${medium.volume} and not ${row.volume}.`,
      english`It was formatted again, or the label was copied: load the right tape.`,
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
      // Users who may only read call this too.
      if (!isCatalogReadOnly(error)) throw error;
    }
  }
  return { row: { ...row, ...space }, label, medium, space };
}

/**
 * Throws when the tape belongs to another installation, to which nothing is written. Its label decides, not the
 * catalog's row, which may be older than a label written by somebody else.
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
    english`The tape ${row.name} in drive ${drive.settings.name} belongs to
      another installation: it is read, and never written to.`,
    english`Load a tape of your own${ofPool}; ${adoptAdvice(drive.settings.name)}.`,
  );
}

/** Advice on how to adopt a tape that this catalog does not know. */
export function adoptAdvice(drive: string): string {
  return english`if that installation is gone, or the tape is your own and its catalog was lost,
      \`tapeflow tape catalog --adopt${driveFlag(drive)}\` makes it one of this`;
}

/** The option that selects a drive on the command line. */
function driveFlag(drive: string): string {
  return drive === 'lto1' ? '' : ` --drive ${drive}`;
}

/** The failure for a tape with an unfinished erase: it takes no writes, and what is left on it does not count. */
export function unfinishedErase(drive: Drive, { name }: TapeRow): TapeflowFailure {
  return tapeNotReady(
    'erasing',
    english`The erasing of tape ${name}, which is in drive ${drive.settings.name}, has not ended.`,
    english`\`tapeflow tape erase ${name} --yes\` ends it.`,
  );
}

/**
 * Throws when the tape does not hold the newest archive committed on it: its label was copied (a folder has no volume
 * id to tell), or it has lost synced data.
 */
async function requireLastArchive(drive: Drive, catalog: Catalog, row: TapeRow): Promise<void> {
  const last = await lastCommittedOn(catalog, row.uuid);
  if (last === undefined) return;
  const size = await lookAt(drive, () => drive.sizeOf(path.join(last.set_id, last.name)));
  if (size === last.size) return;
  const [name, archive] = [drive.settings.name, `${last.set_id}/${last.name}`];
  throw tapeNotReady(
    'last_archive_missing',
    size === undefined
      ? english`The tape in drive ${name} carries the label ${row.name}, but its last archive ${archive}
          is not there: it is another cartridge with a copied label, or damaged.`
      : english`The tape in drive ${name} carries the label ${row.name}, but its last archive ${archive}
          has ${size} bytes instead of ${last.size}: it is another cartridge with a copied label, or damaged.`,
    english`Load the right ${row.name}; if this is it, keep it for a rescue:
      \`tapeflow tape distrust ${row.name}\`, and load another tape.`,
  );
}

/**
 * Runs one read of the tape. A system error becomes `TapeNotReady`, for someone to act on, and does not fail the set.
 */
export async function lookAt<Result>(drive: Drive, look: () => Promise<Result>): Promise<Result> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof TapeflowFailure) throw error;
    const { name, path: where } = drive.settings;
    throw tapeNotReady(
      'unreadable',
      english`The tape in drive ${name} (${where}) cannot be read: ${describeError(error)}.`,
      english`Unmount it and mount it again, or load another tape.`,
    );
  }
}
