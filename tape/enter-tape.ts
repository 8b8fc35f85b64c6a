import { timeOf } from '../catalog/rebuilt-sets.js';
import { findTape } from '../catalog/lost-tapes.js';
import { installationId, type Catalog } from '../catalog/open-catalog.js';
import {
  insertTape,
  tapeByName,
  tapeByUuid,
  tapeErasedTo,
  updateTape,
  type TapeRow,
} from '../catalog/tapes.js';
import { tapeNotReady, type Drive, type Medium } from './drive.js';
import { labelFileName, readLabel } from './label.js';
import { halfErased, lookAt } from './loaded-tape.js';

/**
 * The catalog's row of the tape in the drive, made when it has none. A tape that another installation has labelled becomes
 * `foreign`: it is read and never written to. Where its name is taken, a part of its UUID is added, after a character that
 * no label's name can have. Throws `TapeNotReady` when the tape has no label, or that of another volume.
 */
export async function enterTape(drive: Drive, catalog: Catalog, medium: Medium): Promise<TapeRow> {
  const { name: driveName, path } = drive.settings;
  const label = await lookAt(drive, () => readLabel(path));
  if (label === undefined) {
    throw tapeNotReady(
      'unlabelled',
      `The tape in drive ${driveName} (${path}) has no label (${labelFileName}).`,
      'Give it one with `tapeflow tape label NAME --force`, which erases nothing, and read it again.',
    );
  }
  const known = await tapeByUuid(catalog, label.uuid);
  const erasing = known?.state === 'erasing' ? known : await tapeErasedTo(catalog, label.uuid);
  if (erasing !== undefined) throw halfErased(drive, erasing);
  const volume = known === undefined ? label.volume : known.volume;
  if (medium.volume !== null && volume !== null && medium.volume !== volume) {
    throw tapeNotReady(
      'wrong_volume',
      `The tape in drive ${driveName} carries the label ${label.name}, but its volume id is ${medium.volume} and not ${volume}.`,
      'The label was copied from another tape: give this one its own with `tapeflow tape label NAME --force`, which erases nothing.',
    );
  }
  const space = await lookAt(drive, () => drive.space());
  if (known?.state === 'lost') {
    await findTape(catalog, known);
    return { ...known, ...space, state: 'usable', reason: null };
  }
  if (known !== undefined) {
    await updateTape(catalog, known.uuid, space);
    return { ...known, ...space };
  }
  const foreign = label.installation !== (await installationId(catalog));
  const taken = (await tapeByName(catalog, label.name)) !== undefined;
  const now = Date.now();
  const row: TapeRow = {
    uuid: label.uuid,
    name: taken ? `${label.name}@${label.uuid.slice(0, 8)}` : label.name,
    pool: label.pool,
    volume: volume ?? medium.volume,
    state: foreign ? 'foreign' : 'usable',
    reason: foreign ? 'another installation has labelled it: it is only read' : null,
    ...space,
    labelled_at: timeOf(label.labelled, now),
    seen_at: now,
    erased_to: null,
  };
  await insertTape(catalog, row);
  return row;
}
