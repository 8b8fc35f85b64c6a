import type { PackedFile } from '../../catalog/files/packed-files.js';
import { deviceText } from '../../entry/device.js';
import {
  flagReason,
  type PackedMember,
  type SkippedMember,
  type UnchangedMember,
} from '../../entry/member.js';

/** What the catalog has to learn of the files that the packer is done with. */
export function fatesOf(
  packed: readonly PackedMember[],
  skipped: readonly SkippedMember[],
  unchanged: readonly UnchangedMember[],
): PackedFile[] {
  const reasons = new Map(skipped.map((entry) => [entry.name, entry.reason]));
  const files = packed.map((member) => {
    const file = packedFile(member, reasons.get(member.name) ?? null);
    reasons.delete(member.name);
    return file;
  });
  for (const member of unchanged) files.push(unchangedFile(member));
  for (const [path, reason] of reasons)
    files.push({ path, size: 0, sha256: null, tarOffset: null, reason, state: 'skipped', now: null });
  return files;
}

function packedFile(member: PackedMember, reason: string | null): PackedFile {
  return {
    path: member.name,
    size: member.size,
    storedSize: member.storedSize,
    sha256: member.sha256,
    attributes: member.attributes,
    tarOffset: member.offset,
    reason: reason ?? flagReason(member.flags),
    // Padded content is in the archive, but differs from the source.
    state: reason === null ? 'packed' : 'skipped',
    now: {
      mtimeS: member.mtimeS,
      mtimeNs: member.mtimeNs,
      linkTarget: member.device === undefined ? member.linkTarget : deviceText(member.device),
    },
  };
}

/** A file that an earlier archive proved to hold: with what it is besides its content now, and that one's place. */
function unchangedFile(member: UnchangedMember): PackedFile {
  const { name, size, storedSize, sha256, attributes, offset, set, group, linkTarget } = member;
  return {
    ...{
      path: name,
      size,
      storedSize,
      sha256,
      attributes,
      tarOffset: offset,
      reason: null,
      state: 'unchanged',
      now: null,
    },
    held: { set, group, linkTarget },
  };
}
