import { makeFolder, sizeOf } from '../../disk/durable-file.js';
import { tempDir, finalDir } from '../../staging/paths.js';
import type { Deps, GroupRef } from '../deps.js';
import path from 'node:path';
import { archiveOf } from '../../catalog/groups/groups.js';
import { stagedFiles } from '../../staging/staged-files.js';
import { access, constants } from 'node:fs/promises';
import { systemErrorCode } from '../../config/failures.js';
import { SideError, onSide } from '../../config/sides.js';
import { formatBytes } from '../../config/sizes.js';
import { hasRoomFor, freeSpaceAt } from '../../disk/free-space.js';
import { english } from '../../messages/sentence.js';

/** Why the disk has no room for a group; undefined when it has. */
export async function diskShortage(
  { settings }: Deps,
  ref: GroupRef,
  need: number,
): Promise<Shortage | undefined> {
  const folder = tempDir(settings.BACKUP_COMPRESS_DIR, ref.setId);
  return shortageOrFull(settings.BACKUP_COMPRESS_DIR, async () => {
    await makeFolder(folder);
    return spaceShortage(folder, ref, need);
  });
}

/** Why `final/` has no room for what is still to be moved there; undefined when it has, or nothing is left to move. */
export async function finalShortage(
  { catalog, settings }: Deps,
  ref: GroupRef,
): Promise<Shortage | undefined> {
  const archive = await archiveOf(catalog, ref.setId, ref.group);
  if (archive === undefined) return undefined;
  const folder = finalDir(settings.BACKUP_COMPRESS_DIR, ref.setId);
  return shortageOrFull(settings.BACKUP_COMPRESS_DIR, async () => {
    await makeFolder(folder);
    let bytes = 0;
    for (const { name, size } of stagedFiles(archive))
      if ((await sizeOf(path.join(folder, name))) !== size) bytes += size;
    return spaceShortage(folder, ref, bytes);
  });
}

/** Why staging accepts no more, if that is what an error means. */
export function stagingIsFull(error: unknown, root: string): string | undefined {
  if (!(error instanceof SideError) || error.side !== 'staging') return undefined;
  const { code, path: where = root } = error;
  if (code === 'ENOSPC' || code === 'EDQUOT') return english`staging's disk is full (${where}: ${code})`;
  return code === 'EROFS' ? english`staging is read-only (${where})` : undefined;
}

/** Why there is no room, and whether only a person can free some. */
export interface Shortage {
  why: string;
  stuck: boolean;
}

/** The result of a room check, also when creating the folder finds the disk full or read-only. */
export async function shortageOrFull(
  root: string,
  look: () => Promise<Shortage | undefined>,
): Promise<Shortage | undefined> {
  try {
    return await onSide('staging', look);
  } catch (error) {
    const why = stagingIsFull(error, root);
    if (why === undefined) throw error;
    return { why, stuck: true };
  }
}

/** Free inodes required before an archive is put on a disk: for its files, their parts, and the folders above. */
const inodesNeeded = 16;

/**
 * Says that a folder's disk is read-only, or has too little space or too few inodes for a group; undefined when it has
 * enough.
 */
export async function spaceShortage(
  folder: string,
  ref: GroupRef,
  need: number,
): Promise<Shortage | undefined> {
  const room = await freeSpaceAt(folder);
  if (room.bytes < need) {
    const why = english`staging's disk at ${folder} has ${formatBytes(room.bytes)} free,
      and group ${ref.group} may need ${formatBytes(need)}`;
    return { why, stuck: true };
  }
  if (!hasRoomFor(room, { bytes: need, inodes: inodesNeeded }))
    return { why: english`staging's disk at ${folder} has room for no more files (inodes)`, stuck: true };
  try {
    await access(folder, constants.W_OK);
  } catch (error) {
    if (systemErrorCode(error) === 'EROFS')
      return { why: english`staging is read-only (${folder})`, stuck: true };
  }
  return undefined;
}
