import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  linkSync,
  openSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { systemErrorCode } from '../../config/failures.js';
import { toBytes } from '../../entry/byte-string.js';
import { timeNs } from '../../entry/file-time.js';
import type { MetadataKind } from '../../entry/metadata-kind.js';
import type { SparseMap } from '../tar/sparse-map.js';
import { joinHardLink } from './finish-tree.js';
import { isSameSpecial, makeSpecial, type SpecialFile } from './special-file.js';
import { MetadataSetter } from './put-metadata.js';
import type { TargetTree } from './target-tree.js';
import { lookAtPath, RestoreProblem } from './open-folder.js';
import { hasContent, openIfAlike, withOpen } from './same-content.js';
import type { Placed, UnpackOptions, WantedMember } from './unpack-options.js';
import { plainName } from '../../entry/member-name.js';

/** Nanoseconds by which a time restored without the native part may be off; see `fileTime`. */
const timeError = (member: WantedMember) => (member.mtimeS < 0 ? 1_000_000n : 2000n);

const restored: Placed = { outcome: 'restored' };
const same: Placed = { outcome: 'same' };
const kept: Placed = { outcome: 'kept' };

/**
 * Puts members of an archive into the tree of a target, each under another name first. What already exists is looked
 * at: a file with the same content is not written again, but gets its owner, mode and times unless nothing may be
 * overwritten; another one only gives way if the options say so. Throws `RestoreProblem` for what concerns one member
 * alone.
 */
export class MemberPlacer {
  /** Hard-linked members that are in place. */
  private readonly placed = new Set<string>();
  private readonly metadata: MetadataSetter;

  constructor(
    private readonly tree: TargetTree,
    private readonly options: Pick<UnpackOptions, 'owners' | 'overwrite' | 'salvage' | 'codec'>,
  ) {
    this.metadata = new MetadataSetter(options);
  }

