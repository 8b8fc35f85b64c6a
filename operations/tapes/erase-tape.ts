import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { beginErase, type EraseRequest, finishErase } from '../../catalog/tapes/erase.js';
import { installationId } from '../../catalog/installation.js';
import { isSetId, rememberSeenSets } from '../../catalog/sets/set-id.js';
import { foreignTape } from '../../catalog/tapes/erasable.js';
import { removeParts } from '../../disk/part-files.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { tapeByUuid } from '../../catalog/tapes/tapes.js';
import type { TapeRow } from '../../catalog/rows.js';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import type { Logger } from '../../config/logger.js';
import { rewriteUnsynced } from './distrust-tape.js';
import { confirmMedium, type Drive, type Medium } from '../../tape/drives/drive.js';
import type { DriveLock } from '../../tape/drives/drive-lock.js';
import { deleteArchives, unknownArchives } from './erase-archives.js';
import { formattedAdvice, mayBeFormatted, otherRootEntries } from '../../tape/labels/formatted.js';
import { labelFileName, readLabel, writeLabel, type TapeLabel } from '../../tape/labels/label.js';
import { identifyTape, lookAt } from '../../tape/drives/loaded-tape.js';
import { english } from '../../messages/sentence.js';

export interface Erased {
  /** The tape's current row in the catalog. */
  tape: TapeRow;
  archives: number;
  /** What was left on the tape because it is not ours. */
  left: string[];
}

export interface EraseContext {
  drive: Drive;
  lock: DriveLock;
  catalog: Catalog;
  logger: Logger;
  /** Called before each file is deleted; may throw to stop. */
  guard(): void;
}

/**
 * Erases the tape in a drive, if it is the named one: first in the catalog, then its archives, and last it gets a new
 * label with a new UUID, so that an old catalog cannot mistake it for its former contents. If killed at any point, the
 * next call continues. Throws `TapeInUse` or `TapeNeeded` when the tape must not be erased.
 *
 * On LTFS deleting frees no space. There only the catalog is changed, and `FormatTape` says what to do; called again
 * with the formatted tape, it writes the new label. It does the same for a tape formatted beforehand, if the request
 * says so.
 */
export async function eraseTape(context: EraseContext, wish: EraseRequest): Promise<Erased> {
  const medium = await context.drive.medium();
  return context.lock.hold(medium, () => eraseHeld(context, medium, wish));
}

async function eraseHeld(context: EraseContext, medium: Medium, wish: EraseRequest): Promise<Erased> {
  const { drive, catalog } = context;
  const known = await tapeByUuid(catalog, wish.tape);
  if (known === undefined) throw refused(english`The catalog does not know the tape ${wish.tape} any more.`);
  const { settings } = drive;
  const label = await lookAt(drive, () => readLabel(settings.path));
  const begun = known.state === 'erasing';
  if (label !== undefined && label.installation !== (await installationId(catalog)))
    throw foreignTape(label.name);
  if (begun && label !== undefined && label.uuid === known.erased_to) {
    requireVolume(context, medium, label);
    return { tape: await finish(context, known, label), archives: 0, left: await otherRootEntries(drive) };
  }
  const isFormatted = label === undefined && (await wasFormatted(drive, medium, known, wish));
  if (!isFormatted) await requireThisTape(context, known, label);
  const isToFormat = !isFormatted && settings.kind === 'ltfs';
  // Not checked for an LTFS tape that is to be formatted: formatting also fixes a failed write.
  const protection = isToFormat ? undefined : await drive.writeProtection();
  if (protection !== undefined) {
    throw refused(
      english`The tape ${known.name} cannot be erased: ${protection.why}.`,
      english`Open its write protection.`,
    );
  }
  if (!isFormatted && !begun && !wish.evenUnexpired) await refuseUnknown(drive, catalog, known);
  await rememberSeenSets(catalog, (await lookAt(drive, () => readdir(settings.path))).filter(isSetId));
  const tape = await beginErase(catalog, wish, randomUUID());
  // Unsynced copies are written again elsewhere when their set continues.
  await rewriteUnsynced(context, tape.uuid, english`its tape was erased`);
  if (isToFormat) throw formatTape(drive, tape);
  const { archives, left, folders } = await deleteArchives(settings.path, async () => {
    context.guard();
    context.lock.check();
    await confirmMedium(settings, medium);
  });
  const relabelled = await relabel(context, medium, tape, folders);
  const others = (await otherRootEntries(drive)).filter((name) => !isSetId(name));
  return { tape: await finish(context, tape, relabelled), archives, left: [...left, ...others] };
}

/**
 * True when the unlabelled medium is the named tape after formatting: its erase on LTFS asked for that, or the user
 * says so. Otherwise an empty medium is refused, since it may be any new tape.
 */
