import { readdir } from 'node:fs/promises';
import { isSetId } from '../../catalog/sets/set-id.js';
import type { Settings } from '../../config/settings/settings.js';
import { queryDrive } from '../drives/query-drive.js';

/**
 * Set numbers found on the tapes in the drives; for `rememberSeenSets`, so that they are never reused, even after the
 * catalog was lost. A drive that does not answer is skipped: names already on its tape are refused when writing.
 */
export async function setFoldersInDrives(settings: Settings): Promise<string[]> {
  const names = await Promise.all(
    settings.drives.map((drive) => queryDrive(settings, drive, (asked) => asked.names()).catch(() => [])),
  );
  return names.flat().filter(isSetId);
}

/** Set folders at the root of a tape; none when it cannot be listed. */
export async function setFoldersOn(mountPoint: string): Promise<string[]> {
  try {
    return (await readdir(mountPoint)).filter(isSetId);
  } catch {
    return [];
  }
}
