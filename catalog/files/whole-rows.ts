import { english } from '../../messages/sentence.js';
import type { FileRow } from '../rows.js';

/**
 * True when the archive of a row holds the file as the source had it: not with zeros for what could not be read, and
 * not with parts of two times. Such a row is `skipped`, with its reason, and has no SHA-256. One that is `skipped` and
 * has a SHA-256 lacks something else, such as an attribute.
 */
export function isWholeRow({
  state,
  sha256,
  tar_offset: offset,
}: Pick<FileRow, 'state' | 'sha256' | 'tar_offset'>): boolean {
  return offset !== null && state !== 'planned' && (state !== 'skipped' || sha256 !== null);
}

/** What is said of a row that is skipped and is in an archive all the same. */
export function notWholeReason({ reason }: Pick<FileRow, 'reason'>): string {
  return english`It is not whole in the backup: ${reason ?? ''}`;
}
