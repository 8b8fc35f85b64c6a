import { createHash } from 'node:crypto';
import { releaseBuffer, acquireBuffer } from './buffer-pool.js';
import type { Seal } from '../age/seal.js';
import type { BlockCodec } from './block-codec.js';

export interface BlockWriterOptions {
  codec: BlockCodec;
  /** Number of blocks in progress at once; each takes up to two blocks of memory. */
  inFlight: number;
  /** Receives the output, in order. If it throws, every later call throws that error. */
  write(chunk: Buffer): void;
  /** Encrypts the output. */
  seal?: Seal | undefined;
}

const noBlock = Buffer.alloc(0);

/**
 * Compresses a stream of bytes block by block on libuv's thread pool, and writes them in order. The caller puts its
 * bytes directly into the current block, without copying: `room()`, then `advance()`.
 */
export class BlockWriter {
  /** Compressed bytes of each block written so far; before they are encrypted. */
  readonly blockSizes: number[] = [];
  /** Bytes written so far. */
  bytesOut = 0;
  private readonly hash = createHash('sha256');
  private readonly underWay: Promise<void>[] = [];
  private readonly blockBytes: number;
  private block: Buffer;
  private used = 0;
  private dispatched = 0;
  private failure: { error: unknown } | undefined;

  constructor(private readonly options: BlockWriterOptions) {
    this.blockBytes = options.codec.blockBytes;
    this.block = this.newBlock();
  }

  /** Bytes written so far. */
  get position(): number {
    return this.dispatched + this.used;
  }

  /** The free rest of the current block, at least one byte. Waits while too many blocks are in progress. */
  async room(): Promise<Buffer> {
    if (this.used === this.blockBytes) await this.dispatch();
    return this.block.subarray(this.used);
  }

  /** Marks `bytes` of that space as filled. */
  advance(bytes: number): void {
    this.used += bytes;
  }

  /** Writes a copy of some bytes. */
  async write(bytes: Buffer): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      if (this.used === this.blockBytes) await this.dispatch();
      const copied = bytes.copy(this.block, this.used, done);
      this.used += copied;
      done += copied;
    }
  }

  /** Writes zeros. */
  async writeZeros(bytes: number): Promise<void> {
    for (let left = bytes; left > 0;) {
      if (this.used === this.blockBytes) await this.dispatch();
      const filled = Math.min(this.blockBytes - this.used, left);
      this.block.fill(0, this.used, this.used + filled);
      this.used += filled;
      left -= filled;
    }
  }

  /** True when everything from `position` on can be discarded. */
  canRewind(position: number): boolean {
    return position >= this.dispatched;
  }

  /** Discards everything from `position` on; false when that part is already being compressed. */
  rewind(position: number): boolean {
    if (!this.canRewind(position)) return false;
    this.used = position - this.dispatched;
    return true;
  }

  /** Compresses the last block and waits until everything is written. Returns the SHA-256 of the output, in hex. */
  async end(): Promise<string> {
    if (this.used > 0 || this.dispatched === 0) await this.dispatch();
    while (this.underWay.length > 0) await this.settleFirst();
    if (this.options.seal !== undefined) this.put(this.options.seal.end());
    return this.hash.digest('hex');
  }

  /**
   * Waits until no compression is running any more, whatever its result, and releases its memory. Nothing may be
   * written afterwards.
   */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.underWay);
    const { block } = this;
    this.block = noBlock;
    // A block in progress when a write failed is still the current one and was not released.
    if (block !== noBlock) releaseBuffer(block.buffer);
  }

  private newBlock(): Buffer {
    return Buffer.from(acquireBuffer(this.blockBytes));
  }

  private async dispatch(): Promise<void> {
    const { block } = this;
    const input = block.subarray(0, this.used);
    const previous = this.underWay.at(-1) ?? Promise.resolve();
    const compressed = this.options.codec.compress(input);
    const written = (async () => {
      const output = await compressed;
      await previous;
      const { seal } = this.options;
      if (seal !== undefined && this.bytesOut === 0) this.put(seal.begin);
      this.put(seal === undefined ? output : seal.add(output));
      this.blockSizes.push(output.length);
      this.options.codec.recycle(output);
      releaseBuffer(block.buffer);
    })();
    written.catch((error: unknown) => (this.failure ??= { error }));
    this.underWay.push(written);
    this.dispatched += this.used;
    this.used = 0;
    while (this.underWay.length >= this.options.inFlight) await this.settleFirst();
    if (this.failure !== undefined) throw this.failure.error;
    this.block = this.newBlock();
  }

  private put(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.options.write(bytes);
    this.hash.update(bytes);
    this.bytesOut += bytes.length;
  }

  private async settleFirst(): Promise<void> {
    await this.underWay[0];
    void this.underWay.shift();
  }
}
