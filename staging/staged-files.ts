import { open } from 'node:fs/promises';
import path from 'node:path';
import type { ArchiveRow } from '../catalog/rows.js';
import { sizeOf } from '../disk/durable-file.js';

/** A file in staging, and what it must be, byte for byte. */
export interface Staged {
  name: string;
  size: number;
  sha256: string;
}

/** What of an archive's row says which files it has in staging. */
type Files = Pick<
  ArchiveRow,
  'name' | 'size' | 'sha256' | 'manifest_name' | 'manifest_size' | 'manifest_sha256'
>;

/** The manifest of an archive and the archive itself, in the order in which they are moved. */
export function stagedFiles(archive: Files): Staged[] {
  return [
    { name: archive.manifest_name, size: archive.manifest_size, sha256: archive.manifest_sha256 },
    { name: archive.name, size: archive.size, sha256: archive.sha256 },
  ];
}

/** True when both of a group's files can be opened in `final/` with the sizes that the catalog has. */
export async function isWholeInFinal(folder: string, archive: Files): Promise<boolean> {
  for (const { name, size } of stagedFiles(archive)) {
    const file = path.join(folder, name);
    if ((await sizeOf(file)) !== size) return false;
    // Over NFS and SMB a name can be visible before its file can be read.
    await (await open(file, 'r')).close();
  }
  return true;
}
