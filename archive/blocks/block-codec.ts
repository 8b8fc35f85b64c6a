import { gzip } from 'node:zlib';
import { releaseBuffer, acquireBuffer } from './buffer-pool.js';
import { formatBlockBytes, type ArchiveFormat, type CodecChoice } from '../../entry/archive-format.js';
import { bitsPerByte, incompressibleBits, isIncompressible } from './incompressible.js';
import { openLibdeflate, type Libdeflate } from './native-codec.js';
import { requireZstd, type Zstd } from './zstd.js';

/**
 * Compresses each block to one gzip member (RFC 1952) or zstd frame (RFC 8878) on libuv's pool, or leaves it as it is.
 */
export interface BlockCodec {
  name: string;
  /** Bytes of each block; the last one may be smaller. */
  blockBytes: number;
  /** The output is valid until it is passed to `recycle`. */
  compress(block: Buffer): Promise<Buffer>;
  recycle(output: Buffer): void;
}

/**
 * The codec of a format at a level: gzip's 0 (stored) to 9, zstd's 1 to 19, any for `none`. Throws `FormatUnsupported`
 * where there is no zstd.
 */
export async function openCodec(
  format: ArchiveFormat,
  level: number,
  choice: CodecChoice,
): Promise<BlockCodec> {
  const blockBytes = formatBlockBytes[format];
  if (format === 'none') return { ...plainCodec, blockBytes };
  if (format === 'zstd') return { ...zstdCodec(await requireZstd(choice), level), blockBytes };
  const libdeflate = choice === 'auto' ? await openLibdeflate() : undefined;
  const codec = libdeflate === undefined ? zlibCodec(level) : libdeflateCodec(libdeflate, level);
  return { ...codec, blockBytes };
}

type Codec = Omit<BlockCodec, 'blockBytes'>;

const plainCodec: Codec = {
  name: 'none',
  compress: (block) => Promise.resolve(block),
  recycle: () => undefined,
};

/** zstd itself stores incompressible data as raw blocks, but at high levels this takes as long as compressing text. */
function zstdCodec(zstd: Zstd, level: number): Codec {
  return {
    name: zstd.name,
    compress: (block) => zstd.compress(block, isIncompressible(block) ? 1 : level),
    recycle: (output) => zstd.recycle(output),
  };
}

/**
 * libdeflate's level for each of gzip's: the fastest whose output is at most 1.02 times pigz's on text, JavaScript,
 * Python and programs alike. For 6 it depends on the block.
 */
const libdeflateLevels = [0, 1, 1, 1, 3, 5, 5, 6, 6, 7];
/**
 * Bits per byte of prose in 1 MiB blocks, which needs the deeper search of level 6 to get about as small as with pigz;
 * measured on the benchmark corpora (docs/performance.md). Below are mostly zeros, repeats and headers of tiny files;
 * above are source code and binaries, which that search hardly makes smaller.
 */
const prose = { least: 4.3, most: 5.2 };

/** Depends only on the block, so that the same input yields the same archive. */
function libdeflateLevel(block: Buffer, level: number): number {
  const bits = bitsPerByte(block);
  if (bits > incompressibleBits) return 0;
  if (level !== 6) return libdeflateLevels[level] ?? level;
  return bits >= prose.least && bits <= prose.most ? 6 : 5;
}

function libdeflateCodec(libdeflate: Libdeflate, level: number): Codec {
  const outputBytes = libdeflate.outputBytes(libdeflate.MOST_BYTES);
  return {
    name: 'libdeflate',
    async compress(block) {
      const memory = acquireBuffer(outputBytes);
      const bytes = await libdeflate.gzip(block, new Uint8Array(memory), libdeflateLevel(block, level));
      return Buffer.from(memory, 0, bytes);
    },
    recycle: (output) => releaseBuffer(output.buffer),
  };
}

function zlibCodec(level: number): Codec {
  return {
    name: 'zlib',
    compress: async (block) => deflated(block, await zlibLevel(block, level)),
    recycle: () => undefined,
  };
}

function deflated(block: Buffer, level: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gzip(block, { level, memLevel: 9 }, (error, output) =>
      error === null ? resolve(output) : reject(error),
    );
  });
}

/** Bytes from the middle of a block that are compressed at two levels as a trial. */
const trialBytes = 32 * 1024;
/** Level 5 takes two thirds of the time of level 6; it is used when the trial gets at most this much larger. */
const maxGrowth = 1.006;

/** zlib's level for a block; for 6 it depends only on the block, so that the same input yields the same archive. */
async function zlibLevel(block: Buffer, level: number): Promise<number> {
  if (isIncompressible(block)) return 0;
  if (level !== 6 || block.length < 8 * trialBytes) return level;
  const middle = Math.floor((block.length - trialBytes) / 2);
  const trial = block.subarray(middle, middle + trialBytes);
  const [five, six] = await Promise.all([deflated(trial, 5), deflated(trial, 6)]);
  return five.length <= maxGrowth * six.length ? 5 : 6;
}
