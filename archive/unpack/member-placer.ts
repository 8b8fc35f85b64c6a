import {
  closeSync,
  constants,
  linkSync,
  openSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  type BigIntStats,
} from 'node:fs';
import { toBytes } from '../../entry/byte-string.js';
import type { MetadataKind } from '../../entry/metadata-kind.js';
import type { SparseMap } from '../tar/sparse-map.js';
import { type Addon, loadAddon } from '../../native/addon.js';
import { ExistingEntries, withUnset } from './existing-entries.js';
import { joinHardLink, lacksLinks } from './finish-tree.js';
import { isSameSpecial, makeSpecial, type SpecialFile } from './special-file.js';
import { MetadataSetter } from './put-metadata.js';
import type { TargetTree } from './target-tree.js';
import { lookAtPath, RestoreProblem } from './open-folder.js';
import { openIfAlike, withOpen } from './same-content.js';
import type { Placed, UnpackOptions, WantedMember } from './unpack-options.js';
import { plainName } from '../../entry/member-name.js';
import { english } from '../../messages/sentence.js';

const restored: Placed = { outcome: 'restored' };
const same: Placed = { outcome: 'same' };

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
  /** What lies in the members' places already. */
  readonly existing: ExistingEntries;
  /** One call in place of two, where the native part and the system have it. */
  private readonly renameNew: Addon['renameNew'];

  constructor(
    private readonly tree: TargetTree,
    private readonly options: Pick<UnpackOptions, 'owners' | 'overwrite' | 'salvage' | 'codec'>,
  ) {
    this.metadata = new MetadataSetter(options);
    this.renameNew = options.codec === 'zlib' ? undefined : loadAddon()?.renameNew;
    this.existing = new ExistingEntries(tree, options, this.metadata);
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
      if (there === undefined || !this.existing.isAsItWas(there, link, path)) return false;
      const fd = openIfAlike(path, link, there);
      if (fd === undefined || !withOpen(fd, () => this.existing.hasContent(fd, link, there, map)))
        return false;
    } catch {
      // Its folder is missing or not a folder: the content is taken from the archive.
      return false;
    }
    this.placed.add(name);
    return true;
  }

  /** Its mode, owner and times are set at the end of the restore, when nothing more is put into it. */
  putFolder({ name }: WantedMember): Placed {
    return this.tree.folder(plainName(name)).made === false ? same : restored;
  }

  async putSymlink(member: WantedMember): Promise<Placed> {
    const target = toBytes(member.linkTarget ?? '');
    const isSame = (there: BigIntStats, path: Buffer) =>
      there.isSymbolicLink() && readlinkSync(path, 'buffer').equals(target);
    return this.putWithoutContent(member, isSame, (part) => {
      symlinkSync(target, part);
      return this.metadata.onLink(part, member);
    });
  }

  /** A named pipe or a device. */
  async putSpecial(member: WantedMember, special: SpecialFile): Promise<Placed> {
    const isSame = (there: BigIntStats) => isSameSpecial(special, there);
    return this.putWithoutContent(member, isSame, (part) => {
      makeSpecial(part, special, this.options);
      return this.metadata.onSpecial(part, member);
    });
  }

  /** `make` makes the entry at a path, and returns what of its metadata could not be set. */
  private async putWithoutContent(
    member: WantedMember,
    isSame: (there: BigIntStats, path: Buffer) => boolean,
    make: (part: Buffer) => readonly MetadataKind[],
  ): Promise<Placed> {
    const place = this.tree.place(member.name);
    const path = this.tree.path(place);
    let became: Placed = restored;
    if (!place.folder.made) {
      const there = lookAtPath(path);
      if (there !== undefined && isSame(there, path)) {
        if (!this.existing.mayMend(member, there, path)) return this.existing.asItLies(there, member, path);
        // Replaced by one that has the right owner: nothing else can have come to that name.
        became = same;
      } else {
        const stays = this.existing.mayReplace(member, there);
        if (stays !== undefined) return stays;
      }
    }
    let unset: readonly MetadataKind[] = [];
    await this.putWhole(path, (part) => {
      unset = make(part);
    });
    return withUnset(became, unset);
  }

  /**
   * Another name of a member that is in place: becomes a hard link to it. Undefined where the target has no such links:
   * then it gets its content once more. `map` as in `holds`.
   */
  async putLink(member: WantedMember, of: string, map: SparseMap | undefined): Promise<Placed | undefined> {
    const place = this.tree.place(member.name);
    const path = this.tree.path(place);
    const existing = this.tree.existing(of);
    const first = lookAtPath(existing);
    const there = place.folder.made ? undefined : lookAtPath(path);
    const lacks = first === undefined ? [] : this.metadata.lacking(first, member, existing);
    if (there !== undefined) {
      if (there.ino === first?.ino) return withUnset(same, lacks);
      const alike = this.existing.keepAlike(path, member, there, map);
      if (alike !== undefined && alike !== 'replace') {
        // It was restored separately before: it becomes a link if it may be replaced and nothing else changes.
        const isRefused = this.options.overwrite === 'always' && !joinHardLink(this.tree, member.name, of);
        return isRefused ? withUnset(alike, [...(alike.unset ?? []), 'link']) : alike;
      }
      const stays = alike === 'replace' ? undefined : this.existing.mayReplace(member, there);
      if (stays !== undefined) return stays;
    }
    try {
      await this.putWhole(path, (part) => linkSync(existing, part));
    } catch (error) {
      if (lacksLinks(error)) return undefined;
      throw error;
    }
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
      const alike = there === undefined ? undefined : this.existing.keepAlike(path, member, there, map);
      if (alike !== undefined && alike !== 'replace') {
        this.noteLink(member);
        return alike;
      }
      const stays = alike === 'replace' ? undefined : this.existing.mayReplace(member, there);
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

  private noteLink({ name, nlink }: WantedMember): void {
    if (nlink > 1) this.placed.add(name);
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
      const { renameNew } = this;
      if (renameNew?.(part, path) === 0) return;
      // What was wrong shows here, or it was only that the file system has no such call.
      try {
        linkSync(part, path);
        unlinkSync(part);
        return;
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === 'EEXIST')
          throw new RestoreProblem(english`something else came into its place meanwhile`);
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
