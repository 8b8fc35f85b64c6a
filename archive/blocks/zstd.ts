import zlib from 'node:zlib';
import { releaseBuffer, acquireBuffer } from './buffer-pool.js';
import { FormatUnsupported, formatBlockBytes, type CodecChoice } from '../../entry/archive-format.js';
import { loadAddon, type Addon, type ZstdStream } from '../../native/addon.js';
import { english } from '../../messages/sentence.js';
import { trialText } from './native-codec.js';
import { FrameCutter } from './zstd-frame.js';

/** zstd from the addon, or from Node 22.15 or newer. */
export interface Zstd {
  name: string;
  /**
   * One frame (RFC 8878) of a block, with its content's size and checksum, at a level from 1 to 19. Valid until it is
   * passed to `recycle`.
   */
  compress(block: Buffer, level: number): Promise<Buffer>;
  recycle(output: Buffer): void;
  /** Contents of one frame, `contentBytes` bytes. Rejects when it is damaged. */
  decompress(frame: Buffer, contentBytes: number): Promise<Buffer>;
  /** Contents of any frames that arrive in chunks. */
  decompressAll(chunks: AsyncIterator<Buffer>): AsyncIterator<Buffer>;
}

/** What `node:zlib` provides from Node 22.15 on. */
interface NodeZstd {
  zstdCompress(block: Buffer, options: object, done: (error: Error | null, output: Buffer) => void): void;
  zstdDecompress(frame: Buffer, options: object, done: (error: Error | null, output: Buffer) => void): void;
  createZstdDecompress(options: object): zlib.Gunzip;
  constants: Record<'ZSTD_c_compressionLevel' | 'ZSTD_c_checksumFlag' | 'ZSTD_c_contentSizeFlag', number>;
}

const opened = new Map<CodecChoice, Promise<Zstd | undefined>>();

/** zstd, if one works here; tested once per thread. */
export function openZstd(choice: CodecChoice): Promise<Zstd | undefined> {
  let zstd = opened.get(choice);
  if (zstd === undefined) opened.set(choice, (zstd = open(choice)));
  return zstd;
}

/** The same, but throws `FormatUnsupported` when there is none. */
export async function requireZstd(choice: CodecChoice): Promise<Zstd> {
  const zstd = await openZstd(choice);
  if (zstd !== undefined) return zstd;
  throw new FormatUnsupported(
    choice === 'auto'
      ? english`zstd is not there: it needs Node 22.15 or newer, or cargo at set-up`
      : english`zstd is not there: it needs Node 22.15 or newer, or COMPRESSION_CODEC=auto and cargo at
        set-up`,
  );
}

async function open(choice: CodecChoice): Promise<Zstd | undefined> {
  const addon = choice === 'auto' ? loadAddon() : undefined;
  if (addon !== undefined) {
    const zstd = addonZstd(addon);
    if (await works(zstd)) return zstd;
  }
  const node = zlib as unknown as NodeZstd;
  return typeof node.zstdCompress === 'function' ? nodeZstd(node) : undefined;
}

/** Tests a round trip. */
async function works(zstd: Zstd): Promise<boolean> {
  try {
    const text = trialText();
    const frame = await zstd.compress(text, 3);
    return (await zstd.decompress(frame, text.length)).equals(text);
  } catch {
    return false;
  }
}

function addonZstd(addon: Addon): Zstd {
  const most = formatBlockBytes.zstd;
  const outputBytes = most + most / 128 + 1024;
  return {
    name: 'zstd',
    async compress(block, level) {
      const memory = acquireBuffer(outputBytes);
      return Buffer.from(memory, 0, await addon.zstdCompress(block, new Uint8Array(memory), level));
    },
    recycle: (output) => releaseBuffer(output.buffer),
    async decompress(frame, contentBytes) {
      const content = Buffer.allocUnsafeSlow(contentBytes);
      const bytes = await addon.zstdDecompress(frame, content);
      if (bytes !== contentBytes)
        throw new Error(english`it holds ${bytes} bytes instead of ${contentBytes}`);
      return content;
    },
    decompressAll: (chunks) => framesByAddon(new addon.ZstdStream(), chunks),
  };
}

/** Bytes per output chunk. */
const streamBytes = 1024 * 1024;

async function* framesByAddon(
  stream: ZstdStream,
  chunks: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer, undefined> {
  let isBegun = false;
  for (;;) {
    const next = await chunks.next();
    if (next.done === true) break;
    let input = next.value;
    for (let isFull = false; input.length > 0 || (isFull && !stream.ended);) {
      const output = Buffer.allocUnsafeSlow(streamBytes);
      const [taken, given] = stream.read(input, output);
      isBegun = true;
      input = input.subarray(taken);
      isFull = given === output.length;
      if (given > 0) yield output.subarray(0, given);
    }
  }
  if (isBegun && !stream.ended) throw new Error(english`unexpected end of file`);
  return undefined;
}

function nodeZstd(node: NodeZstd): Zstd {
  const called = (call: (done: (error: Error | null, output: Buffer) => void) => void) =>
    new Promise<Buffer>((resolve, reject) =>
      call((error, output) => (error === null ? resolve(output) : reject(error))),
    );
  const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag, ZSTD_c_contentSizeFlag } = node.constants;
  return {
    name: "Node's zstd",
    compress: (block, level) =>
      called((done) =>
        node.zstdCompress(
          block,
          {
            params: {
              [ZSTD_c_compressionLevel]: level,
              [ZSTD_c_checksumFlag]: 1,
              [ZSTD_c_contentSizeFlag]: 1,
            },
            // Without it the frame lacks its content size.
            pledgedSrcSize: block.length,
          },
          done,
        ),
      ),
    recycle: () => undefined,
    async decompress(frame, contentBytes) {
      // One byte more than needed: Node would request another chunk when the first is completely filled.
      const options = { chunkSize: Math.max(contentBytes + 1, 64), maxOutputLength: contentBytes + 1 };
      const content = await called((done) => node.zstdDecompress(frame, options, done));
      if (content.length !== contentBytes)
        throw new Error(english`it holds ${content.length} bytes instead of ${contentBytes}`);
      return content;
    },
    decompressAll: (chunks) => framesByNode(node, chunks),
  };
}

/** Node's stream ends after the first frame and accepts a truncated one, so each frame gets its own stream. */
async function* framesByNode(
  node: NodeZstd,
  chunks: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer, undefined> {
  const cutter = new FrameCutter(chunks);
  while (await cutter.hasNext())
    yield* throughStream(node.createZstdDecompress({ chunkSize: streamBytes }), cutter.frame());
  return undefined;
}

/** Pipes chunks through a zlib stream. Ends the stream when the consumer stops. */
export async function* throughStream(
  stream: zlib.Gunzip,
  chunks: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer, undefined> {
  void feed(stream, chunks);
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } finally {
    stream.destroy();
  }
  return undefined;
}

async function feed(stream: zlib.Gunzip, chunks: AsyncIterator<Buffer>): Promise<void> {
  try {
    for (;;) {
      const next = await chunks.next();
      if (next.done === true || stream.destroyed) break;
      if (!stream.write(next.value)) await new Promise((resolve) => stream.once('drain', resolve));
    }
    stream.end();
  } catch (error) {
    stream.destroy(error instanceof Error ? error : undefined);
  }
}
