import { createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import type { PayloadKey } from '../age/age-format.js';
import { AgeBytes } from './age-bytes.js';
import type { ArchiveBytes, BytesRead } from './archive-bytes.js';
import { holeText, openArchive, readFromTape } from './archive-file.js';

/**
 * Opens an archive.
 *
 * @param hashing take the hash of the file.
 * @param opened what opens it, if it is encrypted.
 */
export function openBytes(path: string, hashing: boolean, opened: PayloadKey | undefined): ArchiveBytes {
  const { fd, size } = openArchive(path);
  return opened === undefined ? new PlainBytes(fd, size, hashing) : new AgeBytes(fd, size, hashing, opened);
}

class PlainBytes implements ArchiveBytes {
  hashedTo = 0;
  private readonly hash = createHash('sha256');

  constructor(
    private readonly fd: number,
    readonly size: number,
    private readonly hashing: boolean,
  ) {}

  get fileSize(): number {
    return this.size;
  }

  read(into: Buffer, position: number, tear: boolean): BytesRead | Promise<BytesRead> {
    const reading = readFromTape(this.fd, into, position, tear);
    const done = ({ bytes, holes, error }: Awaited<typeof reading>): BytesRead => {
      // Torn, the rest of it was not read.
      const isWhole = !tear || holes.length === 0;
      if (this.hashing && position === this.hashedTo && isWhole) {
        this.hash.update(into.subarray(0, bytes));
        this.hashedTo += bytes;
      }
      const lost = holes.map((hole) => ({
        ...hole,
        why: holeText(hole, position, error),
        isUnreadable: true,
      }));
      return { bytes, holes: lost };
    };
    return reading instanceof Promise ? reading.then(done) : done(reading);
  }

  sha256(): string {
    return this.hash.digest('hex');
  }

  close(): void {
    closeSync(this.fd);
  }
}
