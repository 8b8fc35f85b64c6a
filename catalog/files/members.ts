import type { InodeTime, UnchangedMember, PlannedMember, PackedMember } from '../../entry/member.js';
import { fromBytes } from '../../entry/byte-string.js';
import type { PlannedRow } from './files.js';

/** An entry as the packer wants it; undefined for one that makes no member, which its row says why. */
export function plannedMember(row: PlannedRow): PlannedMember | undefined {
  if (row.type === 'other' || row.state === 'skipped') return undefined;
  return {
    name: fromBytes(row.path),
    type: row.type,
    size: row.size,
    mtimeS: row.mtime_s,
    mtimeNs: row.mtime_ns,
    mode: row.mode,
    uid: row.uid,
    gid: row.gid,
    dev: row.dev,
    ino: row.ino,
    nlink: row.nlink,
    linkTarget: row.type === 'symlink' && row.link_target !== null ? fromBytes(row.link_target) : null,
    hardLinkOf: row.hard_link_of === null ? null : fromBytes(row.hard_link_of),
    ctime: inodeTime(row),
    ...storedSize(row),
  };
}

/** The member's `storedSize`, for a file with holes alone. */
function storedSize({ stored_size: bytes }: PlannedRow): { storedSize?: number } {
  return bytes === null ? nothing : { storedSize: bytes };
}

const nothing = {};

/** The inode's time of change; undefined for a row from a tape that did not record it. */
export function inodeTime({ ctime_s: s, ctime_ns: ns }: PlannedRow): InodeTime | undefined {
  return s === 0 && ns === 0 ? undefined : [s, ns];
}

/** A manifest's entry for an unchanged file held by an earlier archive. */
export function unchangedMember(row: PlannedRow, own: { setId: string; group: number }): UnchangedMember {
  const set = row.held_set ?? own.setId;
  const group = row.held_group ?? own.group;
  const { size, mode, uid, gid, dev, ino, nlink, sha256 } = row;
  return {
    ...{ name: fromBytes(row.path), set, group, size, mode, uid, gid, dev, ino, nlink, sha256 },
    offset: row.tar_offset ?? 0,
    mtimeS: row.mtime_s,
    mtimeNs: row.mtime_ns,
    linkTarget: row.link_target === null ? null : fromBytes(row.link_target),
    hardLinkOf: row.hard_link_of === null ? null : fromBytes(row.hard_link_of),
    ctime: inodeTime(row),
    ...storedSize(row),
  };
}

/** The member for an entry in the archive; undefined for other entries. */
export function memberOf(row: PlannedRow): PackedMember | undefined {
  if (row.tar_offset === null || row.type === 'other') return undefined;
  const linkTarget = row.link_target === null ? null : fromBytes(row.link_target);
  const { size, mode, uid, gid, dev, ino, nlink, sha256 } = row;
  return {
    ...{
      name: fromBytes(row.path),
      size,
      mode: mode & 0o7777,
      uid,
      gid,
      dev,
      ino,
      nlink,
      linkTarget,
      sha256,
    },
    ...storedSize(row),
    type: row.type === 'file' && linkTarget !== null ? 'link' : row.type,
    mtimeS: row.mtime_s,
    mtimeNs: row.mtime_ns,
    hardLinkOf: row.hard_link_of === null ? null : fromBytes(row.hard_link_of),
    ctime: inodeTime(row),
    offset: row.tar_offset,
    contentOffset: null,
    flags: row.state === 'packed' ? [] : ['padded'],
  };
}
