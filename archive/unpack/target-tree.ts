import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  unlinkSync,
  type BigIntStats,
} from 'node:fs';
import { ownEntry } from '../../disk/own-folders.js';
import { fromText, toBytes } from '../../entry/byte-string.js';
import { writeAll } from '../pack/output-file.js';

/** Why one entry cannot be put in its place; the message is a part of a sentence. */
export class RestoreProblem extends Error {}

/** Folders that are kept open at once. */
const mostOpen = 64;
/**
 * Mode of a new folder until the restore ends and sets the true one: what is in it may not be for everybody. A folder
 * that no member describes, above a source, keeps it.
 */
export const privateMode = 0o700;

/** A folder of the target that is open, and what is known of it. */
export interface OpenFolder {
  readonly fd: number;
  /** True when this process made it: then nothing can be in it that was there before. */
  readonly made: boolean;
}

/** Where an entry of the target is, or will be. */
export interface Place {
  folder: OpenFolder;
  /** The folder's name, empty at the top. */
  above: string;
  /** The entry's name in its folder. */
  last: string;
}

/**
 * The folder that files are restored into. Nothing is ever written outside of it, whatever the names in an archive say
 * and whatever somebody does to the folders meanwhile: on Linux every step goes from an open folder to its child, and
 * never follows a symbolic link (`/proc/self/fd/N/name` is `openat`, which Node does not have). Elsewhere the folders
 * above are looked at before each step, which somebody who is quick could get around.
 */
export class TargetTree {
  private readonly root: OpenFolder;
  private readonly open = new Map<string, OpenFolder>();
  private readonly rootPath: string;
  private parts = 0;

  /**
   * @param target an existing folder, by its true path: one that a symbolic link leads elsewhere now is refused
   *   (`ELOOP`).
   * @param job what made the files that are not whole yet, and the attempt of it that runs now: those that an earlier
   *   attempt has left in a folder are removed when it is opened first.
   * @param own what of ours nothing is put into: see `ownEntries`.
   */
  constructor(
    target: string,
    private readonly job: { name: string; token: string },
    private readonly own: Record<string, string>,
  ) {
    this.rootPath = fromText(target);
    const fd = process.platform === 'win32' ? -1 : openSync(target, constants.O_RDONLY);
    this.root = { fd, made: false };
    try {
      requireTruePath(fd, target);
      this.requireNotOurs(target, fd);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
  }

  /** The place of an entry, whose folder exists or is made now. `name`: a member name. */
  place(name: string): Place {
    const { above, last } = splitName(name);
    return { folder: this.folder(above), above, last };
  }

  /** A path for the calls of `node:fs`; good until the next folder is opened. */
  path({ folder, above, last }: Place): Buffer {
    return this.child(folder, above, last);
  }

  /** A path like that for an existing entry; makes no folders. */
  existing(name: string): Buffer {
    const { above, last } = splitName(name);
    return this.child(this.folder(above, false), above, last);
  }

  /** What is at an entry's place; undefined when nothing is, or what stands above it is no folder. Makes nothing. */
  lookAt(name: string): BigIntStats | undefined {
    try {
      return lookAtPath(this.existing(name));
    } catch (error) {
      if (error instanceof RestoreProblem || (error as NodeJS.ErrnoException).code === 'ENOENT')
        return undefined;
      throw error;
    }
  }

  /** Opens a folder of the target, and makes it and those above it where they are missing. */
  folder(name: string, make = true): OpenFolder {
    if (name === '') return this.root;
    const known = this.open.get(name);
    if (known !== undefined) {
      // The last used comes last: the first is closed when there are too many.
      this.open.delete(name);
      this.open.set(name, known);
      return known;
    }
    const { above, last } = splitName(name);
    const path = this.child(this.folder(above, make), above, last);
    const made = make && makeFolder(path);
    const folder = { fd: this.openFolder(path), made };
    try {
      if (!made) this.requireNotOurs(path, folder.fd);
      if (!made && make) this.removeStaleParts(path, folder, name);
    } catch (error) {
      closeFd(folder.fd);
      throw error;
    }
    this.open.set(name, folder);
    for (const [oldest, left] of this.open) {
      if (this.open.size <= mostOpen) break;
      this.open.delete(oldest);
      closeFd(left.fd);
    }
    return folder;
  }

  /** Throws `RestoreProblem` for what is ours; `fd` of an open folder, or -1. */
  requireNotOurs(path: Buffer | string, fd: number): void {
    this.requireOther(fd < 0 ? lstatSync(path, { bigint: true }) : fstatSync(fd, { bigint: true }));
  }

  /** The same for what was looked at. */
  requireOther(there: BigIntStats): void {
    const what = ownEntry(this.own, there);
    if (what !== undefined)
      throw new RestoreProblem(
        `${what} of tapeflow is in its place, or above it, and nothing is restored there`,
      );
  }

  close(): void {
    for (const folder of this.open.values()) closeFd(folder.fd);
    this.open.clear();
    closeFd(this.root.fd);
  }

  /**
   * A name for a file that is not whole yet, beside its final one; short, since that may be as long as names can be.
   */
  partBeside(path: Buffer): Buffer {
    const folder = path.subarray(0, path.lastIndexOf(0x2f) + 1);
    this.parts += 1;
    return Buffer.concat([folder, Buffer.from(`${this.partPrefix}${this.job.token}-${this.parts}.part`)]);
  }

  /** Makes a file at the top and removes it again: throws when the target takes none at all. */
  probe(): void {
    const path = this.partBeside(this.child(this.root, '', 'probe'));
    const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      writeAll(fd, Buffer.alloc(4096));
      fsyncSync(fd);
    } finally {
      closeFd(fd);
      unlinkSync(path);
    }
  }