async function wasFormatted(
  drive: Drive,
  medium: Medium,
  tape: TapeRow,
  { formatted }: EraseRequest,
): Promise<boolean> {
  const mayBe = await lookAt(drive, () => mayBeFormatted(drive, medium, tape));
  const wasBegun = tape.state === 'erasing' && drive.settings.kind === 'ltfs';
  if (mayBe && (formatted === true || wasBegun)) return true;
  const { name } = drive.settings;
  if (mayBe)
    throw refused(
      english`The tape in drive ${name} is empty and has no label.`,
      english`${formattedAdvice(tape.name)}; else load ${tape.name}.`,
    );
  if (formatted !== true) return false;
  throw refused(
    english`The tape in drive ${name} was not formatted since it was ${tape.name}:
      it is not empty, or has the same volume id.`,
    english`Load ${tape.name}.`,
  );
}

/** Throws unless the tape in the drive is the named one, by label, volume id and newest archive. */
async function requireThisTape(
  { drive, catalog }: EraseContext,
  wanted: TapeRow,
  label: TapeLabel | undefined,
): Promise<void> {
  const load = english`Load ${wanted.name} into drive ${drive.settings.name}.`;
  if (label !== undefined && label.uuid !== wanted.uuid) {
    const known = await tapeByUuid(catalog, label.uuid);
    const { name } = drive.settings;
    throw refused(
      known === undefined
        ? english`The tape in drive ${name} is one that the catalog does not know, labelled ${label.name},
            and not ${wanted.name}.`
        : english`The tape in drive ${name} is ${known.name}, and not ${wanted.name}.`,
      load,
    );
  }
  await identifyTape(drive, catalog);
}

function requireVolume({ drive }: EraseContext, medium: Medium, label: TapeLabel): void {
  if (medium.volume === null || label.volume === null || medium.volume === label.volume) return;
  throw refused(
    english`The tape in drive ${drive.settings.name} carries the label ${label.name},
      but its volume id is ${medium.volume} and not ${label.volume}.`,
    english`The label was copied: load the right tape.`,
  );
}

/** Refuses a tape with archives unknown to the catalog: they may be the only ones, such as sets of a lost catalog. */
async function refuseUnknown(drive: Drive, catalog: Catalog, tape: TapeRow): Promise<void> {
  const unknown = await lookAt(drive, () => unknownArchives(drive.settings.path, catalog, tape));
  const [first] = unknown;
  if (first === undefined) return;
  const more = unknown.length - 1;
  throw refused(
    more === 0
      ? english`The tape ${tape.name} holds ${first}, which the catalog does not know.`
      : english`The tape ${tape.name} holds ${first} and ${more} more, which the catalog does not know.`,
    english`\`tapeflow tape catalog\` reads it;
      \`tapeflow tape erase ${tape.name} --yes --even-unexpired\` erases it anyway.`,
  );
}

async function relabel(
  { drive, lock, catalog }: EraseContext,
  medium: Medium,
  tape: TapeRow,
  folders: readonly string[],
): Promise<TapeLabel> {
  const { path } = drive.settings;
  const label = {
    // A tape of another installation may have a name here that labels cannot contain.
    name: tape.name.replace('@', '-'),
    pool: tape.pool,
    uuid: tape.erased_to ?? randomUUID(),
    installation: await installationId(catalog),
    volume: medium.volume,
    labelled: new Date().toISOString(),
  };
  lock.check();
  await confirmMedium(drive.settings, medium);
  try {
    // The deletions must be durable before the new label is written.
    await drive.sync([...folders, path]);
    await removeParts(path, labelFileName);
    await writeLabel(path, label);
    await drive.sync([path]);
  } catch (error) {
    throw new TapeflowFailure(
      'LabelNotWritten',
      english`The new label could not be written to ${path}: ${describeError(error)}.`,
      { cause: error, advice: english`Erase it again when that is fixed.` },
    );
  }
  return { tapeflowLabel: 1, ...label };
}

async function finish({ drive, catalog }: EraseContext, tape: TapeRow, label: TapeLabel): Promise<TapeRow> {
  const { uuid, name, volume } = label;
  return finishErase(catalog, tape, { uuid, name, volume, ...(await drive.space()) });
}

function refused(message: string, advice?: string): TapeflowFailure {
  return new TapeflowFailure('EraseRefused', message, advice === undefined ? {} : { advice });
}

/** The failure that asks for formatting: LTFS frees no space on deletion, and formatting needs the drive's device. */
function formatTape({ settings }: Drive, { name }: TapeRow): TapeflowFailure {
  return new TapeflowFailure(
    'FormatTape',
    english`The catalog has given up what the tape ${name} holds; on LTFS only formatting gives its room back.`,
    {
      advice: english`Unmount ${settings.path}, format the tape (\`mkltfs -f -d DEVICE\`),
        mount it, and run the same command again: it writes the new label.`,
    },
  );
}
