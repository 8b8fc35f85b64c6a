import { formatBlockBytes } from '../../entry/archive-format.js';
import type { PayloadKey } from '../age/age-format.js';
import { ArchiveDamaged } from './archive-file.js';
import { Chunks, noChunk } from './chunks.js';
import type { ForwardSource } from './forward-source.js';
import { HoledFile } from './holed-file.js';
import type { Chunk } from './tar-source.js';

/** An uncompressed archive: its blocks have fixed positions, and nothing shows whether their bytes are intact. */
export class PlainReader extends Chunks implements ForwardSource {
  readonly step = undefined;
  private readonly file: HoledFile;
  /** What was read but not returned yet. */
  private ahead = noChunk;

  constructor(path: string, opened: PayloadKey | undefined) {
    super();
    this.file = new HoledFile(path, opened);
  }

  get fileBytes(): number {
    return this.file.fileBytes;
  }

  get blocks(): readonly number[] {
    const most = formatBlockBytes.none;
    const { bytesIn } = this.file;
    return Array.from({ length: Math.ceil(bytesIn / most) }, (_, at) => Math.min(most, bytesIn - at * most));
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
