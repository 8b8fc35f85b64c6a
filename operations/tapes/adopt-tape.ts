import type { Catalog } from '../../catalog/open-catalog.js';
import { installationId } from '../../catalog/installation.js';
import { removeParts } from '../../disk/part-files.js';
import { transitionTape } from '../../catalog/tapes/tape-states.js';
import type { TapeRow } from '../../catalog/rows.js';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import { confirmMedium, type Drive, type Medium } from '../../tape/drives/drive.js';
import type { DriveLock } from '../../tape/drives/drive-lock.js';
import { labelFileName, readLabel, writeLabel } from '../../tape/labels/label.js';
import { lookAt } from '../../tape/drives/loaded-tape.js';
import { copyOffAdvice } from '../../tape/ltfs/write-protection.js';
import { english } from '../../messages/sentence.js';

/**
 * Adopts the tape in a drive into this installation: the label is written first, since every write checks it. The
 * caller holds the medium, and the tape's contents are in the catalog. If killed in between, the next `tape catalog`
 * reads the label and completes it.
 */
export async function adoptTape(
  drive: Drive,
  lock: DriveLock,
  catalog: Catalog,
  tape: TapeRow,
  medium: Medium,
): Promise<TapeRow> {
  const { path } = drive.settings;
  const label = await lookAt(drive, () => readLabel(path));
  if (label?.uuid !== tape.uuid)
    throw refused(english`The tape in drive ${drive.settings.name} is not ${tape.name} any more.`);
  const protection = await drive.writeProtection();
  if (protection !== undefined)
    throw refused(
      english`The tape ${tape.name} cannot be made one of this installation,
        since its label cannot be written: ${protection.why}.`,
      protection.forGood
        ? english`It can still be read. ${copyOffAdvice(tape)}`
        : english`Open its write protection; until then it is read.`,
    );
  const installation = await installationId(catalog);
  lock.check();
  await confirmMedium(drive.settings, medium);
  try {
    await removeParts(path, labelFileName);
    await writeLabel(path, { ...label, installation });
    await drive.sync([path]);
  } catch (error) {
    throw refused(
      english`The label of tape ${tape.name} could not be written to ${path}: ${describeError(error)}.`,
    );
  }
  return (await transitionTape(catalog, tape.uuid, 'adopt')) ?? tape;
}

function refused(message: string, advice?: string): TapeflowFailure {
  return new TapeflowFailure('AdoptRefused', message, advice === undefined ? {} : { advice });
}
