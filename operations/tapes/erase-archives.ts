import { groupsOnTape } from '../../catalog/copies/tape-copies.js';
import { lstat, readdir, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import type { Catalog } from '../../catalog/open-catalog.js';
import { wasBegunOn } from '../../catalog/copies/begun-copies.js';
import { isSetId } from '../../catalog/sets/set-id.js';
import { isPartOf } from '../../disk/part-files.js';
import type { TapeRow } from '../../catalog/rows.js';
import { endMarkName, parseArchiveName } from '../../entry/archive-name.js';

/** Names of archives on a tape that the catalog knows neither as copies nor as remains of its own writes. */
export async function unknownArchives(
  mountPoint: string,
  catalog: Catalog,
  tape: TapeRow,
): Promise<string[]> {
  const unknown: string[] = [];
  for (const setId of await setFolders(mountPoint)) {
    const known = new Set(await groupsOnTape(catalog, setId, tape.uuid));
    for (const name of await readdir(path.join(mountPoint, setId))) {
      const archive = parseArchiveName(name);
      if (archive?.setId !== setId || archive.isManifest || known.has(archive.group)) continue;
      if (!(await wasBegunOn(catalog, setId, archive.group, tape.uuid))) unknown.push(name);
    }
  }
  return unknown;
}

/** Folders at the root of a tape named like a set; links do not count. */
async function setFolders(mountPoint: string): Promise<string[]> {
  const entries = await readdir(mountPoint, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && isSetId(entry.name))
    .map((entry) => entry.name)
    .sort();
}

/** The result of deleting the archives on a tape. */
export interface Deleted {
  /** Number of complete archives that were deleted. */
  archives: number;
  /** Paths on the tape of what was left because it is not ours. */
  left: string[];
  /** Folders that remain because of that and have to be synced. */
  folders: string[];
}

/**
 * Deletes all archives, manifests, end marks and their `.part` files on a tape, and set folders that are then empty.
 * Everything else is left.
 *
 * @param confirm called before each deletion; may throw to stop.
 */
export async function deleteArchives(mountPoint: string, confirm: () => Promise<void>): Promise<Deleted> {
  const deleted: Deleted = { archives: 0, left: [], folders: [] };
  for (const setId of await setFolders(mountPoint)) {
    const folder = path.join(mountPoint, setId);
    const before = deleted.left.length;
    for (const name of await readdir(folder)) {
      const file = path.join(folder, name);
      if (!isOurs(name, setId) || !(await lstat(file)).isFile()) {
        deleted.left.push(`${setId}/${name}`);
        continue;
      }
      await confirm();
      await rm(file, { force: true });
      if (parseArchiveName(name)?.isManifest === false) deleted.archives += 1;
    }
    await confirm();
    if (deleted.left.length === before) await rmdir(folder);
    else deleted.folders.push(folder);
  }
  for (const entry of await readdir(mountPoint, { withFileTypes: true }))
    if (isSetId(entry.name) && !entry.isDirectory()) deleted.left.push(entry.name);
  return deleted;
}

/** True for the name of an archive, manifest or end mark of the set, or of an incomplete one. */
function isOurs(name: string, setId: string): boolean {
  if (name === endMarkName(setId) || isPartOf(name, endMarkName(setId))) return true;
  return parseArchiveName(name.replace(/(\.(?:gz|zst|tar))\..+\.part$/, '$1'))?.setId === setId;
}
