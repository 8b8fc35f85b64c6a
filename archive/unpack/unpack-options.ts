import type { BlockIndex } from '../../entry/block-index.js';
import type { ArchiveFormat, CodecChoice } from '../../entry/archive-format.js';
import type { PackedMember } from '../../entry/member.js';
import type { MetadataKind } from '../../entry/metadata-kind.js';
import type { OwnerChoice } from '../../entry/owner-choice.js';

/** What to do when something else is already at a file's place. `if-newer`: replace older files. */
export type Overwrite = 'never' | 'if-newer' | 'always';

/** A member wanted from an archive; `linkTarget` of a file is the member that it is another hard link to. */
export interface WantedMember extends Pick<
  PackedMember,
  | 'name'
  | 'size'
  | 'mtimeS'
  | 'mtimeNs'
  | 'mode'
  | 'uid'
  | 'gid'
  | 'nlink'
  | 'linkTarget'
  // Null also for padded content.
  | 'sha256'
  | 'offset'
> {
  type: 'file' | 'directory' | 'symlink';
  /** For a further hard link: offset of the headers of the member that it links to. */
  linkOffset: number | null;
}

export interface UnpackOptions {
  archivePath: string;
  /** Default: `gzip`. */
  format?: ArchiveFormat;
  /** Default: `auto`. */
  codec?: CodecChoice;
  /** Undefined: the archive is read from start to end. */
  index: BlockIndex | undefined;
  /** Existing folder to restore into; null: everything is only read and compared. */
  target: string | null;
  overwrite: Overwrite;
  owners: OwnerChoice;
  /** tapeflow's own folders and files, which must not be restored into or replaced; see `ownEntries`. */
  own: Record<string, string>;
  /** The restore and its attempt, for the names of incomplete files. */
  job: { name: string; token: string };
  /** Number of blocks read ahead. */
  inFlight: number;
}

/** What became of a member in the target. `same`: it is there, byte for byte. `kept`: what is there is not older. */
export interface Placed {
  outcome: 'restored' | 'same' | 'kept' | 'failed';
  /** What of it is not as it was backed up, though its content is; undefined or empty: nothing. */
  unset?: readonly MetadataKind[];
}

/** The result for one member. */
export interface Unpacked extends Placed {
  name: string;
  /** Bytes of content. */
  bytes: number;
  reason?: string;
  /** It failed because the archive is damaged; another copy may have it. */
  damaged?: true;
}
