import path from 'node:path';
import { bytesWithManifest } from '../../catalog/groups/groups.js';
import type { ArchiveRow, RetrievalArchiveRow } from '../../catalog/rows.js';
import { removeFile } from '../../disk/durable-file.js';
import type { TapeRequirements } from '../../tape/requirements/tape-requirements.js';
import { english } from '../../messages/sentence.js';
import type { CopyRef } from '../deps.js';

/** The copy to be made. */
export function copyRefOf(row: RetrievalArchiveRow): Required<CopyRef> {
  return { setId: row.set_id, group: row.group_no, copyNo: row.to_copy ?? 0 };
}

/** Requirements for the tape that takes an archive of a copy. */
export function requirementsOf(
  row: RetrievalArchiveRow,
  archive: ArchiveRow,
  wanted?: string,
): TapeRequirements {
  const { setId, group, copyNo } = copyRefOf(row);
  const because = english`copy ${copyNo} of group ${group} of set ${setId}`;
  const next = { group, copyNo, bytes: bytesWithManifest(archive) };
  return { setId, pool: row.to_pool ?? '', wanted, next, because };
}

/** Deletes the staged files of an archive that is copied. */
export async function removeStaged(folder: string, archive: ArchiveRow): Promise<void> {
  for (const name of [archive.name, archive.manifest_name]) await removeFile(path.join(folder, name));
}
