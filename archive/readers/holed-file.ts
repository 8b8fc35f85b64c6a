import { createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import type { Hole } from '../../disk/read-with-retries.js';
import { holeText, openArchive, readFromTape } from './archive-file.js';

const readBytes = 4 * 1024 * 1024;

/** A file on a tape, read from start to end; unreadable bytes are replaced by zeros. */
export class HoledFile {
  /** Bytes read so far, holes included. */
  bytesIn = 0;
  /** Unreadable ranges of the file, ascending, and why each cannot be read. */
  readonly holes: (Hole & { why: string })[] = [];
  private readonly fd: number;
  private readonly hash = createHash('sha256');

  constructor(path: string) {
    ({ fd: this.fd } = openArchive(path));
  }

  /** The next bytes; none at the end. */
  async next(): Promise<Buffer> {
    const more = Buffer.allocUnsafe(readBytes);
    const reading = readFromTape(this.fd, more, this.bytesIn, false);
    const { bytes, holes, error } = reading instanceof Promise ? await reading : reading;
    for (const hole of holes) {
      const { from, to } = hole;
      const why = holeText(hole, this.bytesIn, error);
      this.holes.push({ from: from + this.bytesIn, to: to + this.bytesIn, why });
    }
    this.bytesIn += bytes;
    const chunk = more.subarray(0, bytes);
    this.hash.update(chunk);
    return chunk;
  }

  /** The first hole that reaches beyond a byte. */
  holeAfter(position: number): (Hole & { why: string }) | undefined {
    return this.holes.find(({ to }) => to > position);
  }

  /** SHA-256 of the whole file in hex, with zeros for unreadable bytes; nothing can be read afterwards. */
  async sha256(): Promise<string> {
    while ((await this.next()).length > 0);
    return this.hash.digest('hex');
  }

  close(): void {
    closeSync(this.fd);
  }
}
