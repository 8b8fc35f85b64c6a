import type { PayloadKey } from '../age/age-format.js';
import type { BlockIndex } from '../../entry/block-index.js';
import type { ArchiveFormat, CodecChoice } from '../../entry/archive-format.js';
import type { EntryFacts, MemberType, PackedMember } from '../../entry/member.js';
import type { MetadataKind } from '../../entry/metadata-kind.js';
import type { OwnerChoice } from '../../entry/owner-choice.js';

/** What to do when something else is already at a file's place. `if-newer`: replace older files. */
export type Overwrite = 'never' | 'if-newer' | 'always';

/** A member wanted from an archive; `linkTarget` of a file is the member that it is another hard link to. */
export interface WantedMember
  extends
    Omit<EntryFacts<MemberType>, 'device'>,
    // No `sha256`: also of content that was padded.
    Pick<PackedMember, 'nlink' | 'attributes' | 'sha256' | 'offset'> {
  /** For a further hard link: offset of the headers of the member that it links to. */
  linkOffset: number | null;
  /** It was another name of `linkTarget` when its content was stored, but is a file of its own since. */
  apart?: boolean | undefined;
  /** The archive does not hold it as the source had it; see `isWholeRow`. It never replaces what is there. */
  damaged?: boolean | undefined;
  /** Where the next member's headers begin; only for `salvage`. */
  next?: number | undefined;
  /** Why it is not restored whatever is read, as a part of a sentence. */
  refused?: string;
}

export interface UnpackOptions {
  archivePath: string;
  /** The archive in reasons, where that is not its path. */
  shown?: string;
  /** Default: `gzip`. */
  format?: ArchiveFormat;
  /** Default: `auto`. */
  codec?: CodecChoice;
  /** What opens the archive, if it is encrypted. */
  opened?: PayloadKey | undefined;
  /** Undefined: the archive is read from start to end. */
  index: BlockIndex | undefined;
  /** Existing folder to restore into; null: everything is only read and compared. */
  target: string | null;
  overwrite: Overwrite;
  /** Damaged members may replace what is there too, as `overwrite` says. */
  salvage?: boolean | undefined;
  owners: OwnerChoice;
  /** tapeflow's own folders and files, which must not be restored into or replaced; see `ownEntries`. */
  own: Record<string, string>;
  /** The restore and its attempt, for the names of incomplete files. */
  job: { name: string; token: string };
  /** How many leading parts of each name are left off in the target. Default: none. */
  strip?: number;
  /** With `salvage`, no other copy is left to be read: what can be read of a damaged file is restored too. */
  lastCopy?: boolean;
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
  /** It was restored all the same, but is not what was backed up. */
  salvaged?: true;
}
