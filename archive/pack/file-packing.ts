import type { BlockWriter } from '../blocks/block-writer.js';
import type { CodecChoice } from '../../entry/archive-format.js';
import { storedBytes, type PlannedMember } from '../../entry/member.js';
import { english } from '../../messages/sentence.js';
import type { ContentHash } from './content-hash.js';
import type { PackProgress } from './pack-options.js';

/** What the files of an archive are packed with. */
export interface FilePacking {
  tar: BlockWriter;
  /** Counts the content as it is read. */
  progress: PackProgress;
  /** See `PackOptions`. */
  maxBytes: number | null;
  /** How holes are found; see `dataExtents`. */
  codec: CodecChoice;
  content: ContentHash;
  /** Throws when packing is to stop; called before each block. */
  checkStop(): void;
}

/** Why a file that has grown beyond the limit of the archive is not stored; `isAgain`: some of it is in it already. */
export function whyTooLarge(
  { maxBytes, progress }: FilePacking,
  entry: PlannedMember,
  size: number,
  isAgain: boolean,
): string | undefined {
  const planned = storedBytes(entry);
  const isPlanned = size <= planned && !isAgain;
  if (maxBytes === null || isPlanned || progress.bytesIn + size <= maxBytes) return undefined;
  return english`grew from ${planned} to ${size} bytes since the scan, beyond the archive's limit`;
}
