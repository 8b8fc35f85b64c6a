import type { PayloadKey } from '../age/age-format.js';
import type { ArchiveBytes, LostRange } from './archive-bytes.js';
import { openBytes } from './open-bytes.js';

const readBytes = 4 * 1024 * 1024;

/** An archive file that is read from start to end; zeros stand for what of its content is lost. */
export class HoledFile {
  /** Bytes of content read so far, holes included. */
  bytesIn = 0;
  /** Lost ranges of the content, ascending. */
  readonly holes: LostRange[] = [];
  private readonly file: ArchiveBytes;

  /** @param opened what opens the file, if it is encrypted. */
  constructor(path: string, opened: PayloadKey | undefined) {
    this.file = openBytes(path, true, opened);
  }

  /** Bytes of the file itself. */
  get fileBytes(): number {
    return this.file.fileSize;
  }

  /** The next bytes; none at the end. */
  async next(): Promise<Buffer> {
    const more = Buffer.allocUnsafe(readBytes);
    const reading = this.file.read(more, this.bytesIn, false);
    const { bytes, holes } = reading instanceof Promise ? await reading : reading;
    for (const hole of holes)
      this.holes.push({ ...hole, from: hole.from + this.bytesIn, to: hole.to + this.bytesIn });
    this.bytesIn += bytes;
    return more.subarray(0, bytes);
  }

  /** The first hole that reaches beyond a byte. */
  holeAfter(position: number): LostRange | undefined {
    return this.holes.find(({ to }) => to > position);
  }

  /** SHA-256 of the whole file in hex, with zeros for unreadable bytes; nothing can be read afterwards. */
  async sha256(): Promise<string> {
    while ((await this.next()).length > 0);
    return this.file.sha256();
  }

  close(): void {
    this.file.close();
  }
}