  private get partPrefix(): string {
    return `.tapeflow-${this.job.name}-`;
  }

  private removeStaleParts(path: Buffer, folder: OpenFolder, name: string): void {
    const own = `${this.partPrefix}${this.job.token}-`;
    for (const entry of readdirSync(path, 'latin1')) {
      if (!entry.startsWith(this.partPrefix) || entry.startsWith(own) || !entry.endsWith('.part')) continue;
      unlinkSync(this.child(folder, name, entry));
    }
  }

  private child(folder: OpenFolder, folderName: string, name: string): Buffer {
    if (process.platform === 'linux') return toBytes(`/proc/self/fd/${folder.fd}/${name}`);
    return toBytes([this.rootPath, folderName, name].filter((part) => part !== '').join('/'));
  }

  private openFolder(path: Buffer): number {
    if (process.platform === 'win32') {
      if (!lstatSync(path).isDirectory()) throw new RestoreProblem(notAFolder);
      return -1;
    }
    try {
      return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ELOOP' || code === 'ENOTDIR') throw new RestoreProblem(notAFolder);
      throw error;
    }
  }
}

const notAFolder =
  'a file or symbolic link of the target stands in the place of a folder above it, and is never followed';

/** Somebody who can write above the target could have put a link in its place since it was named. */
function requireTruePath(fd: number, target: string): void {
  if (process.platform !== 'linux' || readlinkSync(`/proc/self/fd/${fd}`) === target) return;
  throw Object.assign(new Error(`ELOOP: a symbolic link leads elsewhere, open '${target}'`), {
    ...{ code: 'ELOOP', path: target },
  });
}

/** A member name's folder, empty at the top, and its last part. */
function splitName(name: string): { above: string; last: string } {
  const plain = name.endsWith('/') ? name.slice(0, -1) : name;
  const slash = plain.lastIndexOf('/');
  return { above: plain.slice(0, Math.max(slash, 0)), last: plain.slice(slash + 1) };
}

function makeFolder(path: Buffer): boolean {
  try {
    mkdirSync(path, privateMode);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** A folder that is only read has nothing to lose, and one that fails to close must not keep the others open. */
function closeFd(fd: number): void {
  try {
    if (fd >= 0) closeSync(fd);
  } catch {
    // The descriptor is given back all the same.
  }
}

/** What is at a path, a symbolic link itself; undefined when nothing is. */
export function lookAtPath(path: Buffer): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}
