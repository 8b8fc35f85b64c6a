import { isUtf8 } from 'node:buffer';
import { isAscii, toBytes } from '../../entry/byte-string.js';
import type { ManifestEnd, ManifestHeader } from '../../entry/manifest-content.js';
import type { GoneMember, UnchangedMember, PackedMember, SkippedMember } from '../../entry/member.js';

/**
 * The manifest of an archive: gzip-compressed JSON Lines in UTF-8, described in docs/format.md. The first line is the
 * header, the last one the end line; between them stands a line for each member in the order of the archive, for each
 * entry that was skipped, for each that an earlier archive holds, and for each file of the base that is gone. A name
 * that is not valid UTF-8 is in `nameBase64` (`targetBase64`, `hardLinkOfBase64`) instead. Unknown keys and lines are
 * ignored.
 */
const manifestVersion = 2;

/** The version of a manifest that lists only changes: to an older reader the rest would be gone. */
export const changesVersion = 3;

/** Versions that can be read: 1 lacks what version 2 has more, see docs/format.md. */
export const readableVersions: readonly number[] = [1, manifestVersion, changesVersion];

export function headerLine({ changes, ...header }: ManifestHeader): string {
  if (changes === undefined)
    return `${JSON.stringify({ tapeflow: 'manifest', version: manifestVersion, ...header })}\n`;
  const { baseUuid, baseTapes, first, last } = changes;
  const told = { tapeflow: 'manifest', version: changesVersion, ...header, baseUuid, baseTapes };
  return `${JSON.stringify(told).slice(0, -1)},${field('first', first)},${field('last', last)}}\n`;
}

/** Written field by field without building objects, since there is one line per file. */
export function memberLine(member: PackedMember): string {
  const { name, linkTarget, hardLinkOf, sha256, contentOffset, flags } = member;
  let line = `{${field('name', name)},"type":"${member.type}","size":${member.size},"mode":${member.mode}`;
  line += `,"uid":${member.uid},"gid":${member.gid},"dev":"${member.dev}","ino":"${member.ino}"`;
  line += `,"nlink":${member.nlink},"offset":${member.offset},"mtime":[${member.mtimeS},${member.mtimeNs}]`;
  if (member.ctime !== undefined) line += `,"ctime":[${member.ctime[0]},${member.ctime[1]}]`;
  if (linkTarget !== null) line += `,${field('target', linkTarget)}`;
  if (member.device !== undefined) line += `,"device":[${member.device[0]},${member.device[1]}]`;
  if (hardLinkOf !== null) line += `,${field('hardLinkOf', hardLinkOf)}`;
  line += hashFields(sha256, member.storedSize);
  if (member.attributes !== undefined) line += `,"attributes":${JSON.stringify(member.attributes)}`;
  if (contentOffset !== null) line += `,"content":${contentOffset}`;
  if (flags.length > 0) line += `,"flags":${JSON.stringify(flags)}`;
  return `${line}}\n`;
}

export function unchangedLine(kept: UnchangedMember): string {
  const { name, linkTarget, hardLinkOf, sha256, isNewName = false } = kept;
  const target = linkTarget === null ? '' : `,${field('target', linkTarget)}`;
  // `set` directly follows the name where a tar finds a member of that name: docs/recovery.md has commands for those.
  let line = `{${field('kept', name)}${isNewName ? target : ''}`;
  line += `,"set":"${kept.set}","group":${kept.group},"offset":${kept.offset}`;
  line += `,"size":${kept.size},"mode":${kept.mode},"uid":${kept.uid},"gid":${kept.gid},"dev":"${kept.dev}"`;
  line += `,"ino":"${kept.ino}","nlink":${kept.nlink},"mtime":[${kept.mtimeS},${kept.mtimeNs}]`;
  if (kept.ctime !== undefined) line += `,"ctime":[${kept.ctime[0]},${kept.ctime[1]}]`;
  if (!isNewName) line += target;
  if (hardLinkOf !== null) line += `,${field('hardLinkOf', hardLinkOf)}`;
  line += hashFields(sha256, kept.storedSize);
  if (kept.attributes !== undefined) line += `,"attributes":${JSON.stringify(kept.attributes)}`;
  return `${line}}\n`;
}

export function skippedLine(skipped: SkippedMember): string {
  return `{${field('skipped', skipped.name)},"reason":${JSON.stringify(skipped.reason)}}\n`;
}

export function goneLine({ name }: GoneMember): string {
  return `{${field('gone', name)}}\n`;
}

export function endLine(end: ManifestEnd): string {
  return `${JSON.stringify({ end: true, ...end })}\n`;
}

/** The hash has another key where it is not that of the content. */
function hashFields(sha256: string | null, storedSize: number | undefined): string {
  if (storedSize === undefined) return sha256 === null ? '' : `,"sha256":"${sha256}"`;
  return `,"stored":${storedSize}${sha256 === null ? '' : `,"storedSha256":"${sha256}"`}`;
}

/** `"KEY":"TEXT"`, or `"KEYBase64":"…"` for a name that is not valid UTF-8. */
function field(key: string, byteString: string): string {
  // The usual case: nothing to escape.
  if (/^[ !#-[\]-~]*$/.test(byteString)) return `"${key}":"${byteString}"`;
  if (isAscii(byteString)) return `"${key}":${JSON.stringify(byteString)}`;
  const bytes = toBytes(byteString);
  return isUtf8(bytes)
    ? `"${key}":${JSON.stringify(bytes.toString('utf8'))}`
    : `"${key}Base64":"${bytes.toString('base64')}"`;
}
