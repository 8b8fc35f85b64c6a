import { SideError } from '../../config/sides.js';
import type { PayloadKey } from '../age/age-format.js';
import type { Decompressor } from '../blocks/decompressor.js';
import { english } from '../../messages/sentence.js';
import type { ArchiveBytes } from './archive-bytes.js';
import { ArchiveDamaged } from './archive-file.js';
import { openBytes } from './open-bytes.js';
import type { Chunk, TarSource } from './tar-source.js';

/**
 * Reads any file of a format from start to end; for an archive without an index.
 *
 * @param hashing take the file's own hash too.
 * @param opened what opens the file, if it is encrypted.
 */
export class StreamReader implements TarSource {
  private readonly content: AsyncIterator<Buffer>;
  private readonly chunks: AsyncIterator<Buffer>;
  private current: Chunk | undefined = { start: 0, data: Buffer.alloc(0) };
  private readonly file: ArchiveBytes;
  private isOpen = true;

  constructor(path: string, decompressor: Decompressor, hashing = false, opened?: PayloadKey) {
    this.file = openBytes(path, hashing, opened);
    this.chunks = this.fileChunks();
    this.content = decompressor.all(this.chunks);
  }

  get fileBytes(): number {
    return this.file.fileSize;
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
          english`it cannot be read after ${start + data.length} bytes
            (${error instanceof Error ? error.message : 'error'})`,
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
    return this.file.sha256();
  }

  close(): void {
    this.isOpen = false;
    this.content.return?.().catch(() => undefined);
    this.file.close();
  }

  private async *fileChunks(): AsyncGenerator<Buffer, undefined> {
    for (let at = 0; this.isOpen;) {
      const buffer = Buffer.allocUnsafe(1024 * 1024);
      const reading = this.file.read(buffer, at, true);
      const { bytes, holes } = reading instanceof Promise ? await reading : reading;
      const [hole] = holes;
      if (hole !== undefined) throw new ArchiveDamaged(hole.why);
      if (bytes === 0) break;
      at += bytes;
      yield buffer.subarray(0, bytes);
    }
    return undefined;
  }
}
