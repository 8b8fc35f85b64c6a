import { createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import { inflateRaw } from 'node:zlib';
import { ArchiveDamaged, holeText, openArchive, readFromTape } from './archive-file.js';
import { StreamReader, type Chunk, type TarSource } from './block-reader.js';
import { openDecompressor, type Decompressor } from './decompressor.js';
import { formatBlockBytes, type ArchiveFormat } from './format.js';
import { zstdFrame } from './zstd-frame.js';

/** An archive that is read from its beginning to its end, without its manifest. */
export interface ForwardSource extends TarSource {
  /** Bytes of the file read so far. */
  readonly bytesIn: number;
  /** Compressed bytes of each block that was good so far: the index; empty when it has no blocks such as the packer makes. */
  readonly blocks: readonly number[];
  /** SHA-256 of the whole file in hex, whatever of it could be decompressed; nothing can be read after it. */
  sha256(): Promise<string>;
}

/** Bytes that a compressed block can have beyond its content: its headers, and some to spare. */
const spareBytes = 64 * 1024;
/** Bytes of a gzip member's header without optional fields, and of its end (RFC 1952, 2.3). */
const headBytes = 10;
const endBytes = 8;
/** ID, method and flags of a member without optional fields: the packer writes none. */
const plainHead = Buffer.from([0x1f, 0x8b, 0x08, 0x00]);

/**
 * Opens an archive: by its blocks if it has such as the packer makes, else as any file of its format. Throws
 * `FormatUnsupported` where there is no zstd.
 */
export async function openForward(path: string, format: ArchiveFormat): Promise<ForwardSource> {
  const decompressor = await openDecompressor(format, 'auto');
  if (format === 'none') return new PlainReader(path, decompressor, true);
  const scanner = new BlockScanner(path, format, decompressor);
  try {
    if (await scanner.hasBlocks()) return scanner;
  } catch (error) {
    scanner.close();
    throw error;
  }
  scanner.close();
  return new AnyReader(path, decompressor, true);
}

/** An archive that another program has compressed: it has no blocks. */
class AnyReader extends StreamReader implements ForwardSource {
  readonly blocks: readonly number[] = [];
}

/** An archive that is not compressed: its blocks are where they must be, and nothing says whether their bytes are good. */
class PlainReader extends StreamReader implements ForwardSource {
  get blocks(): readonly number[] {
    const most = formatBlockBytes.none;
    return Array.from({ length: Math.ceil(this.bytesIn / most) }, (_, at) =>
      Math.min(most, this.bytesIn - at * most),
    );
  }
}

/** The block is none of the packer's; damage only where others were before it. */
class NoBlock extends ArchiveDamaged {}

/**
 * Finds the gzip members or zstd frames of an archive one after the other. Bytes are given out only when the checksum of their
 * block has been checked; a plain gunzip gives them out before.
 */
class BlockScanner implements ForwardSource {
  readonly blocks: number[] = [];
  bytesIn = 0;
  private readonly fd: number;
  private readonly hash = createHash('sha256');
  /** Bytes of the file that were read and are in no block yet. */
  private ahead: Buffer = Buffer.alloc(0);
  private current: Chunk | undefined = { start: 0, data: Buffer.alloc(0) };

  private readonly blockBytes: number;

  constructor(
    path: string,
    private readonly format: 'gzip' | 'zstd',
    private readonly decompressor: Decompressor,
  ) {
    ({ fd: this.fd } = openArchive(path));
    this.blockBytes = formatBlockBytes[format];
  }

  /** False when the archive was not made of the packer's blocks. Damage is met again by the reader. */
  async hasBlocks(): Promise<boolean> {
    try {
      const first = await this.chunkAt(0);
      return first === undefined || first.data.length === this.blockBytes || (await this.isAtEnd());
    } catch (error) {
      if (error instanceof NoBlock) return false;
      if (error instanceof ArchiveDamaged) return true;
      throw error;
    }
  }

  expect(): void {
    // Everything is read anyway.
  }

  async chunkAt(offset: number): Promise<Chunk | undefined> {
    while (this.current !== undefined && offset >= this.current.start + this.current.data.length) {
      const start = this.current.start + this.current.data.length;
      if (await this.isAtEnd()) this.current = undefined;
      else if (start !== this.blocks.length * this.blockBytes)
        throw new ArchiveDamaged(`block ${this.blocks.length} has ${this.current.data.length} bytes`);
      else this.current = { start, data: await this.nextBlock() };
    }
    return this.current;
  }

  async sha256(): Promise<string> {
    this.ahead = Buffer.alloc(0);
    try {
      while (await this.readMore());
    } catch (error) {
      // Of what cannot be read there is no hash; that it is damaged is known already.
      if (!(error instanceof ArchiveDamaged)) throw error;
    }
    return this.hash.digest('hex');
  }

  close(): void {
    closeSync(this.fd);
  }

  private async isAtEnd(): Promise<boolean> {
    return this.ahead.length === 0 && !(await this.readMore());
  }

  private async nextBlock(): Promise<Buffer> {
    while (this.ahead.length < this.blockBytes + spareBytes && (await this.readMore()));
    const what = `block ${this.blocks.length + 1}`;
    const { ahead } = this;
    const bytes =
      this.format === 'gzip'
        ? await memberBytes(ahead, this.blockBytes, what)
        : frameBytes(ahead, this.blockBytes);
    if (bytes === undefined) {
      if (this.blocks.length === 0) throw new NoBlock(`${what} does not begin as one`);
      throw new ArchiveDamaged(`${what} does not begin as one`);
    }
    if (bytes > ahead.length) throw new ArchiveDamaged(`${what} is cut short`);
    const data = await this.decompressor.block(ahead.subarray(0, bytes), this.blockBytes, what);
    this.ahead = ahead.subarray(bytes);
    this.blocks.push(bytes);
    return data;
  }

  /** Returns false at the end of the file. */
  private async readMore(): Promise<boolean> {
    const more = Buffer.allocUnsafe(4 * 1024 * 1024);
    const reading = readFromTape(this.fd, more, this.bytesIn, true);
    const { bytes, holes, error } = reading instanceof Promise ? await reading : reading;
    const [hole] = holes;
    if (hole !== undefined) throw new ArchiveDamaged(holeText(hole, this.bytesIn, error));
    this.bytesIn += bytes;
    const chunk = more.subarray(0, bytes);
    this.hash.update(chunk);
    this.ahead = this.ahead.length === 0 ? chunk : Buffer.concat([this.ahead, chunk]);
    return bytes > 0;
  }
}

/** Bytes of the zstd frame that some bytes begin with; undefined for one that is none of the packer's. */
function frameBytes(ahead: Buffer, most: number): number | undefined {
  const frame = zstdFrame(ahead);
  return frame === undefined || frame.contentBytes > most ? undefined : frame.bytes;
}

/** Bytes of the gzip member that some bytes begin with; undefined for one that is none of the packer's. */
async function memberBytes(ahead: Buffer, most: number, what: string): Promise<number | undefined> {
  if (!ahead.subarray(0, 4).equals(plainHead)) return undefined;
  return headBytes + (await deflatedBytes(ahead.subarray(headBytes), most, what)) + endBytes;
}

/** Bytes of the deflate stream (RFC 1951) that some bytes begin with. */
function deflatedBytes(bytes: Buffer, most: number, what: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { chunkSize: most + 1, maxOutputLength: most, info: true };
    inflateRaw(bytes, options, (error, result) => {
      if (error === null) {
        // With `info`, the result is the buffer and the engine; the engine's `bytesWritten` is what it took in.
        resolve((result as unknown as { engine: { bytesWritten: number } }).engine.bytesWritten);
      } else if ('code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')
        reject(new NoBlock(`${what} is larger than a block`));
      else reject(new ArchiveDamaged(`${what} is damaged (${error.message})`));
    });
  });
}
