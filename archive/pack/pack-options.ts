import type { ArchiveFormat, CodecChoice } from '../../entry/archive-format.js';
import type { ManifestEnd, ManifestHeader } from '../../entry/manifest-content.js';
import type {
  GoneMember,
  PackedMember,
  PlannedMember,
  SkippedMember,
  UnchangedMember,
} from '../../entry/member.js';
import type { OutputSide } from './output-file.js';

export interface PackOptions {
  /** Both must not exist. */
  archivePath: string;
  manifestPath: string;
  /** The side of both files, for errors of writing them. Default: `staging`. */
  side?: OutputSide | undefined;
  /** Default: `gzip`. */
  format?: ArchiveFormat;
  /** See `openCodec`. */
  level: number;
  /** Default: `auto`. With `zlib`, the native part is not used at all. */
  codec?: CodecChoice;
  /** The recipients of age that both files are encrypted to; undefined: neither is. */
  recipients?: readonly string[] | undefined;
  /** Number of blocks compressed at once. */
  inFlight: number;
  /**
   * Maximum bytes of file content, as it is stored; a file that has grown beyond it since the plan is skipped. Null: no
   * limit.
   */
  maxBytes: number | null;
  manifestHeader: ManifestHeader;
  /** With `changes` in the header: entries of the group, with those that are unchanged and do not come. */
  groupEntries?: number | undefined;
}

export interface PackOutcome {
  archive: ManifestEnd;
  manifest: { size: number; sha256: string };
}

export interface PackProgress {
  /** Bytes of file content so far, as it is stored. */
  bytesIn: number;
  /** Compressed bytes written so far. */
  bytesOut: number;
  files: number;
}

/** An entry for the packer: one to be stored, one to be listed only, or a file of the base that is gone. */
export type PackEntry = PlannedMember | UnchangedMember | GoneMember;

/** What became of some entries: stored, found to be held by an earlier archive, or skipped; padded ones are in two. */
export interface PackedBatch {
  packed: PackedMember[];
  unchanged: UnchangedMember[];
  skipped: SkippedMember[];
}
