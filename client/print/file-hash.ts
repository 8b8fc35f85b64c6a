import type { FileRow } from '../../catalog/rows.js';

/**
 * The hash of a file's content for programs. A file that is stored with its holes has that of what is stored instead,
 * and how many bytes that are.
 */
export function jsonHash({
  sha256,
  stored_size: storedSize,
}: FileRow): Record<string, string | number | null> {
  return storedSize === null ? { sha256 } : { sha256: null, storedSize, storedSha256: sha256 };
}
