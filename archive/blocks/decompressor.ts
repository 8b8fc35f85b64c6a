import { createGunzip, gunzip } from 'node:zlib';
import { ArchiveDamaged } from '../readers/archive-file.js';
import type { ArchiveFormat, CodecChoice } from '../../entry/archive-format.js';
import { english } from '../../messages/sentence.js';
import { openLibdeflate, type Libdeflate } from './native-codec.js';
import { requireZstd, throughStream, type Zstd } from './zstd.js';
import { zstdFrame } from './zstd-frame.js';

/** Decompresses archives of one format. */
export interface Decompressor {
  format: ArchiveFormat;
  /**
   * Contents of one block, at most `most` bytes; verifies its checksum, except for `none`, which has none. `what` names
   * it for messages. Throws `ArchiveDamaged`.
   */
  block(compressed: Buffer, most: number, what: string): Promise<Buffer>;
  /** Contents of any file of the format, whoever made it. Throws plain errors. */
  all(chunks: AsyncIterator<Buffer>): AsyncIterator<Buffer>;
}

/** Throws `FormatUnsupported` where there is no zstd. */
export async function openDecompressor(format: ArchiveFormat, choice: CodecChoice): Promise<Decompressor> {
  if (format === 'gzip') {
    const libdeflate = choice === 'auto' ? await openLibdeflate() : undefined;
    return libdeflate === undefined ? gzipDecompressor : libdeflateDecompressor(libdeflate);
  }
  return format === 'zstd' ? zstdDecompressor(await requireZstd(choice)) : plainDecompressor;
}

const gzipDecompressor: Decompressor = {
  format: 'gzip',
  block: (compressed, most, what) =>
    new Promise((resolve, reject) => {
      // One byte more than needed: zlib would request another chunk when the first is completely filled.
      gunzip(compressed, { chunkSize: most + 1, maxOutputLength: most }, (error, data) => {
        if (error === null) resolve(data);
        else reject(damaged(what, error));
      });
    }),
  all: (chunks) => throughStream(createGunzip({ chunkSize: 1024 * 1024 }), chunks),
};

/** Whatever libdeflate does not accept as one complete member goes to zlib, which accepts it or says what is wrong. */
const libdeflateDecompressor = (libdeflate: Libdeflate): Decompressor => ({
  ...gzipDecompressor,
  async block(compressed, most, what) {
    // The last four bytes of a member hold its uncompressed size (RFC 1952, ISIZE).
    const bytes = compressed.length < 18 ? Infinity : compressed.readUInt32LE(compressed.length - 4);
    if (bytes <= most && compressed.length <= 2 * libdeflate.MOST_BYTES) {
      const data = Buffer.allocUnsafeSlow(bytes);
      const got = await libdeflate.gunzip(compressed, data).catch(() => undefined);
      if (got === bytes) return data;
    }
    return gzipDecompressor.block(compressed, most, what);
  },
});

const zstdDecompressor = (zstd: Zstd): Decompressor => ({
  format: 'zstd',
  async block(compressed, most, what) {
    const frame = zstdFrame(compressed);
    if (frame === undefined || frame.bytes !== compressed.length || frame.contentBytes > most)
      throw new ArchiveDamaged(english`${what} is damaged (it is no zstd frame of its size)`);
    try {
      return await zstd.decompress(compressed, frame.contentBytes);
    } catch (error) {
      throw damaged(what, error);
    }
  },
  all: (chunks) => zstd.decompressAll(chunks),
});

const plainDecompressor: Decompressor = {
  format: 'none',
  async block(stored, most, what) {
    if (stored.length > most) throw new ArchiveDamaged(english`${what} has ${stored.length} bytes`);
    return stored;
  },
  all: (chunks) => chunks,
};

function damaged(what: string, error: unknown): ArchiveDamaged {
  return new ArchiveDamaged(
    english`${what} is damaged (${error instanceof Error ? error.message : 'error'})`,
  );
}
