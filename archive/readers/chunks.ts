import { ArchiveDamaged } from './archive-file.js';
import type { Chunk } from './tar-source.js';

/** Stands for the chunk before the first. */
export const noChunk: Chunk = { start: 0, data: Buffer.alloc(0) };

/** Returns chunks one after the other, and the previous one again: headers may span two chunks. */
export abstract class Chunks {
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
