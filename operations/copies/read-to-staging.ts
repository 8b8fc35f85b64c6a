import path from 'node:path';
import { copyOf } from '../../catalog/copies/copies.js';
import type { ArchiveRow, RetrievalArchiveRow } from '../../catalog/rows.js';
import { publish, removeFile } from '../../disk/durable-file.js';
import { removeParts } from '../../disk/part-files.js';
import { partName } from '../../entry/archive-name.js';
import { confirmMedium } from '../../tape/drives/drive.js';
import type { LoadedTape } from '../../tape/drives/loaded-tape.js';
import { english } from '../../messages/sentence.js';
import type { Attempt } from '../attempt.js';
import type { Deps, DriveDeps } from '../deps.js';
import { tapeToStaging } from './tape-to-staging.js';
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
  await stageCatalogManifest(deps, attempt, archive, folder);
  return undefined;
}

/** Writes the manifest of an archive from the catalog into staging, replacing what is there. */
export async function stageCatalogManifest(
  { catalog, settings }: Deps,
  attempt: Attempt,
  archive: ArchiveRow,
  folder: string,
): Promise<void> {
  const { manifest_name: name } = archive;
  const part = path.join(folder, partName(name, attempt.token));
  await removeParts(folder, name);
  await writeCatalogManifest(catalog, archive, part, settings.AGE_RECIPIENTS);
  await publish(part, path.join(folder, name));
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
  const { settings } = deps.drive;
  const copied = await tapeToStaging(deps, attempt, { row, ...file }, folder, tape);
  if ('wrong' in copied) return copied.wrong;
  const { part, bytes, sha256 } = copied;
  if (sha256 !== file.sha256 || bytes !== file.size) {
    await removeFile(part);
    await confirmMedium(settings, tape.medium);
    const from = path.join(settings.path, row.set_id, file.name);
    return english`The file ${from} is not the one that was written (SHA-256 or size differs).`;
  }
  attempt.throwIfCancelled();
  await publish(part, path.join(folder, file.name));
  return undefined;
}
