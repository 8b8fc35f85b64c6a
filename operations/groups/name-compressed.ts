import { rename } from 'node:fs/promises';
import path from 'node:path';
import type { ArchiveRow } from '../../catalog/rows.js';
import { systemErrorCode } from '../../config/failures.js';
import { fsyncFolder, sizeOf } from '../../disk/durable-file.js';
import { finalDir, tempDir } from '../../staging/paths.js';
import { partName } from '../../entry/archive-name.js';
import type { Deps } from '../deps.js';

/**
 * Renames the committed bytes in `temp/`, unless a later step has already moved them.
 * @returns false when the bytes are missing: the group has to be compressed again.
 */
export async function nameCompressed({ settings }: Deps, archive: ArchiveRow): Promise<boolean> {
  const temp = tempDir(settings.BACKUP_COMPRESS_DIR, archive.set_id);
  const final = finalDir(settings.BACKUP_COMPRESS_DIR, archive.set_id);
  const files = [
    { name: archive.name, size: archive.size },
    { name: archive.manifest_name, size: archive.manifest_size },
  ];
  let named = false;
  for (const { name, size } of files) {
    const part = path.join(temp, partName(name, archive.token));
    if ((await sizeOf(part)) === size && (await renamePart(part, path.join(temp, name)))) {
      named = true;
      continue;
    }
    // Checked in the order in which a file moves, so that a file moving meanwhile is found.
    if ((await sizeOf(path.join(temp, name))) !== size && (await sizeOf(path.join(final, name))) !== size)
      return false;
  }
  if (named) await fsyncFolder(temp);
  return true;
}

/** Renames a committed part; false when another attempt has renamed it meanwhile. */
async function renamePart(part: string, name: string): Promise<boolean> {
  try {
    await rename(part, name);
    return true;
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    return false;
  }
}
