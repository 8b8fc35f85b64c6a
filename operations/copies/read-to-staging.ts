import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { copyOf } from '../../catalog/copies/copies.js';
import type { ArchiveRow, RetrievalArchiveRow } from '../../catalog/rows.js';
import { describeError } from '../../config/failures.js';
import { onSide, sideOf } from '../../config/sides.js';
import { copyHashed } from '../../disk/copy-hashed.js';
import { publish, removeFile } from '../../disk/durable-file.js';
import { dropFromCache } from '../../disk/page-cache.js';
import { removeParts } from '../../disk/part-files.js';
import { partName } from '../../entry/archive-name.js';
import { confirmMedium } from '../../tape/drives/drive.js';
import type { LoadedTape } from '../../tape/drives/loaded-tape.js';
import { isMountDeath } from '../../tape/ltfs/ltfs.js';
import type { Attempt } from '../attempt.js';
import type { DriveDeps } from '../deps.js';
import { writeCatalogManifest } from '../rebuild/catalog-manifest.js';

/**
 * What is wrong with the copy on the tape; undefined when it is completely staged. A missing or bad manifest does not
 * make the archive bad: it is written again from the catalog.
 */
export async function readToStaging(
  deps: DriveDeps,
  attempt: Attempt,
  row: RetrievalArchiveRow,
  archive: ArchiveRow,
  folder: string,
  tape: LoadedTape,
): Promise<string | undefined> {
  const { catalog } = deps;
  const copy = await copyOf(catalog, row.set_id, row.group_no, row.copy_no);
  const { name, size, sha256, manifest_name: manifestName } = archive;
  const manifest = {
    name: manifestName,
    size: copy?.manifest_size ?? archive.manifest_size,
    sha256: copy?.manifest_sha256 ?? archive.manifest_sha256,
  };
  const staging = { deps, attempt, row, folder, tape };
  const damage = await copyFile(staging, { name, size, sha256 });
  if (damage !== undefined) return damage;
  if (manifest.sha256 !== '' && (await copyFile(staging, manifest)) === undefined) return undefined;
  const part = path.join(folder, partName(manifestName, attempt.token));
  await removeParts(folder, manifestName);
  await writeCatalogManifest(catalog, archive, part);
  await publish(part, path.join(folder, manifestName));
  return undefined;
}

interface Staging {
  deps: DriveDeps;
  attempt: Attempt;
  row: RetrievalArchiveRow;
  folder: string;
  tape: LoadedTape;
}

/** What is wrong with one file of the copy; undefined when it is completely staged. */
async function copyFile(
  { deps, attempt, row, folder, tape }: Staging,
  file: { name: string; size: number; sha256: string },
): Promise<string | undefined> {
  const { drive } = deps;
  const from = path.join(drive.settings.path, row.set_id, file.name);
  const part = path.join(folder, partName(file.name, attempt.token));
  attempt.throwIfCancelled();
  await removeParts(folder, file.name);
  const guard = (bytesOut: number) => {
    attempt.throwIfCancelled();
    attempt.report({ step: 'reading', group: row.group_no, bytesOut, bytesTotal: file.size });
  };
  try {
    if (!(await onSide('tape', () => lstat(from))).isFile()) return `The file ${from} is not a regular file.`;
    await dropFromCache(from);
    const copied = await copyHashed({ from, to: part, sides: { from: 'tape', to: 'staging' }, guard });
    if (copied.sha256 !== file.sha256 || copied.bytes !== file.size) {
      await removeFile(part);
      await confirmMedium(drive.settings, tape.medium);
      return `The file ${from} is not the one that was written (SHA-256 or size differs).`;
    }
  } catch (error) {
    await removeFile(part).catch(() => false);
    attempt.throwIfCancelled();
    if (sideOf(error) !== 'tape' || isMountDeath(error)) throw error;
    await confirmMedium(drive.settings, tape.medium);
    return `The file ${from} cannot be read: ${describeError(error)}.`;
  }
  attempt.throwIfCancelled();
  await publish(part, path.join(folder, file.name));
  return undefined;
}
