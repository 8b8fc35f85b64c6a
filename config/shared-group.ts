import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  mkdirSync,
  openSync,
  readFileSync,
} from 'node:fs';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

/** The group whose members may read catalog, logs and tape folders. */
export interface SharedGroup {
  name: string;
  gid: number;
}

/**
 * Rights of what that group may read. What is made in such a folder is the group's too: SQLite makes files there by
 * itself.
 */
export const sharedModes = { folder: 0o2750, file: 0o640 };
/** Rights of everything else, and of everything where no group is set. */
const privateModes = { folder: 0o700, file: 0o600 };

type Kind = keyof typeof sharedModes;

let shared: SharedGroup | undefined;

/** Says for this process, or for this thread, which group may read what is made from now on; undefined: none. */
export function shareWith(group: SharedGroup | undefined): void {
  shared = group;
}

/** The group that was said last. */
export function groupOfThisProcess(): SharedGroup | undefined {
  return shared;
}

/** A group by its name, or by its number in digits; undefined when this machine knows none of that name. */
export function groupNamed(name: string): SharedGroup | undefined {
  if (/^\d{1,9}$/.test(name)) return { name, gid: Number(name) };
  const find = (lines: string, entry: RegExp) => {
    const gid = lines
      .split('\n')
      .map((line) => entry.exec(line))
      .find((match) => match?.[1] === name)?.[2];
    return gid === undefined ? undefined : { name, gid: Number(gid) };
  };
  const ofFile = /^([^:]*):[^:]*:(\d+):/;
  return (
    find(
      output(() => readFileSync('/etc/group', 'utf8')),
      ofFile,
    ) ??
    // Groups of a directory service are in no file.
    (process.platform === 'darwin'
      ? find(
          output(() => ask('dscl', ['.', '-list', '/Groups', 'PrimaryGroupID'])),
          /^(\S+)\s+(\d+)$/,
        )
      : find(
          output(() => ask('getent', ['group', name])),
          ofFile,
        ))
  );
}

function ask(program: string, args: string[]): string {
  return execFileSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 10_000,
  });
}

function output(of: () => string): string {
  try {
    return of();
  } catch {
    return '';
  }
}

/** True when this process may give files to a group. */
export function isMember({ gid }: SharedGroup): boolean {
  return process.geteuid?.() === 0 || [process.getegid?.(), ...(process.getgroups?.() ?? [])].includes(gid);
}

/**
 * Lets the group read what was just made for its user alone; does nothing where none is set. A file system that knows
 * no groups leaves it private, which `doctor` names. First the group, then the rights: nobody else's group reads it in
 * between.
 */
export function letGroupRead(fd: number, kind: Kind = 'file'): void {
  if (shared === undefined) return;
  try {
    fchownSync(fd, -1, shared.gid);
    fchmodSync(fd, sharedModes[kind]);
  } catch {
    // Narrower rights than asked for cost no backup.
  }
}

/** The same without holding up this thread: for a tape, which may answer late. */
export async function letGroupReadHandle(handle: FileHandle, kind: Kind = 'file'): Promise<void> {
  if (shared === undefined) return;
  try {
    await handle.chown(-1, shared.gid);
    await handle.chmod(sharedModes[kind]);
  } catch {
    // As above.
  }
}

/** Makes a folder that the group may read, for this user alone where none is set. Throws `EEXIST` when it is there. */
export async function makeReadableFolder(folder: string): Promise<void> {
  await mkdir(folder, { mode: privateModes.folder });
  if (shared === undefined) return;
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    await letGroupReadHandle(handle, 'folder');
  } finally {
    await handle.close();
  }
}

/** Makes those of a folder and its parents that are missing, so that the group may read in them. */
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
    letGroupRead(fd, 'folder');
  } finally {
    closeSync(fd);
  }
}

/** Makes a file that the group may read, empty, where there is none; what stands there already stays as it is. */
export function makeReadableFile(file: string): void {
  let fd: number;
  try {
    fd = openSync(file, 'wx', privateModes.file);
  } catch {
    // It is there; or whoever opens it next says why it cannot be.
    return;
  }
  try {
    letGroupRead(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Makes a folder in one of ours, where it is missing, and takes from others what rights they have there: no group is
 * let in.
 */
export function makePrivateFolder(folder: string): void {
  makeReadableFolders(path.dirname(folder));
  mkdirSync(folder, { recursive: true, mode: privateModes.folder });
  if (process.platform === 'win32') return;
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fchmodSync(fd, privateModes.folder);
  } catch {
    // Somebody else's; `doctor` names it where others can read it.
  } finally {
    closeSync(fd);
  }
}
