/** How an archive is compressed. */
export const archiveFormats = ['gzip', 'zstd', 'none'] as const;
export type ArchiveFormat = (typeof archiveFormats)[number];

/** How an archive's name ends. */
export const formatEndings: Record<ArchiveFormat, string> = {
  gzip: '.tar.gz',
  zstd: '.tar.zst',
  none: '.tar',
};

/** How the name of an encrypted file ends, behind all else. */
export const encryptedEnding = '.age';

/** True for the name of an encrypted archive or manifest. */
export function isEncrypted(name: string): boolean {
  return name.endsWith(encryptedEnding);
}

/**
 * Uncompressed bytes of an archive's blocks, all but the last: each is a gzip member (RFC 1952, 2.2) or a zstd frame
 * (RFC 8878, 3.1) of its own, so that a reader can begin at any. Blocks of 1 MiB cost zstd 4 % of size, those of 4 MiB
 * half a per cent; gzip looks back 32 KiB, so that it loses nothing.
 */
export const formatBlockBytes: Record<ArchiveFormat, number> = {
  gzip: 1024 * 1024,
  zstd: 4 * 1024 * 1024,
  none: 1024 * 1024,
};

/** The format of an archive by its name; undefined when the name ends otherwise. */
export function formatOf(name: string): ArchiveFormat | undefined {
  const plain = isEncrypted(name) ? name.slice(0, -encryptedEnding.length) : name;
  return archiveFormats.find((format) => plain.endsWith(formatEndings[format]));
}

/**
 * Whose code compresses and decompresses. `auto`: the native part's where it was built, else Node's; `zlib`: Node's.
 */
export type CodecChoice = 'auto' | 'zlib';

/** This program cannot read or write the format here; the message is a sentence without its end. */
export class FormatUnsupported extends Error {}
