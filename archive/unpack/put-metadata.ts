import type { BigIntStats, Stats } from 'node:fs';
import { systemErrorCode } from '../../config/failures.js';
import type { MetadataKind } from '../../entry/metadata-kind.js';
import type { PackedMember } from '../../entry/member.js';
import { mappedId, noOwners, type OwnerChoice } from '../../entry/owner-choice.js';
import { AttributeSetter, type AttributeKind, type ModeAccess } from './put-attributes.js';
import { type FinishedEntry, LinkEntry, OpenEntry, SpecialEntry } from './finished-entry.js';
import { timeSetter, type TimeSetter } from './set-times.js';
import type { UnpackOptions } from './unpack-options.js';

/** What of a member is set once its content is in place. */
export type MemberMetadata = Pick<PackedMember, 'mode' | 'uid' | 'gid' | 'mtimeS' | 'mtimeNs' | 'attributes'>;

/** What `stat` says of an entry, in either of its forms. */
export type EntryStats = Stats | BigIntStats;

/** What an entry has of all that was to be set; shared, since nearly every entry has everything. */
const nothingUnset: readonly MetadataKind[] = [];

/** Set-user-id and set-group-id. */
const setIdBits = 0o6000;

/** Milliseconds by which a time may be off: FAT has one of every two seconds. */
const coarsestTimeMs = 2000;

/**
 * Errors that are no answer to what was asked, but say that the disk or its connection fails or is full. All others
 * refuse one thing of one entry.
 */
const failsWhole = new Set([
  ...['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'ENODEV', 'ENXIO', 'ESTALE', 'ENOTCONN', 'ECONNABORTED'],
  ...['ETIMEDOUT', 'EHOSTDOWN', 'EREMOTEIO', 'EBADF', 'ENOMEM', 'ENFILE', 'EMFILE'],
]);

/** Windows has neither these owners nor these modes: there they are not set, and not missed. */
const hasOwners = process.platform !== 'win32';

/**
 * The one place where a finished entry gets owner, attributes, mode and times, each on its own: what is refused keeps
 * nothing else from being set. Every call returns what the entry lacks afterwards, by what is there then, since some
 * file systems accept a mode or an owner and ignore it. Throws only when the target itself fails.
 */
export class MetadataSetter {
  private readonly owners: OwnerChoice;
  private readonly times: TimeSetter;
  private readonly attributes: AttributeSetter;

  constructor({ owners, codec }: Pick<UnpackOptions, 'owners' | 'codec'>) {
    this.owners = hasOwners ? owners : noOwners;
    this.times = timeSetter(codec ?? 'auto');
    this.attributes = new AttributeSetter(this.owners);
  }

  /** An open file or folder. */
  onOpen(fd: number, member: MemberMetadata): readonly MetadataKind[] {
    return this.put(new OpenEntry(fd, this.times), member);
  }

  /** A symbolic link, which has no mode. */
  onLink(path: Buffer, member: MemberMetadata): readonly MetadataKind[] {
    return this.put(new LinkEntry(path, this.times), member);
  }

  /** A FIFO or device, which is not opened for it: that could wait for ever, or rewind a tape. */
  onSpecial(path: Buffer, member: MemberMetadata): readonly MetadataKind[] {
    return this.put(new SpecialEntry(path, this.times), member);
  }

  /**
   * What an entry that was there before lacks, which is left as it is.
   *
   * @param at its descriptor, or its path.
   */
  lacking(there: EntryStats, member: MemberMetadata, at: number | Buffer): readonly MetadataKind[] {
    const mode = this.maySetId(there, member) ? member.mode : member.mode & ~setIdBits;
    const entry = typeof at === 'number' ? { fd: at, path: noPath } : { fd: -1, path: at };
    return this.unset(there, member, mode, this.attributes.lacking(entry, member.attributes));
  }

  /**
   * The order matters: a new owner takes set-id bits and capabilities away, the group bits of a mode are an ACL's mask,
   * and times come last, since all else may change them.
   */
  private put(entry: FinishedEntry, member: MemberMetadata): readonly MetadataKind[] {
    if (this.owners.set) this.putOwner(entry, this.ownerOf(member));
    let { mode } = member;
    if ((mode & setIdBits) !== 0 && !this.maySetId(entry.stat(), member)) mode &= ~setIdBits;
    const { attributes } = member;
    const put = this.attributes.put(entry, attributes, mode, modeAccess(entry));
    unlessRefused(() => entry.setTimes(member));
    return this.unset(entry.stat(), member, put.mode, put.lacks);
  }

  private ownerOf({ uid, gid }: MemberMetadata): Owner {
    const { users, groups } = this.owners;
    return { uid: mappedId(users, uid), gid: mappedId(groups, gid) };
  }

  /** Where both are refused, each is tried alone: a user may give a file to another group of theirs. */
  private putOwner(entry: FinishedEntry, { uid, gid }: Owner): void {
    if (unlessRefused(() => entry.setOwner(uid, gid))) return;
    unlessRefused(() => entry.setOwner(-1, gid));
    unlessRefused(() => entry.setOwner(uid, -1));
  }

  /**
   * Somebody else's program never lends the rights of its new owner to those who run it; on a folder these bits lend
   * nothing.
   */
  private maySetId(there: EntryStats, member: MemberMetadata): boolean {
    return there.isDirectory() || isOwnedBy(there, this.ownerOf(member));
  }

  private unset(
    there: EntryStats,
    member: MemberMetadata,
    mode: number,
    lacksAttributes: readonly AttributeKind[],
  ): readonly MetadataKind[] {
    const hasOwner = !this.owners.set || isOwnedBy(there, this.ownerOf(member));
    const hasMode = !hasOwners || there.isSymbolicLink() || (Number(there.mode) & 0o7777) === mode;
    const apart = Number(there.mtimeMs) - (member.mtimeS * 1000 + member.mtimeNs / 1e6);
    const hasTimes = Math.abs(apart) <= coarsestTimeMs;
    if (hasOwner && hasMode && hasTimes && lacksAttributes.length === 0) return nothingUnset;
    const lacks: MetadataKind[] = [];
    if (!hasOwner) lacks.push('owner');
    if (!hasMode) lacks.push('mode');
    if (!hasTimes) lacks.push('times');
    return [...lacks, ...lacksAttributes];
  }
}

/** Setting it may be refused, which shows in what is there then. */
function modeAccess(entry: FinishedEntry): ModeAccess {
  return {
    get: () => entry.stat().mode & 0o7777,
    set: (mode) => void unlessRefused(() => entry.setMode(mode)),
  };
}

const noPath = new Uint8Array();

interface Owner {
  uid: number;
  gid: number;
}

function isOwnedBy(there: EntryStats, { uid, gid }: Owner): boolean {
  return Number(there.uid) === uid && Number(there.gid) === gid;
}

/** True when it was done; false when it was refused. Throws when the target fails as a whole. */
export function unlessRefused(set: () => void): boolean {
  try {
    set();
    return true;
  } catch (error) {
    const code = systemErrorCode(error);
    // A number that Node takes for none at all is refused as the system would.
    if (code === undefined || failsWhole.has(code)) throw error;
    return false;
  }
}
