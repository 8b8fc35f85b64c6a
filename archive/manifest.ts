import { isUtf8 } from 'node:buffer';
import { toBytes } from './byte-string.js';
import type { PackedMember, SkippedMember } from './member.js';

/**
 * The manifest of an archive: gzip-compressed JSON Lines in UTF-8. The first line is the header, then one line for each
 * member in the order of the archive, one for each entry that was skipped, and the end line. A name that is no UTF-8
 * stands in `nameBase64` (`targetBase64`, `hardLinkOfBase64`) instead. Unknown keys and lines are ignored.
 */
export const manifestVersion = 1;

/** What an archive belongs to. */
export interface ManifestHeader {
  set: string;
  setUuid: string;
  group: number;
  archive: string;
  /** ISO 8601. */
  created: string;
  installation: string;
  sources: string[];
  hostname: string;
  mode: string;
  platform: string;
}

/** The last line: without it the manifest is not whole. */
export interface ManifestEnd {
  members: number;
  skipped: number;
  /** Bytes of file content. */
  bytesIn: number;
  /** Bytes and SHA-256 of the archive file. */
  size: number;
  sha256: string;
  /** Bytes of the archive uncompressed. */
  tarBytes: number;
  /** Uncompressed bytes of each gzip member but the last. */
  blockBytes: number;
  /** Compressed bytes of each gzip member. */
  blocks: number[];
}

export function headerLine(header: ManifestHeader): string {
  return `${JSON.stringify({ tapeflow: 'manifest', version: manifestVersion, ...header })}\n`;
}

export function memberLine(member: PackedMember): string {
  const { name, linkTarget, hardLinkOf, mtimeS, mtimeNs, flags, contentOffset, sha256, ...rest } = member;
  return `${JSON.stringify({
    ...named('name', name),
    ...rest,
    mtime: [mtimeS, mtimeNs],
    ...(linkTarget === null ? {} : named('target', linkTarget)),
    ...(hardLinkOf === null ? {} : named('hardLinkOf', hardLinkOf)),
    ...(sha256 === null ? {} : { sha256 }),
    ...(contentOffset === null ? {} : { content: contentOffset }),
    ...(flags.length === 0 ? {} : { flags }),
  })}\n`;
}

export function skippedLine(skipped: SkippedMember): string {
  return `${JSON.stringify({ ...named('skipped', skipped.name), reason: skipped.reason })}\n`;
}

export function endLine(end: ManifestEnd): string {
  return `${JSON.stringify({ end: true, ...end })}\n`;
}

function named(key: string, byteString: string): Record<string, string> {
  const bytes = toBytes(byteString);
  return isUtf8(bytes) ? { [key]: bytes.toString('utf8') } : { [`${key}Base64`]: bytes.toString('base64') };
}