  /**
   * True for a hard-linked member that is in place, put there by this or an earlier attempt or restore.
   *
   * @param link another name of it, with the same content, owner, mode and time.
   * @param map of its holes, if it is stored with them.
   */
  holds(name: string, link: WantedMember, map: SparseMap | undefined): boolean {
    if (this.placed.has(name)) return true;
    try {
      const path = this.tree.existing(name);
      const there = lookAtPath(path);
      if (there === undefined || !this.isAsItWas(there, link, path)) return false;
      const fd = openIfAlike(path, link, there);
      if (fd === undefined || !withOpen(fd, () => this.hasContent(fd, link, there, map))) return false;
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
  putFolder({ name }: WantedMember): Placed {
    return this.tree.folder(plainName(name)).made === false ? same : restored;
  }

  async putSymlink(member: WantedMember): Promise<Placed> {
    const target = toBytes(member.linkTarget ?? '');
    const place = this.tree.place(member.name);
    const path = this.tree.path(place);
    let became: Placed = restored;
    if (!place.folder.made) {
      const there = lookAtPath(path);
      if (there?.isSymbolicLink() === true && readlinkSync(path, 'buffer').equals(target)) {
        if (!this.mayMend(member, there, path)) return this.asItLies(there, member, path);
        // Replaced by one that has the right owner: nothing else can have come to that name.
        became = same;
      } else {
        const stays = this.mayReplace(member, there);
        if (stays !== undefined) return stays;
      }
    }
    let unset: readonly MetadataKind[] = [];
    await this.putWhole(path, (part) => {
      symlinkSync(target, part);
      unset = this.metadata.onLink(part, member);
    });
    return withUnset(became, unset);
  }

  /** A named pipe or a device. */
  async putSpecial(member: WantedMember, special: SpecialFile): Promise<Placed> {
    const place = this.tree.place(member.name);
    const path = this.tree.path(place);
    let became: Placed = restored;
    if (!place.folder.made) {
      const there = lookAtPath(path);
      if (there !== undefined && isSameSpecial(special, there)) {
        if (!this.mayMend(member, there, path)) return this.asItLies(there, member, path);
        became = same;
      } else {
        const stays = this.mayReplace(member, there);
        if (stays !== undefined) return stays;
      }
    }
    let unset: readonly MetadataKind[] = [];
    await this.putWhole(path, (part) => {
      makeSpecial(part, special, this.options);
      unset = this.metadata.onSpecial(part, member);
    });
    return withUnset(became, unset);
  }

  /** Another name of a member that is in place: becomes a hard link to it. `map` as in `holds`. */
  async putLink(member: WantedMember, of: string, map: SparseMap | undefined): Promise<Placed> {
    const place = this.tree.place(member.name);
    const path = this.tree.path(place);
    const existing = this.tree.existing(of);
    const first = lookAtPath(existing);
    const there = place.folder.made ? undefined : lookAtPath(path);
    const lacks = first === undefined ? [] : this.metadata.lacking(first, member, existing);
    if (there !== undefined) {
      if (there.ino === first?.ino) return withUnset(same, lacks);
      const alike = this.keepAlike(path, member, there, map);
      if (alike !== undefined && alike !== 'replace') {
        // It was restored separately before: it becomes a link if it may be replaced and nothing else changes.
        if (this.options.overwrite === 'always') joinHardLink(this.tree, member.name, of);
        return alike;
      }
      const stays = alike === 'replace' ? undefined : this.mayReplace(member, there);
      if (stays !== undefined) return stays;
    }
    await this.putWhole(path, (part) => linkSync(existing, part));
    return withUnset(restored, lacks);
  }

  /**
   * @param map of its holes, if it is stored with them.
   * @param write writes the content; throws if it is not what was backed up.
   */
  async putFile(
    member: WantedMember,
    map: SparseMap | undefined,
    write: (fd: number) => Promise<void>,
  ): Promise<Placed> {
    const place = this.tree.place(member.name);
    const path = this.tree.path(place);
    if (!place.folder.made) {
      const there = lookAtPath(path);
      const alike = there === undefined ? undefined : this.keepAlike(path, member, there, map);
      if (alike !== undefined && alike !== 'replace') {
        this.noteLink(member);
        return alike;
      }
      const stays = alike === 'replace' ? undefined : this.mayReplace(member, there);
      if (stays !== undefined) return stays;
    }
    let unset: readonly MetadataKind[] = [];
    await this.putWhole(path, async (part) => {
      const fd = openSync(part, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
      try {
        await write(fd);
        unset = this.metadata.onOpen(fd, member);
      } finally {
        closeSync(fd);
      }
    });
    this.noteLink(member);
    return withUnset(restored, unset);
  }

  /** What becomes of a file that cannot be read, if one with its content lies in its place; undefined otherwise. */
  keepWhole(member: WantedMember): Placed | undefined {
    try {
      const path = this.tree.existing(member.name);
      const there = lookAtPath(path);
      if (there === undefined) return undefined;
      const alike = this.keepAlike(path, member, there, undefined);
      return alike === 'replace' ? this.asItLies(there, member, path) : alike;
    } catch {
      // Nothing that could be read lies there: the member stays lost.
      return undefined;
    }
  }

  private noteLink({ name, nlink }: WantedMember): void {
    if (nlink > 1) this.placed.add(name);
  }

  /**
   * What becomes of a file that lies in a member's place and has its content. Undefined for any other. `replace`: it
   * has other names, possibly outside the restored tree, whose owner and mode are not ours to change.
   */
  private keepAlike(
    path: Buffer,
    member: WantedMember,
    there: BigIntStats,
    map: SparseMap | undefined,
  ): Placed | 'replace' | undefined {
    const { overwrite } = this.options;
    if (overwrite === 'if-newer' && isNewer(there, member)) return undefined;
    const fd = openOrReplace(path, member, there, overwrite);
    if (fd === undefined) return undefined;
    return withOpen(fd, () => {
      const open = fstatSync(fd, { bigint: true });
      if (!open.isFile() || !this.hasContent(fd, member, open, map)) return undefined;
      if (!this.mayMend(member, open, fd)) return this.asItLies(open, member, fd);
      this.tree.requireOther(open);
      return open.nlink > 1n ? 'replace' : withUnset(same, this.metadata.onOpen(fd, member));
    });
  }

  /** True when an entry with the right content is not as it was otherwise, and may be put right. */
  private mayMend(member: WantedMember, there: BigIntStats, at: number | Buffer): boolean {
    const { overwrite } = this.options;
    if (overwrite === 'never' || this.isAsItWas(there, member, at)) return false;
    return overwrite === 'always' || !isNewer(there, member);
  }

  private isAsItWas(there: BigIntStats, member: WantedMember, at: number | Buffer): boolean {
    const apart = there.mtimeNs - timeNs(member);
    const hasTime = apart <= timeError(member) && apart >= -timeError(member);
    return hasTime && this.metadata.lacking(there, member, at).length === 0;
  }

  private asItLies(there: BigIntStats, member: WantedMember, at: number | Buffer): Placed {
    return withUnset(same, this.metadata.lacking(there, member, at));
  }

  /** Undefined when the member may replace what is there; throws when it must not. */
  private mayReplace(member: WantedMember, there: BigIntStats | undefined): Placed | undefined {
    if (there === undefined) return undefined;
    this.tree.requireOther(there);
    if (there.isDirectory()) throw new RestoreProblem('a folder of the target is in its place');
    if (this.options.overwrite !== 'never' && member.damaged === true && this.options.salvage !== true)
      throw new RestoreProblem('what is in its place stays: this version is not whole (see --salvage)');
    if (this.options.overwrite === 'always') return undefined;
    if (this.options.overwrite === 'never')
      throw new RestoreProblem('something else is in its place already (see --overwrite)');
    return timeNs(member) > there.mtimeNs ? undefined : kept;
  }

  private hasContent(
    fd: number,
    { sha256 }: WantedMember,
    there: BigIntStats,
    map: SparseMap | undefined,
  ): boolean {
    return sha256 !== null && hasContent(fd, there, map, sha256, this.options.codec ?? 'auto');
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

function withUnset(placed: Placed, unset: readonly MetadataKind[]): Placed {
  return unset.length === 0 ? placed : { ...placed, unset };
}

function isNewer(there: BigIntStats, member: WantedMember): boolean {
  return there.mtimeNs - timeNs(member) > timeError(member);
}

/** As `openIfAlike`; one that may be replaced anyway need not be readable. */
function openOrReplace(
  path: Buffer,
  member: WantedMember,
  there: BigIntStats,
  overwrite: UnpackOptions['overwrite'],
): number | undefined {
  try {
    return openIfAlike(path, member, there);
  } catch (error) {
    if (overwrite !== 'never' && systemErrorCode(error) === 'EACCES') return undefined;
    throw error;
  }
}

function removeQuietly(path: Buffer): void {
  try {
    unlinkSync(path);
  } catch {
    // It was not created, or it already has its final name.
  }
}
