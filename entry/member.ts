import { english } from '../messages/sentence.js';
import type { Attributes } from './attributes.js';
import type { DeviceNumbers } from './device.js';

/**
 * The inode's time of change, as the scan saw it: seconds since 1970, rounded down, plus nanoseconds. The next set uses
 * it to detect changes, even after the catalog was lost; a restore cannot set it. Undefined: not known.
 */
export type InodeTime = readonly [number, number];

/** A named pipe or a device: all of it is in its header. */
export type SpecialType = 'fifo' | 'character' | 'block';

/** A kind of entry that an archive can hold. */
export type MemberType = 'file' | 'directory' | 'symlink' | SpecialType;

/** What is known of an entry wherever it is; its headers say the same. Names are byte strings (see byte-string.ts). */
export interface EntryFacts<Type> {
  /** Full path without its leading `/`; folders end in `/`. */
  name: string;
  type: Type;
  /** Bytes of content; of a hard link to an earlier member, those of its target. */
  size: number;
  /**
   * Of a file that is stored with holes: bytes of its content in the archive, which are a map and the data between the
   * holes (archive/tar/sparse-map.ts). Undefined: `size`.
   */
  storedSize?: number | undefined;
  /** Seconds since 1970, rounded down, plus nanoseconds. */
  mtimeS: number;
  mtimeNs: number;
  mode: number;
  uid: number;
  gid: number;
  /** Target of a symbolic link, or the member that a hard link (`link`) points to. */
  linkTarget: string | null;
  /** Of a device. */
  device?: DeviceNumbers | undefined;
}

/** What is known of an entry's inode, which only a manifest and the catalog have. */
export interface InodeFacts {
  dev: string;
  ino: string;
  nlink: number;
  /** A path in an earlier archive that is a hard link to the same file; the content is stored here again. */
  hardLinkOf: string | null;
  ctime?: InodeTime | undefined;
}

/**
 * One entry that the plan wants in an archive. Its `size` and `storedSize` are as the scan saw them; packing asks
 * again.
 */
export interface PlannedMember extends EntryFacts<MemberType>, InodeFacts {
  /** A folder that could not be listed: it is stored without its contents, and this is why. */
  unlisted?: string | undefined;
  /** What an earlier archive holds under this name; if the file still has that content, it is not stored again. */
  held?: HeldContent | undefined;
}

/** A file's content in an earlier archive. */
export type HeldContent = Pick<
  UnchangedMember,
  'set' | 'group' | 'offset' | 'linkTarget' | 'storedSize' | 'isNewName'
> & {
  sha256: string;
};

/**
 * What packing noticed. `newer`: not as the scan saw it; stored as it was when it was packed. `grew`: stored at the
 * size it had when it was opened. `changed`: its time differs before and after the read, and its content does not.
 * `padded`: it shrank or could not be read to its end, and zeros stand for the rest. `inconsistent`: it changed while
 * it was read, again and again. `unlisted`: a folder without its contents, which could not be listed. `lacking`: some
 * of its attributes could not be read.
 */
export type MemberFlag = 'newer' | 'grew' | 'changed' | 'padded' | 'inconsistent' | 'unlisted' | 'lacking';

/** How the reason of a folder begins that could not be listed; the folder itself is stored. */
export const unlistedReason = english`cannot be listed, so its contents are not in the backup`;

/** Flags of a member that is in the archive, but not whole: it is listed as skipped, too, with these words. */
const lackWords: Partial<Record<MemberFlag, string>> = {
  padded: english`shrank or could not be read to its end; zeros stand for the rest in the archive`,
  inconsistent: english`changed while it was read, again and again; what is stored may be of several moments.
    Back it up while nothing writes to it, or from a snapshot`,
};

/** Flags with the same effect, whose words say more and are not known here. */
const otherLacks: readonly MemberFlag[] = ['unlisted', 'lacking'];

/** False for a member that is in the archive, but not as its source had it at any one time. */
export function isWhole(flags: readonly MemberFlag[]): boolean {
  return !flags.some((flag) => otherLacks.includes(flag) || lackWords[flag] !== undefined);
}

/** Why a member that is in the archive is listed as skipped, too; undefined for one that is not. */
export function lackReason(flags: readonly MemberFlag[]): string | undefined {
  return flags.map((flag) => lackWords[flag]).find((words) => words !== undefined);
}

/** One member of an archive, as it was stored. */
export interface PackedMember extends EntryFacts<MemberType | 'link'>, InodeFacts {
  /** Undefined when there are none. A further hard link has those of its target, which the archive has once. */
  attributes?: Attributes | undefined;
  /** With the flag `lacking`: which attributes are missing, as the rest of a sentence; not in a manifest. */
  lacks?: string | undefined;
  /**
   * SHA-256 of the content in hex; null for what has none. Of a file that is stored with holes it is that of what is
   * stored, the map too: nobody can hash terabytes of zeros.
   */
  sha256: string | null;
  /** Byte of the uncompressed archive where the member's first header begins. */
  offset: number;
  /** Byte of the uncompressed archive where its content begins; null for what has none. */
  contentOffset: number | null;
  flags: MemberFlag[];
}

/** An unchanged file, held by an earlier archive: listed so that the whole tree is known, but not stored again. */
export interface UnchangedMember extends Omit<
  PackedMember,
  'type' | 'device' | 'contentOffset' | 'flags' | 'lacks'
> {
  /** Set and group whose archive holds it; offset and hard link are those of that archive. */
  set: string;
  group: number;
  /**
   * That archive has no member of this name: it is a further hard link since, to the file `linkTarget` there, and
   * `offset` is that file's.
   */
  isNewName?: boolean | undefined;
}

/** Bytes of a file's content in an archive. */
export function storedBytes({ size, storedSize }: Pick<PackedMember, 'size' | 'storedSize'>): number {
  return storedSize ?? size;
}

/** An entry that is not in the archive, or not with its true content. */
export interface SkippedMember {
  name: string;
  reason: string;
}

/** A file that the base of a set has, and the set has not. */
export interface GoneMember {
  name: string;
  isGone: true;
}

/** Flags of the packer that mean "not exactly what the source held", in words. */
const flagWords: Partial<Record<MemberFlag, string>> = {
  grew: english`grew while it was read: stored at the size it had`,
  changed: english`changed while it was read: stored with the time it had before`,
  newer: english`changed after the scan: stored as it was when it was packed`,
};

/** Why a member is not exactly what the source held; null when it is. */
export function flagReason(flags: readonly MemberFlag[]): string | null {
  return flags.map((flag) => flagWords[flag]).find((words) => words !== undefined) ?? null;
}
