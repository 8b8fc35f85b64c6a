import { closeSync, constants, fsyncSync, openSync } from 'node:fs';
import { mkdir, open, rename, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { systemErrorCode } from '../config/failures.js';

/** Makes the names in a folder survive a power cut. Windows has no such call; there NTFS's journal keeps the order. */
export async function fsyncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * The same for steps that nothing of this process may come between, as when a catalog is replaced. Never for a tape: a
 * drive that does not answer would hold up the whole process.
 */
export function fsyncFolderSync(folder: string): void {
  if (process.platform === 'win32') return;
  const fd = openSync(folder, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Creates a folder and its parents, each durable. One by one, because Node's `recursive` reports ENOENT instead of
 * EROFS on a read-only disk. They are private unless `make` creates them otherwise.
 */
export async function makeFolder(
  folder: string,
  make: (missing: string) => Promise<unknown> = (missing) => mkdir(missing, { mode: 0o700 }),
): Promise<void> {
  const missing: string[] = [];
  for (let at = folder; (await sizeOf(at)) === undefined; at = path.dirname(at)) missing.unshift(at);
  for (const made of missing) {
    try {
      await make(made);
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw error;
    }
    await fsyncFolder(path.dirname(made));
  }
}

/** Renames a complete, synced file to its final name and makes the name durable. Both folders must exist. */
export async function publish(part: string, finalName: string): Promise<void> {
  await rename(part, finalName);
  await fsyncFolder(path.dirname(finalName));
  if (path.dirname(part) !== path.dirname(finalName)) await fsyncFolder(path.dirname(part));
}

/** Size of a file in bytes; undefined when there is none. */
export async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' || systemErrorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Deletes a file if it is there; true when it was. */
export async function removeFile(file: string): Promise<boolean> {
  const there = (await sizeOf(file)) !== undefined;
  await rm(file, { force: true });
  return there;
}

/** Deletes a folder if it exists and is empty. */
export async function removeEmptyFolder(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}
