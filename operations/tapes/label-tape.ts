import { holdsCommitted } from '../../catalog/copies/tape-copies.js';
import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import type { Catalog } from '../../catalog/open-catalog.js';
import { installationId } from '../../catalog/installation.js';
import { isPartOf, removeParts } from '../../disk/part-files.js';
import { insertTape, listTapes, tapeByName, tapeByUuid, tapeErasedTo } from '../../catalog/tapes/tapes.js';
import type { TapeRow } from '../../catalog/rows.js';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import { makeReadableFolder } from '../../config/shared-group.js';
import { makeFolder } from '../../disk/durable-file.js';
import type { Drive, Medium } from '../../tape/drives/drive.js';
import type { DriveLock } from '../../tape/drives/drive-lock.js';
import { formattedAdvice, mayBeFormatted } from '../../tape/labels/formatted.js';
import { labelFileName, readLabel, writeLabel, type TapeLabel } from '../../tape/labels/label.js';
import { unfinishedErase } from '../../tape/drives/loaded-tape.js';
import { english } from '../../messages/sentence.js';

export interface LabelRequest {
  name: string;
  pool: string;
  /** Label a tape that is not empty. Nothing on it is erased. */
  force: boolean;
}

/**
 * Labels the tape in a drive and adds it to the catalog. Erases nothing: a tape that holds files is refused without
 * `force`, one that holds committed archives always.
 */
export async function labelTape(
  drive: Drive,
  lock: DriveLock,
  catalog: Catalog,
  request: LabelRequest,
): Promise<TapeRow> {
  if (drive.settings.ours) await makeFolder(drive.settings.path, makeReadableFolder);
  const medium = await drive.medium();
  return lock.hold(medium, () => labelHeld(drive, lock, catalog, medium, request));
}

async function labelHeld(
  drive: Drive,
  lock: DriveLock,
  catalog: Catalog,
  medium: Medium,
  request: LabelRequest,
): Promise<TapeRow> {
  const { path, name: driveName } = drive.settings;
  const { volume } = medium;
  await refuseTakenName(drive, catalog, medium, request.name);
  const begun = await begunLabel(drive, catalog, request);
  if (begun === undefined) await refuseUsedTape(drive, catalog, request);
  const protection = await drive.writeProtection();
  if (protection !== undefined) {
    throw refused(
      english`The tape in drive ${driveName} cannot be written: ${protection.why}.`,
      protection.forGood ? english`Load another tape.` : english`Open its write protection.`,
    );
  }
  const space = await drive.space();
  const uuid = begun?.uuid ?? randomUUID();
  const now = new Date();
  const { name, pool } = request;
  // Also makes sure that the catalog is writable before the tape is touched.
  const installation = await installationId(catalog);
  try {
    lock.check();
    // Remains of an interrupted labelling; the lock excludes a running one.
    await removeParts(path, labelFileName);
    await writeLabel(path, {
      name,
      pool,
      uuid,
      installation,
      volume,
      labelled: now.toISOString(),
    });
    await drive.sync([path]);
  } catch (error) {
    throw new TapeflowFailure(
      'LabelNotWritten',
      english`The label could not be written to ${path}: ${describeError(error)}.`,
      {
        cause: error,
      },
    );
  }
  const at = now.getTime();
  const row: TapeRow = {
    uuid,
    name,
    pool,
    volume,
    state: 'usable',
    reason: null,
    ...space,
    labelled_at: at,
    seen_at: at,
    before: null,
    erased_to: null,
    read_only: 0,
  };
  await insertTape(catalog, row);
  return row;
}

async function refuseTakenName(drive: Drive, catalog: Catalog, medium: Medium, name: string): Promise<void> {
  const known = await tapeByName(catalog, name);
  if (known === undefined) return;
  const label = await readLabel(drive.settings.path).catch(() => null);
  const mayBeIt = label === undefined && (await mayBeFormatted(drive, medium, known));
  throw refused(
    english`There is a tape ${name} already.`,
    mayBeIt
      ? english`${formattedAdvice(name)}; else choose another name; \`tapeflow tape list\` shows them.`
      : english`Choose another name; \`tapeflow tape list\` shows them.`,
  );
}

