import { timeOf } from '../../catalog/rebuilt/rebuilt-sets.js';
import { markTapeFound } from '../../catalog/tapes/lost-tapes.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { installationId } from '../../catalog/installation.js';
import { transitionTape } from '../../catalog/tapes/tape-states.js';
import { insertTape, tapeByName, tapeByUuid, tapeErasedTo, updateTape } from '../../catalog/tapes/tapes.js';
import type { TapeRow } from '../../catalog/rows.js';
import type { Drive, Medium, Space } from '../../tape/drives/drive.js';
import { tapeNotReady } from '../../tape/drives/tape-not-ready.js';
import { labelFileName, readLabel } from '../../tape/labels/label.js';
import { unfinishedErase, lookAt } from '../../tape/drives/loaded-tape.js';
import { english } from '../../messages/sentence.js';

const onlyRead = english`another installation has labelled it: it is only read`;

/**
 * The catalog's row for the tape in the drive, created if missing. A tape labelled by another installation becomes
 * `foreign`: it is read but never written to. If its name is taken, part of its UUID is appended, after a character
 * that label names cannot contain. Throws `TapeNotReady` when the tape has no label, or that of another volume.
 */
export async function registerTape(drive: Drive, catalog: Catalog, medium: Medium): Promise<TapeRow> {
  const { name: driveName, path } = drive.settings;
  const label = await lookAt(drive, () => readLabel(path));
  if (label === undefined) {
    throw tapeNotReady(
      'unlabelled',
      english`The tape in drive ${driveName} (${path}) has no label (${labelFileName}).`,
      english`Give it one with \`tapeflow tape label NAME --force\`, which erases nothing, and read it again.`,
    );
  }
  const known = await tapeByUuid(catalog, label.uuid);
  const erasing = known?.state === 'erasing' ? known : await tapeErasedTo(catalog, label.uuid);
  if (erasing !== undefined) throw unfinishedErase(drive, erasing);
  const volume = known === undefined ? label.volume : known.volume;
  if (medium.volume !== null && volume !== null && medium.volume !== volume) {
    throw tapeNotReady(
      'wrong_volume',
      english`The tape in drive ${driveName} carries the label ${label.name},
        but its volume id is ${medium.volume} and not ${volume}.`,
      english`The label was copied from another tape: give this one its own with
        \`tapeflow tape label NAME --force\`, which erases nothing.`,
    );
  }
  const space = await lookAt(drive, () => drive.space());
  const foreign = label.installation !== (await installationId(catalog));
  if (known !== undefined) return seeAgain(drive, catalog, known, space, foreign);
  const taken = (await tapeByName(catalog, label.name)) !== undefined;
  const now = Date.now();
  const row: TapeRow = {
    uuid: label.uuid,
    name: taken ? `${label.name}@${label.uuid.slice(0, 8)}` : label.name,
    pool: label.pool,
    volume: volume ?? medium.volume,
    state: foreign ? 'foreign' : 'usable',
    reason: foreign ? onlyRead : null,
    before: null,
    ...space,
    labelled_at: timeOf(label.labelled, now),
    seen_at: now,
    erased_to: null,
    read_only: 0,
  };
  await insertTape(catalog, row);
  return row;
}

/**
 * Updates a known tape: found again if it was lost, and ours if its label says so. Being read does not improve its
 * state otherwise.
 */
async function seeAgain(
  drive: Drive,
  catalog: Catalog,
  known: TapeRow,
  space: Space,
  foreign: boolean,
): Promise<TapeRow> {
  const { tape: found } = known.state === 'lost' ? await markTapeFound(catalog, known) : { tape: known };
  if (found.state === 'erasing') throw unfinishedErase(drive, found);
  await updateTape(catalog, known.uuid, space);
  const moved = foreign
    ? await transitionTape(catalog, known.uuid, 'disown', onlyRead)
    : await transitionTape(catalog, known.uuid, 'adopt');
  return { ...(moved ?? found), ...space };
}
