import { inflateRaw } from 'node:zlib';
import { ArchiveDamaged } from './archive-file.js';
import { StreamReader, type Chunk, type TarSource } from './block-reader.js';
import { openDecompressor, type Decompressor } from './decompressor.js';
import { formatBlockBytes, type ArchiveFormat } from '../../entry/archive-format.js';
import { HoledFile } from './holed-file.js';
import { zstdFrame } from './zstd-frame.js';

/** An archive that is read from start to end without its manifest. */
export interface ForwardSource extends TarSource {
  /** Bytes of the file read so far. */
  readonly bytesIn: number;
  /** Compressed bytes of each good block so far, the index; empty when the blocks were not made by the packer. */
  readonly blocks: readonly number[];
  /** The first uncompressed byte still available, in the chunk before the last. */
  readonly begin: number;
  /**
   * Uncompressed bytes of a block, if offsets after damage may be wrong by some blocks, since the number of lost blocks
   * is not always known. Otherwise undefined.
   */
  readonly step: number | undefined;
  /**
   * After `ArchiveDamaged`: continues after the damage. Returns the first readable byte; undefined when nothing
   * readable follows.
   */
  resync(): Promise<number | undefined>;
  /** SHA-256 of the whole file in hex, even if it cannot be decompressed; nothing can be read afterwards. */
  sha256(): Promise<string>;
}

/** Bytes that a compressed block can have beyond its content: headers plus a margin. */
const spareBytes = 64 * 1024;
/** Bytes of a gzip member's header without optional fields, and of its trailer (RFC 1952, 2.3). */
const headBytes = 10;
const endBytes = 8;
/** ID, method and flags of a member without optional fields: the packer writes none. */
const plainHead = Buffer.from([0x1f, 0x8b, 0x08, 0x00]);
/** What a zstd frame begins with (RFC 8878, 3.1.1). */
const zstdMagic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/**
 * Opens an archive: block by block if the packer made it, or else as any file of its format. Throws `FormatUnsupported`
 * where there is no zstd.
 */
