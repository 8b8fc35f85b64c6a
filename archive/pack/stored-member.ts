import type { PackedMember, PlannedMember } from '../../entry/member.js';
import type { ReadAttributes } from './read-attributes.js';
import { isNewer, isSameInode, type FileAttributes } from './source-file.js';

/**
 * A member as it is about to be stored, without what only its content shows.
 *
 * @param facts what the system says of it now.
 * @param offset byte of the archive where its first header will begin.
 */
export function storedMember(
  entry: PlannedMember,
  facts: FileAttributes,
  { attributes, lacks }: ReadAttributes,
  kind: Pick<PackedMember, 'type' | 'linkTarget' | 'device'>,
  offset: number,
): PackedMember {
  const member: PackedMember = {
    name: entry.name,
    type: kind.type,
    size: kind.type === 'file' ? facts.size : 0,
    mtimeS: facts.mtimeS,
    mtimeNs: facts.mtimeNs,
    mode: facts.mode & 0o7777,
    uid: facts.uid,
    gid: facts.gid,
    dev: facts.dev,
    ino: facts.ino,
    nlink: facts.nlink,
    linkTarget: kind.linkTarget,
    ...(kind.device === undefined ? {} : { device: kind.device }),
    // Another file has replaced the one that the scan saw: it is not a link to the earlier path.
    hardLinkOf: kind.type !== 'link' && isSameInode(facts, entry) ? entry.hardLinkOf : null,
    ctime: entry.ctime,
    sha256: null,
    offset,
    contentOffset: null,
    flags: kind.type === 'file' && isNewer(facts, entry) ? ['newer'] : [],
  };
  if (attributes !== undefined) member.attributes = attributes;
  if (lacks !== undefined) {
    member.lacks = lacks;
    member.flags.push('lacking');
  }
  return member;
}
