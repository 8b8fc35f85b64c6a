import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { english } from '../../messages/sentence.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { wasBegunOn } from '../../catalog/copies/begun-copies.js';
import { systemErrorCode } from '../../config/failures.js';
import { archiveNames, manifestNames } from '../../entry/archive-name.js';
import type { Drive } from '../drives/drive.js';
import { type LoadedTape, lookAt } from '../drives/loaded-tape.js';
import { tapeNotReady } from '../drives/tape-not-ready.js';
import { folderTaken, tapeFolder } from '../files/write-archive.js';

/**
 * Throws when files with the archive's names on the tape are not ours: a restored catalog may reuse a set's number, and
 * a foreign entry, such as a link leading off the tape, must never be written through.
 */
export async function requireFreeNames(
  drive: Drive,
  catalog: Catalog,
  { row }: LoadedTape,
  setId: string,
  group: number,
): Promise<void> {
  const folder = tapeFolder(drive.settings.path, setId);
  const looked = await lookAt(drive, () => entryAt(folder));
  if (looked === undefined) return;
  if (!looked.isDirectory()) throw folderTaken(folder);
  for (const name of [...archiveNames(setId, group), ...manifestNames(setId, group)]) {
    const entry = await lookAt(drive, () => entryAt(path.join(folder, name)));
    if (entry === undefined || (entry.isFile() && (await wasBegunOn(catalog, setId, group, row.uuid))))
      continue;
    throw tapeNotReady(
      'name_taken',
      english`The tape ${row.name} holds another ${setId}/${name} already, which this catalog did not write.`,
      english`Load another tape of pool ${row.pool}, or \`tapeflow cancel
        ${setId}\` and start a new set under the next number.`,
    );
  }
}

/** The entry of that name, without following links; undefined when there is none. */
async function entryAt(file: string): Promise<Stats | undefined> {
  try {
    return await lstat(file);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' || systemErrorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}
