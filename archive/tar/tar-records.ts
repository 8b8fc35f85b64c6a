import type { EntryFacts, PackedMember } from '../../entry/member.js';

/** Bytes of a tar record; headers and contents fill whole ones (POSIX.1-2008, pax, "ustar Interchange Format"). */
export const recordBytes = 512;

/**
 * What the headers of one member say. `size`: bytes of content, which follow unless it has a `storedSize`; 0 for links
 * and folders.
 */
export type HeaderFields = EntryFacts<PackedMember['type']> & Pick<PackedMember, 'attributes'>;

/** node-tar's names of the member types. */
export const typeNames = {
  file: 'File',
  directory: 'Directory',
  symlink: 'SymbolicLink',
  link: 'Link',
  fifo: 'FIFO',
  character: 'CharacterDevice',
  block: 'BlockDevice',
} as const;

/** Bytes of a name in the ustar header's fields `name` and `linkname`. */
export const nameBytes = 100;

/** Bytes that some content takes in an archive, padded to whole records. */
export function paddedBytes(bytes: number): number {
  return Math.ceil(bytes / recordBytes) * recordBytes;
}
