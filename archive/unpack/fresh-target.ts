import { readdirSync } from 'node:fs';
import { fromText, toBytes } from '../../entry/byte-string.js';
import { memberNameOfText } from '../../entry/member-name.js';
import { lookAtPath } from './open-folder.js';

/**
 * True when nothing of a set can exist in a target, since nothing is at the places of its sources. A new file system's
 * `lost+found` is ignored.
 *
 * @param sources their paths; a set read from a tape may have none.
 * @param strip how many leading parts of each name are left off.
 */
export function isFreshTarget(target: string, sources: readonly string[], strip = 0): boolean {
  const names = sources.map((source) => memberNameOfText(source, process.platform));
  try {
    if (strip > 0 || names.length === 0 || names.includes(''))
      return readdirSync(target).every((entry) => entry === 'lost+found');
    return names.every((name) => lookAtPath(toBytes(`${fromText(target)}/${name}`)) === undefined);
  } catch {
    // For example a file where a folder should be; the restore will report the problem.
    return false;
  }
}