export async function openForward(path: string, format: ArchiveFormat): Promise<ForwardSource> {
  const decompressor = await openDecompressor(format, 'auto');
  if (format === 'none') return new PlainReader(path);
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

/** An archive compressed by another program: it has no blocks, and nothing after damage can be read. */
class AnyReader extends StreamReader implements ForwardSource {
  readonly blocks: readonly number[] = [];
  readonly begin = 0;
  readonly step = undefined;
  resync(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
}

const noChunk: Chunk = { start: 0, data: Buffer.alloc(0) };

/** Returns chunks one after the other, and the previous one again: headers may span two chunks. */
abstract class Chunks {
  protected current: Chunk | undefined = noChunk;
  private previous = noChunk;
  /** Why nothing follows the last chunk. */
  protected damage: ArchiveDamaged | undefined;

  /** The chunk that starts at a byte; undefined at the end. */
  protected abstract following(start: number): Promise<Chunk | undefined>;

  get begin(): number {
    return this.previous.data.length === 0 ? (this.current?.start ?? 0) : this.previous.start;
  }

  prefetch(): void {
    // Everything is read anyway.
  }

  async chunkAt(offset: number): Promise<Chunk | undefined> {
    const { start, data } = this.previous;
    if (offset >= start && offset < start + data.length) return this.previous;
    while (this.current !== undefined && offset >= this.current.start + this.current.data.length) {
      if (this.damage !== undefined) throw this.damage;
      try {
        this.moveTo(await this.following(this.current.start + this.current.data.length));
      } catch (error) {
        if (error instanceof ArchiveDamaged) this.damage = error;
        throw error;
      }
    }
    return this.current;
  }

  protected moveTo(next: Chunk | undefined): void {
    if (this.current !== undefined) this.previous = this.current;
    this.current = next;
  }
}

/** An uncompressed archive: its blocks have fixed positions, and nothing shows whether their bytes are intact. */
class PlainReader extends Chunks implements ForwardSource {
  readonly step = undefined;
  private readonly file: HoledFile;
  /** What was read but not returned yet. */
  private ahead = noChunk;

  constructor(path: string) {
    super();
    this.file = new HoledFile(path);
  }

  get bytesIn(): number {
    return this.file.bytesIn;
  }

  get blocks(): readonly number[] {
    const most = formatBlockBytes.none;
    return Array.from({ length: Math.ceil(this.bytesIn / most) }, (_, at) =>
      Math.min(most, this.bytesIn - at * most),
    );
  }

  protected async following(start: number): Promise<Chunk | undefined> {
    if (start >= this.ahead.start + this.ahead.data.length)
      this.ahead = { start, data: await this.file.next() };
    const { ahead } = this;
    if (ahead.data.length === 0) return undefined;
    const rest = ahead.data.subarray(start - ahead.start);
    const hole = this.file.holeAfter(start);
    if (hole === undefined) return { start, data: rest };
    if (hole.from <= start) throw new ArchiveDamaged(hole.why);
    return { start, data: rest.subarray(0, hole.from - start) };
  }

  resync(): Promise<number | undefined> {
    if (this.damage === undefined) return Promise.resolve(this.begin);
    this.damage = undefined;
    const { start, data } = this.current ?? noChunk;
    const to = this.file.holeAfter(start + data.length)?.to ?? 0;
    this.moveTo({ start: to, data: Buffer.alloc(0) });
    return Promise.resolve(to);
  }

  sha256(): Promise<string> {
    return this.file.sha256();
  }

  close(): void {
    this.file.close();
  }
}

/** Not a block made by the packer; this is damage only after other blocks. */
class NoBlock extends ArchiveDamaged {}

/**
 * Finds the gzip members or zstd frames of an archive one by one. Bytes are returned only after their block's checksum
 * was verified; a plain gunzip returns them before.
 */
class BlockScanner extends Chunks implements ForwardSource {
  readonly blocks: number[] = [];
  private readonly file: HoledFile;
  /** Bytes that were read and do not belong to a block yet. */
  private ahead: Buffer = Buffer.alloc(0);
  private readonly blockBytes: number;

  constructor(
    path: string,
    private readonly format: 'gzip' | 'zstd',
    private readonly decompressor: Decompressor,
  ) {
    super();
    this.file = new HoledFile(path);
    this.blockBytes = formatBlockBytes[format];
  }

  get bytesIn(): number {
    return this.file.bytesIn;
  }

  get step(): number {
    return this.blockBytes;
  }

  /** False when the archive does not consist of the packer's blocks. Damage is reported later by the reader. */
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

  protected async following(start: number): Promise<Chunk | undefined> {
    if (await this.isAtEnd()) return undefined;
    if (start !== this.blocks.length * this.blockBytes)
      throw new ArchiveDamaged(`block ${this.blocks.length} has ${this.current?.data.length ?? 0} bytes`);
    await this.readAhead(0);
    const { bytes, data } = await this.blockNext(`block ${this.blocks.length + 1}`);
    this.ahead = this.ahead.subarray(bytes);
    this.blocks.push(bytes);
    return { start, data };
  }

  /**
   * Searches for the next complete block that is followed by another block, damage or the archive's end; a block inside
   * a file's content is not. What lies before counts as unreadable blocks, whose bytes are in the index.
   */
  async resync(): Promise<number | undefined> {
    if (this.damage === undefined) return this.begin;
    const { format, blockBytes } = this;
    const { start, data } = this.current ?? noChunk;
    if (start + data.length !== this.blocks.length * blockBytes) return undefined;
    // Some lost blocks still show where they begin, and thus how many there are.
    let [lost, shown] = [0, 1];
    for (let from = 1; ;) {
      const at = this.ahead.indexOf(format === 'gzip' ? plainHead : zstdMagic, from);
      if (at < 0) {
        const passed = Math.max(0, this.ahead.length - 3);
        lost += passed;
        this.ahead = this.ahead.subarray(passed);
        from = 0;
        if (!(await this.readMore())) return undefined;
        continue;
      }
      lost += at;
      this.ahead = this.ahead.subarray(at);
      const block = await this.wholeBlock();
      if (block !== undefined) {
        const count = Math.max(shown, Math.ceil(lost / (blockBytes + spareBytes)));
        for (let no = 0; no < count; no += 1)
          this.blocks.push(Math.floor((lost * (no + 1)) / count) - Math.floor((lost * no) / count));
        const next = { start: this.blocks.length * blockBytes, data: block.data };
        this.ahead = this.ahead.subarray(block.bytes);
        this.blocks.push(block.bytes);
        this.damage = undefined;
        this.moveTo(next);
        return next.start;
      }
      if (this.looksLikeOwn()) shown += 1;
      from = 1;
    }
  }

  sha256(): Promise<string> {
    this.ahead = Buffer.alloc(0);
    return this.file.sha256();
  }

  close(): void {
    this.file.close();
  }

  private async isAtEnd(): Promise<boolean> {
    return this.ahead.length === 0 && !(await this.readMore());
  }

  /** Byte of the file where the bytes ahead begin. */
  private get position(): number {
    return this.file.bytesIn - this.ahead.length;
  }

  /** The block at the current position after damage; undefined if there is none. */
  private async wholeBlock(): Promise<{ bytes: number; data: Buffer } | undefined> {
    await this.readAhead(0);
    const block = await this.blockNext('block').catch((error: unknown) => {
      if (error instanceof ArchiveDamaged) return undefined;
      throw error;
    });
    if (block === undefined) return undefined;
    await this.readAhead(block.bytes);
    const rest = this.ahead.subarray(block.bytes);
    if (rest.length === 0) return block;
    if (block.data.length !== this.blockBytes) return undefined;
    const begin = this.position + block.bytes;
    const hole = this.file.holeAfter(begin);
    const head = this.format === 'gzip' ? plainHead : zstdMagic;
    const isHole = hole !== undefined && hole.from < begin + head.length;
    return isHole || rest.subarray(0, head.length).equals(head) ? block : undefined;
  }

  /** True for the header of a block made by the packer whose rest is damaged. */
  private looksLikeOwn(): boolean {
    if (this.format === 'zstd') return zstdFrame(this.ahead)?.contentBytes === this.blockBytes;
    return this.ahead.length >= headBytes && this.ahead.readUInt32LE(4) === 0;
  }

  /** The block at the current position; enough bytes for a whole block have been read, if the file has them. */
  private async blockNext(what: string): Promise<{ bytes: number; data: Buffer }> {
    const { ahead, position: begin } = this;
    const hole = this.file.holeAfter(begin);
    const reach = hole === undefined ? Infinity : hole.from - begin;
    try {
      const bytes =
        this.format === 'gzip'
          ? await memberBytes(ahead, this.blockBytes, what)
          : frameBytes(ahead, this.blockBytes);
      if (bytes === undefined) {
        if (this.blocks.length === 0) throw new NoBlock(`${what} does not begin as one`);
        throw new ArchiveDamaged(`${what} does not begin as one`);
      }
      if (bytes > ahead.length) throw new ArchiveDamaged(`${what} is cut short`);
      if (bytes > reach) throw new ArchiveDamaged(`${what} is damaged`);
      return { bytes, data: await this.decompressor.block(ahead.subarray(0, bytes), this.blockBytes, what) };
    } catch (error) {
      if (!(error instanceof ArchiveDamaged) || hole === undefined) throw error;
      if (reach > this.blockBytes + spareBytes) throw error;
      throw new ArchiveDamaged(`${what}: ${hole.why}`);
    }
  }

  /** Reads until a whole block's bytes follow a position, if the file has them. */
  private async readAhead(from: number): Promise<void> {
    while (this.ahead.length < from + this.blockBytes + spareBytes && (await this.readMore()));
  }

  /** Returns false at the end of the file. */
  private async readMore(): Promise<boolean> {
    const chunk = await this.file.next();
    this.ahead = this.ahead.length === 0 ? chunk : Buffer.concat([this.ahead, chunk]);
    return chunk.length > 0;
  }
}

/** Bytes of the zstd frame at the start of some bytes; undefined if the packer did not make it. */
function frameBytes(ahead: Buffer, most: number): number | undefined {
  const frame = zstdFrame(ahead);
  return frame === undefined || frame.contentBytes > most ? undefined : frame.bytes;
}

/** Bytes of the gzip member at the start of some bytes; undefined if the packer did not make it. */
async function memberBytes(ahead: Buffer, most: number, what: string): Promise<number | undefined> {
  if (!ahead.subarray(0, 4).equals(plainHead)) return undefined;
  return headBytes + (await deflatedBytes(ahead.subarray(headBytes), most, what)) + endBytes;
}

/** Bytes of the deflate stream (RFC 1951) at the start of some bytes. */
function deflatedBytes(bytes: Buffer, most: number, what: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { chunkSize: most + 1, maxOutputLength: most, info: true };
    inflateRaw(bytes, options, (error, result) => {
      if (error === null) {
        // With `info`, the result has the buffer and the engine; the engine's `bytesWritten` counts its input.
        resolve((result as unknown as { engine: { bytesWritten: number } }).engine.bytesWritten);
      } else if ('code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')
        reject(new NoBlock(`${what} is larger than a block`));
      else reject(new ArchiveDamaged(`${what} is damaged (${error.message})`));
    });
  });
}
