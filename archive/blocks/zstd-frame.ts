import { english } from '../../messages/sentence.js';

/** One zstd frame as the packer makes it. */
export interface ZstdFrame {
  /** Bytes of the whole frame. */
  bytes: number;
  /** Bytes of what it holds. */
  contentBytes: number;
}

const magic = 0xfd2fb528;
/** Magic number of skippable frames (RFC 8878, 3.1.2); the last four bits are arbitrary. */
const skippableMagic = 0x184d2a50;
const blockHeaderBytes = 3;
const checksumBytes = 4;
/**
 * Bytes of a dictionary's id, and of the content's size, by their flags in the frame's descriptor (RFC 8878, 3.1.1.1).
 */
const idBytes = [0, 1, 2, 4];
const sizeBytes = [0, 2, 4, 8];

/** What a frame's header says (RFC 8878, 3.1.1.1). */
interface FrameHeader {
  bytes: number;
  /** Undefined when it is not given. */
  contentBytes: number | undefined;
  hasChecksum: boolean;
}

/** Maximum bytes of a frame header. */
const maxHeaderBytes = 18;

/** The header at the start of some bytes; undefined for other bytes or when there are too few. */
function headerOf(data: Buffer): FrameHeader | undefined {
  if (data.length < 6 || data.readUInt32LE(0) !== magic) return undefined;
  const descriptor = data.readUInt8(4);
  const isSingle = (descriptor & 0x20) !== 0;
  const isReserved = (descriptor & 0x08) !== 0;
  const sizeField = descriptor >> 6 === 0 && isSingle ? 1 : (sizeBytes[descriptor >> 6] ?? 0);
  const sizeAt = 5 + (isSingle ? 0 : 1) + (idBytes[descriptor & 0x03] ?? 0);
  const bytes = sizeAt + sizeField;
  if (isReserved || data.length < bytes) return undefined;
  let contentBytes: number | undefined;
  if (sizeField === 8) contentBytes = Number(data.readBigUInt64LE(sizeAt));
  else if (sizeField > 0) contentBytes = data.readUIntLE(sizeAt, sizeField) + (sizeField === 2 ? 256 : 0);
  return { bytes, contentBytes, hasChecksum: (descriptor & 0x04) !== 0 };
}

/** A block's header at `at` (RFC 8878, 3.1.1.2): bytes of the block that follow it; undefined for none. */
function blockAt(data: Buffer, at: number): { isLast: boolean; bytes: number } | undefined {
  const header = data.readUIntLE(at, blockHeaderBytes);
  const type = (header >> 1) & 3;
  // An RLE block stores a single byte.
  return type === 3 ? undefined : { isLast: (header & 1) === 1, bytes: type === 1 ? 1 : header >> 3 };
}

/**
 * The frame at the start of some bytes (RFC 8878, 3.1.1), measured by its block headers. Undefined for other bytes, and
 * for a frame without content size or checksum. It may be longer than the given bytes.
 */
export function zstdFrame(data: Buffer): ZstdFrame | undefined {
  const header = headerOf(data);
  if (header?.contentBytes === undefined || !header.hasChecksum) return undefined;
  const { contentBytes } = header;
  for (let at = header.bytes; ;) {
    // A missing block means that the frame was truncated.
    if (at + blockHeaderBytes > data.length)
      return { bytes: at + blockHeaderBytes + checksumBytes, contentBytes };
    const block = blockAt(data, at);
    if (block === undefined) return undefined;
    at += blockHeaderBytes + block.bytes;
    if (block.isLast) return { bytes: at + checksumBytes, contentBytes };
  }
}

/**
 * Splits a file into its frames, of any size, leaving out skippable ones. Throws at other bytes and at a truncated
 * frame.
 */
export class FrameCutter {
  private ahead: Buffer = Buffer.alloc(0);

  constructor(private readonly chunks: AsyncIterator<Buffer>) {}

  /** False at the end of the file. */
  async hasNext(): Promise<boolean> {
    for (;;) {
      await this.fill(maxHeaderBytes);
      if (this.ahead.length === 0) return false;
      if (this.ahead.length < 8 || this.ahead.readUInt32LE(0) >>> 4 !== skippableMagic >>> 4) return true;
      for await (const _ of this.take(8 + this.ahead.readUInt32LE(4)));
    }
  }

  /** The bytes of the next frame. */
  async *frame(): AsyncGenerator<Buffer, undefined> {
    await this.fill(maxHeaderBytes);
    const header = headerOf(this.ahead);
    if (header === undefined) throw new Error(english`unknown frame`);
    yield* this.take(header.bytes);
    for (let isLast = false; !isLast;) {
      await this.fill(blockHeaderBytes);
      const block = this.ahead.length < blockHeaderBytes ? undefined : blockAt(this.ahead, 0);
      if (block === undefined) throw new Error(english`unknown block, or unexpected end of file`);
      yield* this.take(blockHeaderBytes + block.bytes);
      ({ isLast } = block);
    }
    yield* this.take(header.hasChecksum ? checksumBytes : 0);
    return undefined;
  }

  private async *take(bytes: number): AsyncGenerator<Buffer, undefined> {
    for (let left = bytes; left > 0;) {
      await this.fill(1);
      if (this.ahead.length === 0) throw new Error(english`unexpected end of file`);
      const part = this.ahead.subarray(0, left);
      this.ahead = this.ahead.subarray(part.length);
      left -= part.length;
      yield part;
    }
    return undefined;
  }

  /** Reads until that many bytes are buffered, if the file has them. */
  private async fill(bytes: number): Promise<void> {
    while (this.ahead.length < bytes) {
      const next = await this.chunks.next();
      if (next.done === true) return;
      this.ahead = this.ahead.length === 0 ? next.value : Buffer.concat([this.ahead, next.value]);
    }
  }
}
