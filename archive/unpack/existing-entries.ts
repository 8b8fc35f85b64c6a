import { type BigIntStats, fstatSync } from 'node:fs';
import { systemErrorCode } from '../../config/failures.js';
import { timeNs } from '../../entry/file-time.js';
import type { MetadataKind } from '../../entry/metadata-kind.js';
import type { SparseMap } from '../tar/sparse-map.js';
import { english } from '../../messages/sentence.js';
import { lookAtPath, RestoreProblem } from './open-folder.js';
import type { MetadataSetter } from './put-metadata.js';
import { hasContent, openIfAlike, withOpen } from './same-content.js';
import type { TargetTree } from './target-tree.js';
import type { Placed, UnpackOptions, WantedMember } from './unpack-options.js';

/** Nanoseconds by which a time restored without the native part may be off; see `fileTime`. */
const timeError = (member: WantedMember) => (member.mtimeS < 0 ? 1_000_000n : 2000n);

const same: Placed = { outcome: 'same' };
const kept: Placed = { outcome: 'kept' };

/**
 * What lies in the places of members before they are restored: whether it stays, has its owner, mode and times put
 * right, or gives way. `at` is an entry's descriptor or its path, `map` that of a file's holes, if it is stored with
 * them.
 */
export class ExistingEntries {
  constructor(
    private readonly tree: TargetTree,
    private readonly options: Pick<UnpackOptions, 'overwrite' | 'salvage' | 'codec'>,
    private readonly metadata: MetadataSetter,
  ) {}

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

  /**
   * What becomes of a file that cannot be read, if one with its content, or a newer one that may stay, lies in its
   * place; undefined otherwise.
   */
  keepWhole(member: WantedMember): Placed | undefined {
    try {
      const path = this.tree.existing(member.name);
      const there = lookAtPath(path);
      if (there?.isFile() !== true) return undefined;
      if (this.options.overwrite === 'if-newer' && isNewer(there, member)) return kept;
      const alike = this.keepAlike(path, member, there, undefined);
      return alike === 'replace' ? this.asItLies(there, member, path) : alike;
    } catch {
      // Nothing that could be read lies there: the member stays lost.
      return undefined;
    }
  }

  /**
   * What becomes of a file that lies in a member's place and has its content. Undefined for any other. `replace`: it
   * has other names, possibly outside the restored tree, whose owner and mode are not ours to change.
   */
  keepAlike(
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
  mayMend(member: WantedMember, there: BigIntStats, at: number | Buffer): boolean {
    const { overwrite } = this.options;
    if (overwrite === 'never' || this.isAsItWas(there, member, at)) return false;
    return overwrite === 'always' || !isNewer(there, member);
  }

  /** True when an entry with the right content has the owner, mode, times and attributes of the member too. */
  isAsItWas(there: BigIntStats, member: WantedMember, at: number | Buffer): boolean {
    const apart = there.mtimeNs - timeNs(member);
    const hasTime = apart <= timeError(member) && apart >= -timeError(member);
    return hasTime && this.metadata.lacking(there, member, at).length === 0;
  }

  /** Of an entry with the right content that stays as it is. */
  asItLies(there: BigIntStats, member: WantedMember, at: number | Buffer): Placed {
    return withUnset(same, this.metadata.lacking(there, member, at));
  }

  /** Undefined when the member may replace what is there; throws when it must not. */
  mayReplace(member: WantedMember, there: BigIntStats | undefined): Placed | undefined {
    if (there === undefined) return undefined;
    this.tree.requireOther(there);
    if (there.isDirectory()) throw new RestoreProblem(english`a folder of the target is in its place`);
    if (this.options.overwrite !== 'never' && member.damaged === true && this.options.salvage !== true)
      throw new RestoreProblem(
        english`what is in its place stays: this version is not whole (see --salvage)`,
      );
    if (this.options.overwrite === 'always') return undefined;
    if (this.options.overwrite === 'never')
      throw new RestoreProblem(english`something else is in its place already (see --overwrite)`);
    return timeNs(member) > there.mtimeNs ? undefined : kept;
  }

  /** True when an open file has the member's content. */
  hasContent(fd: number, { sha256 }: WantedMember, there: BigIntStats, map: SparseMap | undefined): boolean {
    return sha256 !== null && hasContent(fd, there, map, sha256, this.options.codec ?? 'auto');
  }
}

/** With what an entry lacks, if it lacks anything. */
export function withUnset(placed: Placed, unset: readonly MetadataKind[]): Placed {
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
