import type { BlockIndex } from '../../entry/block-index.js';
import type { ArchiveFormat, CodecChoice } from '../../entry/archive-format.js';
import type { PackedMember } from '../../entry/member.js';

/** What to do where something else is at a file's place already. `if-newer`: replace what is older. */
export type Overwrite = 'never' | 'if-newer' | 'always';

/**
 * One member that is wanted from an archive; `linkTarget` of a file is the member that it is a further hard link to.
 */
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
  // Null also where the archive holds none that is true (padded).
  | 'sha256'
  | 'offset'
> {
  type: 'file' | 'directory' | 'symlink';
  /** For a further hard link: where the headers of the member begin that it is the same file as. */
  linkOffset: number | null;
}

export interface UnpackOptions {
  archivePath: string;
  /** Default: `gzip`. */
  format?: ArchiveFormat;
  /** Default: `auto`. */
  codec?: CodecChoice;
  /** Undefined: the archive is read from its beginning to its end. */
  index: BlockIndex | undefined;
  /** Folder to restore into, which exists; null: everything is read and compared, and nothing is written. */
  target: string | null;
  overwrite: Overwrite;
  /** Sets owners too; only root may. */
  owners: boolean;
  /** What of ours must not be restored into or replaced: see `ownEntries`. */
  own: Record<string, string>;
  /** Names the restore and the attempt of it, in the names of files that are not whole yet. */
  job: { name: string; token: string };
  /** Blocks that are read ahead. */
  inFlight: number;
}

/** What became of one member. `same`: it was there already, byte for byte. `kept`: what is there is not older. */
export interface Unpacked {
  name: string;
  outcome: 'restored' | 'same' | 'kept' | 'failed';
  /** Bytes of content. */
  bytes: number;
  reason?: string;
  /** It failed because the archive is damaged: another copy of that may have it. */
  damaged?: true;
}
