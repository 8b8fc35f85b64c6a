import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lchownSync,
  linkSync,
  openSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { toBytes } from '../../entry/byte-string.js';
import { timeNs } from '../../entry/file-time.js';
import type { SparseMap } from '../tar/sparse-map.js';
import { joinHardLink } from './finish-tree.js';
import { hasContent } from './same-content.js';
import { isSameSpecial, makeSpecial, type SpecialFile } from './special-file.js';
import { timeSetter, type TimeSetter } from './set-times.js';
import type { TargetTree } from './target-tree.js';
import { lookAtPath, RestoreProblem } from './open-folder.js';
import type { UnpackOptions, Unpacked, WantedMember } from './unpack-options.js';
import { plainName } from '../../entry/member-name.js';

/** Nanoseconds by which a time restored without the native part may be off; see `fileTime`. */
const timeError = (member: WantedMember) => (member.mtimeS < 0 ? 1_000_000n : 2000n);

/**
 * Puts members of an archive into the tree of a target, each under another name first. What already exists is looked
 * at: the same file stays, and another one only gives way if the options say so. Throws `RestoreProblem` for what
 * concerns one member alone.
 */
export class MemberPlacer {
  /** Hard-linked members that are in place. */
  private readonly placed = new Set<string>();
  private readonly times: TimeSetter;

  constructor(
    private readonly tree: TargetTree,
    private readonly options: Pick<UnpackOptions, 'owners' | 'overwrite' | 'salvage' | 'codec'>,
  ) {
    this.times = timeSetter(options.codec ?? 'auto');
  }

  /**
   * True for a hard-linked member that is in place, put there by this or an earlier attempt or restore.
   *
   * @param link another name of it, with the same content and time.
   * @param map of its holes, if it is stored with them.
   */
  holds(name: string, link: WantedMember, map: SparseMap | undefined): boolean {
    if (this.placed.has(name)) return true;
    try {
      const path = this.tree.existing(name);
      const there = lookAtPath(path);
      if (there === undefined || !this.isSameFile(path, link, there, map)) return false;
    } catch {
      // Its folder is missing or not a folder: the content is taken from the archive.
      return false;
    }
    this.placed.add(name);
    return true;
  }

  /** True when the size and the time of what is in a file's place are its own. */
  looksLike(member: WantedMember): boolean {
    try {
      const there = lookAtPath(this.tree.existing(member.name));
      if (there?.isFile() !== true || Number(there.size) !== member.size) return false;
      const apart = there.mtimeNs - timeNs(member);
      return apart <= timeError(member) && apart >= -timeError(member);
    } catch {
      return false;
    }
  }

  /** Its mode, owner and times are set at the end of the restore, when nothing more is put into it. */
  putFolder({ name }: WantedMember): Unpacked['outcome'] {
    return this.tree.folder(plainName(name)).made === false ? 'same' : 'restored';
  }

  async putSymlink(member: WantedMember): Promise<Unpacked['outcome']> {
    const target = toBytes(member.linkTarget ?? '');
    const place = this.tree.place(member.name);
    const path = this.tree.path(place);
    if (!place.folder.made) {
      const there = lookAtPath(path);
      if (there?.isSymbolicLink() === true && readlinkSync(path, 'buffer').equals(target)) return 'same';
      const kept = this.mayReplace(member, there);
      if (kept !== undefined) return kept;
    }
    await this.putWhole(path, (part) => {
      symlinkSync(target, part);
      if (this.options.owners) lchownSync(part, member.uid, member.gid);
      this.times.link(part, member);
    });
    return 'restored';
  }

  /** A named pipe or a device. */
  async putSpecial(member: WantedMember, special: SpecialFile): Promise<Unpacked['outcome']> {
    const place = this.tree.place(member.name);
    const path = this.tree.path(place);
    if (!place.folder.made) {
      const there = lookAtPath(path);
      if (there !== undefined && isSameSpecial(special, there)) return 'same';
      const kept = this.mayReplace(member, there);
      if (kept !== undefined) return kept;
    }
    await this.putWhole(path, (part) => makeSpecial(part, special, member, this.options, this.times));
    return 'restored';
  }

