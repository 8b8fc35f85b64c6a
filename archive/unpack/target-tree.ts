import { type BigIntStats, constants, fstatSync, fsyncSync, lstatSync, openSync, unlinkSync } from 'node:fs';
import { describeOwnEntry } from '../../disk/own-folders.js';
import { formatCount } from '../../config/counts.js';
import { fromText, toBytes } from '../../entry/byte-string.js';
import { writeAll } from '../pack/output-file.js';
import {
  closeFd,
  lookAtPath,
  makeFolder,
  type OpenFolder,
  openFolder,
  requireTruePath,
  RestoreProblem,
} from './open-folder.js';
import { plainName, strippedName } from '../../entry/member-name.js';
import { english } from '../../messages/sentence.js';
import { partName, removeStaleParts, type RestoreJob } from './stale-parts.js';

/** Maximum number of folders kept open. */
const maxOpen = 64;

/** The place of an entry in the target. */
export interface Place {
  folder: OpenFolder;
  /** The folder's name, empty at the top. */
  above: string;
  /** The entry's name in its folder. */
  last: string;
}

/**
 * The folder that files are restored into. Nothing is ever written outside it, whatever names an archive contains and
 * whatever others do to the folders meanwhile: on Linux every step goes from an open folder to its child without
 * following symbolic links (`/proc/self/fd/N/name` stands in for `openat`, which Node lacks). Elsewhere the folders
 * above are checked before each step, which leaves a race.
 */
export class TargetTree {
  private readonly root: OpenFolder;
  private readonly open = new Map<string, OpenFolder>();
  /** Open folders in which no earlier attempt has left anything. */
  private readonly cleared = new WeakSet<OpenFolder>();
  /** Those that would be closed if files were not awaited in them. */
  private readonly left = new Set<OpenFolder>();
  private readonly rootPath: string;
  /** The folder that was opened or used last: mostly the next one, too. */
  private newest: { name: string; folder: OpenFolder } | undefined;
  private parts = 0;

