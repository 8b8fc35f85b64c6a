import { closeSync, constants, existsSync, fchmodSync, fchownSync, mkdirSync, openSync } from 'node:fs';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { accountNumber } from './accounts.js';

/** The group whose members may read catalog, logs and tape folders. */
export interface SharedGroup {
  name: string;
  gid: number;
}

/**
 * Modes of what the group may read. New files in such a folder get the group too, since SQLite creates files there on
 * its own.
 */
export const sharedModes = { folder: 0o2750, file: 0o640 };
/** Modes of everything else, and of everything where no group is set. */
const privateModes = { folder: 0o700, file: 0o600 };

type Kind = keyof typeof sharedModes;

let shared: SharedGroup | undefined;

/** Sets which group may read what this process, or this thread, creates from now on; undefined: none. */
export function setSharedGroup(group: SharedGroup | undefined): void {
  shared = group;
}

/** The group that was set last. */
export function currentSharedGroup(): SharedGroup | undefined {
  return shared;
}

/** A group by its name, or by its number in digits; undefined when this machine knows none of that name. */
export function groupNamed(name: string): SharedGroup | undefined {
  if (/^\d{1,9}$/.test(name)) return { name, gid: Number(name) };
  const gid = accountNumber('group', name);
  return gid === undefined ? undefined : { name, gid };
}

/** True when this process may give files to a group. */
export function isMember({ gid }: SharedGroup): boolean {
  return process.geteuid?.() === 0 || [process.getegid?.(), ...(process.getgroups?.() ?? [])].includes(gid);
}

/**
 * Lets the group read what was just created as private; does nothing where no group is set. A file system without
 * groups leaves it private, which `doctor` reports. The group is set before the mode, so that no other group can read
 * it in between.
 */
export function grantGroupRead(fd: number, kind: Kind = 'file'): void {
  if (shared === undefined) return;
  try {
    fchownSync(fd, -1, shared.gid);
    fchmodSync(fd, sharedModes[kind]);
  } catch {
    // Narrower permissions than asked for harm no backup.
  }
}

/** The same without blocking this thread: for a tape, which may answer late. */
export async function grantGroupReadHandle(handle: FileHandle, kind: Kind = 'file'): Promise<void> {
  if (shared === undefined) return;
  try {
    await handle.chown(-1, shared.gid);
    await handle.chmod(sharedModes[kind]);
  } catch {
    // As above.
  }
}

/**
 * Creates a folder that the group may read, or that is private where no group is set. Throws `EEXIST` when it exists.
 */
export async function makeReadableFolder(folder: string): Promise<void> {
  await mkdir(folder, { mode: privateModes.folder });
  if (shared === undefined) return;
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    await grantGroupReadHandle(handle, 'folder');
  } finally {
    await handle.close();
  }
}

/** Creates a folder and its missing parents so that the group may read them. */
export function makeReadableFolders(folder: string): void {
  if (existsSync(folder)) return;
  try {
    mkdirSync(folder, { mode: privateModes.folder });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || path.dirname(folder) === folder) throw error;
    makeReadableFolders(path.dirname(folder));
    return makeReadableFolders(folder);
  }
  if (shared === undefined) return;
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    grantGroupRead(fd, 'folder');
  } finally {
    closeSync(fd);
  }
}

/** Creates an empty file that the group may read; an existing file stays as it is. */
export function makeReadableFile(file: string): void {
  let fd: number;
  try {
    fd = openSync(file, 'wx', privateModes.file);
  } catch {
    // It exists, or whoever opens it next reports why it cannot be created.
    return;
  }
  try {
    grantGroupRead(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Creates a private folder inside one of ours if it is missing, and removes all permissions of others, the group's too.
 */
export function makePrivateFolder(folder: string): void {
  makeReadableFolders(path.dirname(folder));
  mkdirSync(folder, { recursive: true, mode: privateModes.folder });
  if (process.platform === 'win32') return;
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fchmodSync(fd, privateModes.folder);
  } catch {
    // It belongs to another user; `doctor` reports it where others can read it.
  } finally {
    closeSync(fd);
  }
}