  /** Another name of a member that is in place: becomes a hard link to it. `map` as in `holds`. */
  async putLink(member: WantedMember, of: string, map: SparseMap | undefined): Promise<Unpacked['outcome']> {
    const place = this.tree.place(member.name);
    const path = this.tree.path(place);
    const existing = this.tree.existing(of);
    const there = place.folder.made ? undefined : lookAtPath(path);
    if (there !== undefined) {
      if (there.ino === lookAtPath(existing)?.ino) return 'same';
      if (this.isSameFile(path, member, there, map)) {
        // It was restored separately before: it becomes a link if it may be replaced and nothing else changes.
        if (this.options.overwrite === 'always') joinHardLink(this.tree, member.name, of);
        return 'same';
      }
      const kept = this.mayReplace(member, there);
      if (kept !== undefined) return kept;
    }
    await this.putWhole(path, (part) => linkSync(existing, part));
    return 'restored';
  }

  /**
   * @param map of its holes, if it is stored with them.
   * @param write writes the content; throws if it is not what was backed up.
   */
  async putFile(
    member: WantedMember,
    map: SparseMap | undefined,
    write: (fd: number) => Promise<void>,
  ): Promise<Unpacked['outcome']> {
    const place = this.tree.place(member.name);
    const path = this.tree.path(place);
    if (!place.folder.made) {
      const there = lookAtPath(path);
      if (there !== undefined && this.isSameFile(path, member, there, map)) {
        this.noteLink(member);
        return 'same';
      }
      const kept = this.mayReplace(member, there);
      if (kept !== undefined) return kept;
    }
    await this.putWhole(path, async (part) => {
      const fd = openSync(part, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
      try {
        await write(fd);
        // The owner first: changing it clears the set-user-id bit.
        if (this.options.owners) fchownSync(fd, member.uid, member.gid);
        fchmodSync(fd, member.mode);
        this.times.open(fd, member);
      } finally {
        closeSync(fd);
      }
    });
    this.noteLink(member);
    return 'restored';
  }

  private noteLink({ name, nlink }: WantedMember): void {
    if (nlink > 1) this.placed.add(name);
  }

  /** Undefined when the member may replace what is there; throws when it must not. */
  private mayReplace(
    member: WantedMember,
    there: ReturnType<typeof lookAtPath>,
  ): Unpacked['outcome'] | undefined {
    if (there === undefined) return undefined;
    this.tree.requireOther(there);
    if (there.isDirectory()) throw new RestoreProblem('a folder of the target is in its place');
    if (this.options.overwrite !== 'never' && member.damaged === true && this.options.salvage !== true)
      throw new RestoreProblem('what is in its place stays: this version is not whole (see --salvage)');
    if (this.options.overwrite === 'always') return undefined;
    if (this.options.overwrite === 'never')
      throw new RestoreProblem('something else is in its place already (see --overwrite)');
    return timeNs(member) > there.mtimeNs ? undefined : 'kept';
  }

  /** True when the file at a path already is the member, by its time and its bytes. */
  private isSameFile(
    path: Buffer,
    member: WantedMember,
    there: NonNullable<ReturnType<typeof lookAtPath>>,
    map: SparseMap | undefined,
  ): boolean {
    if (!there.isFile() || Number(there.size) !== member.size || member.sha256 === null) return false;
    const apart = there.mtimeNs - timeNs(member);
    if (apart > timeError(member) || apart < -timeError(member)) return false;
    const fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
    try {
      return hasContent(fd, there, map, member.sha256, this.options.codec ?? 'auto');
    } finally {
      closeSync(fd);
    }
  }

  /** Creates an entry under a temporary name and renames it when complete; nothing is left of a failed one. */
  private async putWhole(path: Buffer, make: (part: Buffer) => void | Promise<void>): Promise<void> {
    const part = this.tree.partBeside(path);
    try {
      await make(part);
      this.publish(part, path);
    } catch (error) {
      removeQuietly(part);
      throw error;
    }
  }

  /**
   * Renames a complete file to its final name. Unless overwriting is allowed, nothing that appeared there meanwhile is
   * replaced.
   */
  private publish(part: Buffer, path: Buffer): void {
    if (this.options.overwrite === 'never') {
      try {
        linkSync(part, path);
        unlinkSync(part);
        return;
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === 'EEXIST') throw new RestoreProblem('something else came into its place meanwhile');
        // A file system without hard links, or an entry that cannot be linked.
        if (lookAtPath(path) !== undefined) throw error;
      }
    }
    renameSync(part, path);
  }
}

function removeQuietly(path: Buffer): void {
  try {
    unlinkSync(path);
  } catch {
    // It was not created, or it already has its final name.
  }
}