  /**
   * @param target an existing folder, by its resolved path; refused (`ELOOP`) if a symbolic link now leads elsewhere.
   * @param job the restore that incomplete files belong to, and its current attempt: what an earlier attempt has left
   *   in a folder is removed before anything is put there.
   * @param own tapeflow's own folders and files, which nothing is put into; see `ownEntries`.
   * @param strip how many leading parts of each name are left off.
   */
  constructor(
    target: string,
    private readonly job: RestoreJob,
    private readonly own: Record<string, string>,
    private readonly strip = 0,
  ) {
    this.rootPath = fromText(target);
    const fd = process.platform === 'win32' ? -1 : openSync(target, constants.O_RDONLY);
    this.root = { fd, made: false, awaited: 0 };
    try {
      requireTruePath(fd, target);
      this.requireNotOurs(target, fd);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
  }

  /** The place of an entry, creating its folder if needed. `name`: a member name. */
  place(name: string): Place {
    const { above, last } = splitName(this.stripped(name));
    return { folder: this.openAt(above), above, last };
  }

  /** A path for `node:fs`, valid until the next folder is opened. */
  path({ folder, above, last }: Place): Buffer {
    return this.child(folder, above, last);
  }

  /** The same for an existing entry, without creating folders. */
  existing(name: string): Buffer {
    const { above, last } = splitName(this.stripped(name));
    return this.child(this.openAt(above, false), above, last);
  }

  /** What is at an entry's place; undefined when nothing is, or something above it is not a folder. Creates nothing. */
  lookAt(name: string): BigIntStats | undefined {
    try {
      return lookAtPath(this.existing(name));
    } catch (error) {
      if (error instanceof RestoreProblem || (error as NodeJS.ErrnoException).code === 'ENOENT')
        return undefined;
      throw error;
    }
  }

  /** Opens a folder of the target, creating it and its parents if missing. `name`: a member name. */
  folder(name: string): OpenFolder {
    return this.openAt(splitName(this.stripped(name)).whole);
  }

  /** Throws `RestoreProblem` where nothing of the name is left. */
  private stripped(name: string): string {
    const left = strippedName(name, this.strip);
    if (left === undefined)
      throw new RestoreProblem(
        english`its name has no more than ${formatCount(this.strip, 'part')} to be left off`,
      );
    return left;
  }

  private openAt(name: string, make = true): OpenFolder {
    const folder = name === '' ? this.root : this.opened(name, make);
    if (make) {
      // What tries names and the target itself is there.
      this.clear(this.root, '');
      this.clear(folder, name);
    }
    return folder;
  }

  private opened(name: string, make: boolean): OpenFolder {
    if (this.newest?.name === name) return this.newest.folder;
    const folder = this.reopened(name) ?? this.openedAnew(name, make);
    this.newest = { name, folder };
    return folder;
  }

  private reopened(name: string): OpenFolder | undefined {
    const known = this.open.get(name);
    if (known === undefined) return undefined;
    // Most recently used last; the first is closed when there are too many.
    this.open.delete(name);
    this.open.set(name, known);
    return known;
  }

  private openedAnew(name: string, make: boolean): OpenFolder {
    const { above, last } = splitName(name);
    const path = this.child(this.openAt(above, make), above, last);
    const made = make && makeFolder(path);
    const folder = { fd: openFolder(path), made, awaited: 0 };
    try {
      if (!made) this.requireNotOurs(path, folder.fd);
    } catch (error) {
      closeFd(folder.fd);
      throw error;
    }
    if (made) this.cleared.add(folder);
    this.open.set(name, folder);
    for (const [oldest, left] of this.open) {
      if (this.open.size <= maxOpen) break;
      this.open.delete(oldest);
      if (left.awaited > 0) this.left.add(left);
      else closeFd(left.fd);
    }
    return folder;
  }

  /** A file that was awaited in a folder is there, or is written by itself. */
  release(folder: OpenFolder): void {
    folder.awaited -= 1;
    if (folder.awaited === 0 && this.left.delete(folder)) closeFd(folder.fd);
  }

  /** Throws `RestoreProblem` for tapeflow's own folders and files; `fd` of an open folder, or -1. */
  requireNotOurs(path: Buffer | string, fd: number): void {
    this.requireOther(fd < 0 ? lstatSync(path, { bigint: true }) : fstatSync(fd, { bigint: true }));
  }

  /** The same by `stat` result. */
  requireOther(there: BigIntStats): void {
    const what = describeOwnEntry(this.own, there);
    if (what !== undefined)
      throw new RestoreProblem(
        english`${what} of tapeflow is in its place, or above it, and nothing is restored there`,
      );
  }

  close(): void {
    for (const folder of [...this.open.values(), ...this.left]) closeFd(folder.fd);
    this.open.clear();
    this.newest = undefined;
    this.left.clear();
    closeFd(this.root.fd);
  }

  /** A temporary name beside the final one. */
  partBeside(path: Buffer): Buffer {
    const folder = path.subarray(0, path.lastIndexOf(0x2f) + 1);
    return Buffer.concat([folder, Buffer.from(this.nextPart())]);
  }

  /** A temporary name in any folder. */
  nextPart(): string {
    this.parts += 1;
    return partName(this.job, this.parts);
  }

  /** Removes what an earlier attempt has left beside an existing entry. */
  clearBeside(name: string): void {
    const { above } = splitName(this.stripped(name));
    this.clear(this.openAt(above, false), above);
  }

  /** Creates and removes a file at the top; throws when the target accepts no files at all. */
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

  private clear(folder: OpenFolder, name: string): void {
    if (this.cleared.has(folder)) return;
    removeStaleParts(this.child(folder, name, ''), this.job, (entry) => this.child(folder, name, entry));
    this.cleared.add(folder);
  }

  private child(folder: OpenFolder, folderName: string, name: string): Buffer {
    if (process.platform === 'linux') return toBytes(`/proc/self/fd/${folder.fd}/${name}`);
    return toBytes([this.rootPath, folderName, name].filter((part) => part !== '').join('/'));
  }
}

/** A member name without a `/` at its end: its folder, empty at the top level, and its last part. */
function splitName(name: string): { whole: string; above: string; last: string } {
  const whole = plainName(name);
  const slash = whole.lastIndexOf('/');
  return { whole, above: whole.slice(0, Math.max(slash, 0)), last: whole.slice(slash + 1) };
}
