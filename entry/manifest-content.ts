import type { GoneMember, UnchangedMember, PackedMember, SkippedMember } from './member.js';

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
  /** The host that has them, where that is not the one that made the installation. */
  host?: string | undefined;
  hostname: string;
  mode: string;
  /** Id of the set that this one builds on. */
  base?: string | undefined;
  /** The manifest lists only what is other than in the base; undefined: it lists all entries. */
  changes?: ManifestChanges | undefined;
  platform: string;
  /** It was made from the archive alone and lacks what only a scan knows. */
  rebuilt?: boolean | undefined;
  /** Of an encrypted archive: whom it is encrypted to. */
  recipients?: string[] | undefined;
  /** Its set writes an end mark: without one on any of its tapes, nothing shows that the set has ended. */
  endMark?: boolean | undefined;
}

/** What a manifest is added to that lists only what is other than in the base of its set. */
export interface ManifestChanges {
  baseUuid: string;
  /** Names of the tapes that held the base when the manifest was written. */
  baseTapes: string[];
  /** The first and the last name of the group: what the base has between them and no line names is unchanged. */
  first: string;
  last: string;
}

/** The last line; without it the manifest is incomplete. */
export interface ManifestEnd {
  members: number;
  skipped: number;
  /** Entries that earlier archives hold. */
  kept: number;
  /** With `changes`: what the base has and this set has not, and unchanged files that have no line. */
  gone?: number | undefined;
  unchanged?: number | undefined;
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
  /** Of an encrypted archive: what its file begins with, header of age and nonce, in base64. */
  ageHeader?: string | undefined;
}

/** What a complete manifest says about its archive. Names are byte strings. */
export interface ManifestSummary {
  header: ManifestHeader;
  end: ManifestEnd;
  /**
   * Members, skipped entries and those that earlier archives hold, with those that have no line; a padded file, which
   * is two of them, counts once.
   */
  entries: number;
  /** The first and last of all names, in bytewise order, or those of the group where the manifest tells them. */
  first: string;
  last: string;
}

/** One line of a manifest that names an entry. */
export type ManifestEntry =
  { member: PackedMember } | { kept: UnchangedMember } | { skipped: SkippedMember } | { gone: GoneMember };

/** A manifest that is damaged, cut short or forged; the message is part of a sentence. */
export class ManifestError extends Error {}
