import { createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import { SideError } from '../../config/sides.js';
import type { Decompressor } from '../blocks/decompressor.js';
import { ArchiveDamaged, holeText, openArchive, readFromTape } from './archive-file.js';
import type { Chunk, TarSource } from './tar-source.js';

/**
 * Reads any file of a format from start to end; for an archive without an index.
 *
 * @param hashing take the file's own hash too.
 */
export class StreamReader implements TarSource {
  private readonly content: AsyncIterator<Buffer>;
  private readonly chunks: AsyncIterator<Buffer>;
  private current: Chunk | undefined = { start: 0, data: Buffer.alloc(0) };
  private readonly fd: number;
  private isOpen = true;
  private readonly hash = createHash('sha256');
  /** Bytes of the file read so far. */
  bytesIn = 0;

  constructor(path: string, decompressor: Decompressor, hashing = false) {
    ({ fd: this.fd } = openArchive(path));
    this.chunks = this.fileChunks(hashing);
    this.content = decompressor.all(this.chunks);
  }

  prefetch(): void {
    // Everything is read anyway.
  }

  async chunkAt(offset: number): Promise<Chunk | undefined> {
    while (this.current !== undefined && offset >= this.current.start + this.current.data.length) {
      const { start, data } = this.current;
      let next: IteratorResult<Buffer>;
      try {
        next = await this.content.next();
      } catch (error) {
        if (error instanceof SideError) throw error;
        throw new ArchiveDamaged(
          `it cannot be read after ${start + data.length} bytes (${error instanceof Error ? error.message : 'error'})`,
        );
      }
      this.current = next.done === true ? undefined : { start: start + data.length, data: next.value };
    }
    if (this.current !== undefined && offset < this.current.start)
      throw new Error('a stream cannot be read backwards');
    return this.current;
  }

  /** SHA-256 of the whole file in hex, even if it cannot be decompressed; nothing can be read afterwards. */
  async sha256(): Promise<string> {
    if (this.content !== this.chunks) await this.content.return?.();
    while ((await this.chunks.next()).done !== true);
    return this.hash.digest('hex');
  }

  close(): void {
    this.isOpen = false;
    this.content.return?.().catch(() => undefined);
    closeSync(this.fd);
  }

  private async *fileChunks(hashing: boolean): AsyncGenerator<Buffer, undefined> {
    while (this.isOpen) {
      const buffer = Buffer.allocUnsafe(1024 * 1024);
      const reading = readFromTape(this.fd, buffer, this.bytesIn, true);
      const { bytes, holes, error } = reading instanceof Promise ? await reading : reading;
      const [hole] = holes;
      if (hole !== undefined) throw new ArchiveDamaged(holeText(hole, this.bytesIn, error));
      if (bytes === 0) break;
      this.bytesIn += bytes;
      const chunk = buffer.subarray(0, bytes);
      if (hashing) this.hash.update(chunk);
      yield chunk;
    }
    return undefined;
  }
}
