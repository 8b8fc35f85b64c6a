import { gzip } from 'node:zlib';
import { isIncompressible } from './incompressible.js';
import { openLibdeflate, type Libdeflate } from './native-codec.js';

/** Makes one gzip member (RFC 1952) of each block, on libuv's pool. */
export interface BlockCodec {
  name: 'libdeflate' | 'zlib';
  /** The output is good until `recycle` gets it. */
  compress(block: Buffer): Promise<Buffer>;
  recycle(output: Buffer): void;
}

/** `auto`: libdeflate where it was built, else zlib. */
export type CodecChoice = 'auto' | 'zlib';

/** The codec for blocks of at most 1 MiB at a level of 1 to 9 as gzip has them; 0 stores. */
export async function openCodec(level: number, choice: CodecChoice): Promise<BlockCodec> {
  const libdeflate = choice === 'auto' ? await openLibdeflate() : undefined;
  return libdeflate === undefined ? zlibCodec(level) : libdeflateCodec(libdeflate, level);
}

/**
 * libdeflate's level for each of gzip's: the fastest whose output is at most 1.01 times pigz's on text, JavaScript, Python
 * and programs alike.
 */
const libdeflateLevels = [0, 1, 1, 1, 3, 5, 5, 6, 6, 7];

/** Reuses outputs: as many as blocks were under way at once. */
function libdeflateCodec(libdeflate: Libdeflate, level: number): BlockCodec {
  const outputs: ArrayBufferLike[] = [];
  const outputBytes = libdeflate.outputBytes(libdeflate.mostBytes);
  const blockLevel = libdeflateLevels[level] ?? level;
  return {
    name: 'libdeflate',
    async compress(block) {
      const memory = outputs.pop() ?? new ArrayBuffer(outputBytes);
      const bytes = await libdeflate.gzip(
        block,
        new Uint8Array(memory),
        isIncompressible(block) ? 0 : blockLevel,
      );
      return Buffer.from(memory, 0, bytes);
    },
    recycle: (output) => void outputs.push(output.buffer),
  };
}

function zlibCodec(level: number): BlockCodec {
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

/** Bytes from the middle of a block that are tried at two levels. */
const trialBytes = 32 * 1024;
/** Level 5 takes two thirds of the time of 6: it serves for blocks whose trial it makes at most this much larger. */
const mostGrowth = 1.006;

/** zlib's level for a block; for 6 it depends on the block, and on nothing else, so that the same input makes the same archive. */
async function zlibLevel(block: Buffer, level: number): Promise<number> {
  if (isIncompressible(block)) return 0;
  if (level !== 6 || block.length < 8 * trialBytes) return level;
  const middle = Math.floor((block.length - trialBytes) / 2);
  const trial = block.subarray(middle, middle + trialBytes);
  const [five, six] = await Promise.all([deflated(trial, 5), deflated(trial, 6)]);
  return five.length <= mostGrowth * six.length ? 5 : 6;
}