/**
 * A label with the same name and pool that this installation wrote before it was killed: the catalog does not know the
 * tape yet, and labelling it again completes that.
 */
async function begunLabel(
  drive: Drive,
  catalog: Catalog,
  request: Pick<LabelRequest, 'name' | 'pool'>,
): Promise<TapeLabel | undefined> {
  const label = await readLabel(drive.settings.path).catch(() => undefined);
  if (label === undefined || label.name !== request.name || label.pool !== request.pool) return undefined;
  if (label.installation !== (await installationId(catalog))) return undefined;
  return (await tapeByUuid(catalog, label.uuid)) === undefined ? label : undefined;
}

async function refuseUsedTape(drive: Drive, catalog: Catalog, request: LabelRequest): Promise<void> {
  const { path, name: driveName } = drive.settings;
  const label = await readLabel(path).catch((error: unknown) => {
    if (request.force && error instanceof TapeflowFailure) return undefined;
    throw error;
  });
  if (label !== undefined) {
    const known = await tapeByUuid(catalog, label.uuid);
    const erasing = known?.state === 'erasing' ? known : await tapeErasedTo(catalog, label.uuid);
    if (erasing !== undefined) throw unfinishedErase(drive, erasing);
    if (known !== undefined) {
      if (known.state === 'lost' || known.state === 'suspect') {
        throw refused(
          english`The tape in drive ${driveName} is ${label.name}, which is ${known.state}:
            another label would make it no better.`,
          known.state === 'lost'
            ? english`If it is back, say so: \`tapeflow tape found ${known.name}\`.`
            : english`Load another tape; after a check, \`tapeflow tape trust ${known.name}\` uses it again.`,
        );
      }
      const committed = await holdsCommitted(catalog, known.uuid);
      if (committed || !request.force) {
        throw refused(
          committed
            ? english`The tape in drive ${driveName} is labelled ${label.name} and holds committed archives.`
            : english`The tape in drive ${driveName} is labelled ${label.name}.`,
          committed ? english`Load another tape.` : english`Use --force to give it another label.`,
        );
      }
      return;
    }
    if (!request.force) {
      throw refused(
        english`The tape in drive ${driveName} is labelled ${label.name} by another installation.`,
        english`Load another tape; --force takes it over, and erases nothing.`,
      );
    }
    return;
  }
  const others = (await readdir(path)).filter(
    (name) => !isPartOf(name, labelFileName) && name !== labelFileName && name !== 'lost+found',
  );
  if (others.length > 0 && !request.force) {
    throw refused(
      english`The tape in drive ${driveName} (${path}) is not empty:
        it holds ${others.slice(0, 3).join(', ')}${others.length > 3 ? ', …' : ''}.`,
      english`Load an empty tape; --force labels this one anyway, and erases nothing.`,
    );
  }
}

function refused(message: string, advice: string): TapeflowFailure {
  return new TapeflowFailure('LabelRefused', message, { advice });
}

/**
 * Creates and labels the default tape folder at first use. It is ours (no TAPE_PATH is set); once the catalog knows any
 * tape, a missing or unlabelled folder is left to the user, as with any other drive.
 */
export async function prepareOwnTape(
  drive: Drive,
  lock: DriveLock,
  catalog: Catalog,
  pool: string,
): Promise<void> {
  if (!drive.settings.ours || (await listTapes(catalog)).length > 0) return;
  await makeFolder(drive.settings.path, makeReadableFolder);
  const request = { name: 'TAPE01', pool, force: false };
  const label = await readLabel(drive.settings.path);
  if (label !== undefined && (await begunLabel(drive, catalog, request)) === undefined) return;
  await labelTape(drive, lock, catalog, request);
}
