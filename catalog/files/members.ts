import { parseAttributes } from '../../entry/attributes.js';
import {
  lackReason,
  unlistedReason,
  type InodeTime,
  type MemberFlag,
  type PackedMember,
  type PlannedMember,
  type UnchangedMember,
} from '../../entry/member.js';
import { fromBytes } from '../../entry/byte-string.js';
import { deviceOfText, type DeviceNumbers } from '../../entry/device.js';
import type { PlannedRow } from './files.js';

/** An entry as the packer wants it; undefined for one that makes no member, which its row says why. */
export function plannedMember(row: PlannedRow): PlannedMember | undefined {
  const unlisted = unlistedWhy(row);
  if (row.type === 'other' || (row.state === 'skipped' && unlisted === undefined)) return undefined;
  const member: PlannedMember = {
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
    device: deviceOf(row),
    hardLinkOf: row.hard_link_of === null ? null : fromBytes(row.hard_link_of),
    ctime: inodeTime(row),
    unlisted,
  };
  if (row.stored_size !== null) member.storedSize = row.stored_size;
  return member;
}

/** The inode's time of change; undefined for a row from a tape that did not record it. */
function inodeTime({ ctime_s: s, ctime_ns: ns }: PlannedRow): InodeTime | undefined {
  return s === 0 && ns === 0 ? undefined : [s, ns];
}

/** What few rows have. */
function addRare(member: PackedMember | UnchangedMember, row: PlannedRow): void {
  if (row.stored_size !== null) member.storedSize = row.stored_size;
  if (row.attributes !== null) member.attributes = parseAttributes(row.attributes);
}

function unlistedWhy({ type, state, reason }: PlannedRow): string | undefined {
  if (type !== 'directory' || state !== 'skipped' || reason === null) return undefined;
  return reason.startsWith(unlistedReason) ? reason : undefined;
}

/** The numbers of a device; undefined for anything else. */
function deviceOf({
  type,
  link_target: text,
}: Pick<PlannedRow, 'type' | 'link_target'>): DeviceNumbers | undefined {
  if ((type !== 'character' && type !== 'block') || text === null) return undefined;
  return deviceOfText(fromBytes(text));
}

/** A manifest's entry for an unchanged file held by an earlier archive. */
export function unchangedMember(row: PlannedRow, own: { setId: string; group: number }): UnchangedMember {
  const set = row.held_set ?? own.setId;
  const group = row.held_group ?? own.group;
  const { size, mode, uid, gid, dev, ino, nlink, sha256 } = row;
  const member: UnchangedMember = {
    name: fromBytes(row.path),
    set,
    group,
    size,
    mtimeS: row.mtime_s,
    mtimeNs: row.mtime_ns,
    mode,
    uid,
    gid,
    dev,
    ino,
    nlink,
    linkTarget: row.link_target === null ? null : fromBytes(row.link_target),
    hardLinkOf: row.hard_link_of === null ? null : fromBytes(row.hard_link_of),
    ctime: inodeTime(row),
    sha256,
    offset: row.tar_offset ?? 0,
  };
  addRare(member, row);
  return member;
}

/** What makes a member that is listed as skipped, too, less than whole. */
function lackOf({ type, reason, sha256 }: PlannedRow): MemberFlag {
  if (type === 'directory' && reason?.startsWith(unlistedReason) === true) return 'unlisted';
  if (type !== 'file' || sha256 !== null) return 'lacking';
  return reason === lackReason(['inconsistent']) ? 'inconsistent' : 'padded';
}

/** The member for an entry in the archive; undefined for other entries. */
export function memberOf(row: PlannedRow): PackedMember | undefined {
  if (row.tar_offset === null || row.type === 'other') return undefined;
  const device = deviceOf(row);
  const linkTarget = row.link_target === null || device !== undefined ? null : fromBytes(row.link_target);
  const { size, mode, uid, gid, dev, ino, nlink, sha256 } = row;
  // Without spreads, which take longer than all else here.
  const member: PackedMember = {
    name: fromBytes(row.path),
    type: row.type === 'file' && linkTarget !== null ? 'link' : row.type,
    size,
    mtimeS: row.mtime_s,
    mtimeNs: row.mtime_ns,
    mode: mode & 0o7777,
    uid,
    gid,
    dev,
    ino,
    nlink,
    linkTarget,
    device,
    hardLinkOf: row.hard_link_of === null ? null : fromBytes(row.hard_link_of),
    ctime: inodeTime(row),
    sha256,
    offset: row.tar_offset,
    contentOffset: null,
    flags: row.state === 'packed' ? [] : [lackOf(row)],
  };
  addRare(member, row);
  return member;
}
