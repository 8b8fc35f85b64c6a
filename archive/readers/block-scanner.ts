import { formatBlockBytes } from '../../entry/archive-format.js';
import type { PayloadKey } from '../age/age-format.js';
import type { Decompressor } from '../blocks/decompressor.js';
import { zstdFrame } from '../blocks/zstd-frame.js';
import { english } from '../../messages/sentence.js';
import { ArchiveDamaged } from './archive-file.js';
import { frameBytes, headBytes, memberBytes, NoBlock, plainHead, zstdMagic } from './block-bounds.js';
import { Chunks, noChunk } from './chunks.js';
import type { ForwardSource } from './forward-source.js';
import { HoledFile } from './holed-file.js';
import type { Chunk } from './tar-source.js';

/** Bytes that a compressed block can have beyond its content: headers plus a margin. */
const spareBytes = 64 * 1024;

/**
 * Finds the gzip members or zstd frames of an archive one by one. Bytes are returned only after their block's checksum
 * was verified; a plain gunzip returns them before.
 */
export class BlockScanner extends Chunks implements ForwardSource {
  readonly blocks: number[] = [];
  private readonly file: HoledFile;
  /** Bytes that were read and do not belong to a block yet. */
  private ahead: Buffer = Buffer.alloc(0);
  private readonly blockBytes: number;

  constructor(
    path: string,
    private readonly format: 'gzip' | 'zstd',
    private readonly decompressor: Decompressor,
    opened: PayloadKey | undefined,
  ) {
    super();
    this.file = new HoledFile(path, opened);
    this.blockBytes = formatBlockBytes[format];
  }

  get fileBytes(): number {
    return this.file.fileBytes;
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
      throw new ArchiveDamaged(
        english`block ${this.blocks.length} has ${this.current?.data.length ?? 0} bytes`,
      );
    await this.readAhead(0);
    const { bytes, data } = await this.blockNext(this.blocks.length + 1);
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

  /** Byte of the content where the bytes ahead begin. */
  private get position(): number {
    return this.file.bytesIn - this.ahead.length;
  }

  /** The block at the current position after damage; undefined if there is none. */
  private async wholeBlock(): Promise<{ bytes: number; data: Buffer } | undefined> {
    await this.readAhead(0);
    const block = await this.blockNext(this.blocks.length + 1).catch((error: unknown) => {
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
  private async blockNext(number: number): Promise<{ bytes: number; data: Buffer }> {
    const { ahead, position: begin } = this;
    const what = english`block ${number}`;
    const hole = this.file.holeAfter(begin);
    const reach = hole === undefined ? Infinity : hole.from - begin;
    try {
      const bytes =
        this.format === 'gzip'
          ? await memberBytes(ahead, this.blockBytes, what)
          : frameBytes(ahead, this.blockBytes);
      if (bytes === undefined) {
        if (this.blocks.length === 0) throw new NoBlock(english`${what} does not begin as one`);
        throw new ArchiveDamaged(english`${what} does not begin as one`);
      }
      if (bytes > ahead.length) throw new ArchiveDamaged(english`${what} is cut short`);
      if (bytes > reach) throw new ArchiveDamaged(english`${what} is damaged`);
      return { bytes, data: await this.decompressor.block(ahead.subarray(0, bytes), this.blockBytes, what) };
    } catch (error) {
      if (!(error instanceof ArchiveDamaged) || hole === undefined) throw error;
      if (reach > this.blockBytes + spareBytes) throw error;
      throw new ArchiveDamaged(english`block ${number}: ${hole.why}`);
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
