import { createDecipheriv, createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import {
  chunkBytes,
  chunkNonce,
  cipher,
  contentBytes,
  sealedChunkBytes,
  tagBytes,
  type PayloadKey,
} from '../age/age-format.js';
import { english } from '../../messages/sentence.js';
import type { ArchiveBytes, BytesRead, LostRange } from './archive-bytes.js';
import { holeText, readFromTape } from './archive-file.js';

/**
 * The content of a file that is encrypted with age. Only the chunks that hold what is asked for are read; one that is
 * damaged or unreadable loses its own bytes alone, 64 KiB.
 */
export class AgeBytes implements ArchiveBytes {
  readonly size: number;
  private readonly chunks: number;
  private readonly hash = createHash('sha256');
  /** Byte of the file where what is hashed ends. */
  private hashedBytes = 0;
  /** The chunk that was read last: the next read mostly begins in it. */
  private last: { number: number; content: Buffer } | undefined;

  constructor(
    private readonly fd: number,
    readonly fileSize: number,
    private readonly hashing: boolean,
    private readonly opened: PayloadKey,
  ) {
    const sealed = Math.max(0, fileSize - opened.begins);
    this.chunks = Math.ceil(sealed / sealedChunkBytes);
    this.size = contentBytes(sealed);
  }

  get hashedTo(): number {
    const whole = Math.floor((this.hashedBytes - this.opened.begins) / sealedChunkBytes);
    return this.hashedBytes >= this.fileSize ? this.size : Math.max(0, whole) * chunkBytes;
  }

  read(into: Buffer, position: number, tear: boolean): BytesRead | Promise<BytesRead> {
    const to = Math.min(position + into.length, this.size);
    if (to <= position) return { bytes: 0, holes: [] };
    let first = Math.floor(position / chunkBytes);
    const end = Math.ceil(to / chunkBytes);
    const kept = this.last?.number === first ? this.last.content : undefined;
    if (kept !== undefined) first += 1;
    const reading = this.sealed(first, end);
    const done = ({ bytes, holes, error, from, data }: Sealed): BytesRead => {
      const range = { into, position, to };
      const lost: LostRange[] = [];
      if (kept !== undefined) put(range, (first - 1) * chunkBytes, kept);
      for (let number = first; number < end; number += 1) {
        const begin = this.beginOf(number);
        const [at, stop] = [begin - from, Math.min(this.beginOf(number + 1), this.fileSize) - from];
        const hole = holes.find((one) => one.from < stop && one.to > at);
        const content =
          hole === undefined && stop <= bytes ? this.openChunk(number, data, at, stop) : undefined;
        if (content !== undefined) {
          put(range, number * chunkBytes, content);
          this.last = { number, content };
          continue;
        }
        const why =
          hole !== undefined
            ? holeText(hole, from, error)
            : english`bytes ${begin} to ${stop + from - 1} of the file cannot be decrypted, since they are
              damaged`;
        lost.push({ ...lose(range, number), why, isUnreadable: hole !== undefined });
        if (tear) break;
      }
      return { bytes: to - position, holes: lost };
    };
    return reading instanceof Promise ? reading.then(done) : done(reading);
  }

  sha256(): string {
    return this.hash.digest('hex');
  }

  close(): void {
    closeSync(this.fd);
  }

  private beginOf(chunk: number): number {
    return this.opened.begins + chunk * sealedChunkBytes;
  }

  /** Reads chunks as they are, from `first` to before `end`; before them, what the hash lacks of the header. */
  private sealed(first: number, end: number): Sealed | Promise<Sealed> {
    const to = end >= this.chunks ? this.fileSize : this.beginOf(end);
    const isNext = this.hashing && this.hashedBytes < this.beginOf(first) && first === 0;
    const from = isNext ? this.hashedBytes : Math.min(this.beginOf(first), to);
    const data = Buffer.allocUnsafe(to - from);
    const reading = readFromTape(this.fd, data, from, false);
    const done = (read: Awaited<typeof reading>): Sealed => {
      if (this.hashing && from <= this.hashedBytes && from + read.bytes > this.hashedBytes) {
        this.hash.update(data.subarray(this.hashedBytes - from, read.bytes));
        this.hashedBytes = from + read.bytes;
      }
      return { ...read, from, data };
    };
    return reading instanceof Promise ? reading.then(done) : done(reading);
  }

  /** The content of a chunk; undefined when it is damaged. */
  private openChunk(number: number, data: Buffer, at: number, stop: number): Buffer | undefined {
    if (stop - at <= tagBytes && number > 0) return undefined;
    const sealed = data.subarray(at, stop - tagBytes);
    const tag = data.subarray(stop - tagBytes, stop);
    const isLast = number === this.chunks - 1;
    // Where the file is cut short, or something was added to it, the chunk itself is good.
    return (
      this.decrypted(sealed, tag, chunkNonce(number, isLast)) ??
      (sealed.length === chunkBytes ? this.decrypted(sealed, tag, chunkNonce(number, !isLast)) : undefined)
    );
  }

  private decrypted(sealed: Buffer, tag: Buffer, nonce: Buffer): Buffer | undefined {
    const decrypt = createDecipheriv(cipher, this.opened.key, nonce, { authTagLength: tagBytes });
    decrypt.setAuthTag(tag);
    const content = decrypt.update(sealed);
    try {
      decrypt.final();
      return content;
    } catch {
      return undefined;
    }
  }
}

type Sealed = Awaited<ReturnType<typeof readFromTape>> & { from: number; data: Buffer };

interface Range {
  into: Buffer;
  /** The content that is asked for. */
  position: number;
  to: number;
}

/** Puts the content of a chunk, or what is asked for of it, where it belongs. */
function put({ into, position, to }: Range, begin: number, content: Buffer): void {
  const from = Math.max(begin, position);
  content.copy(into, from - position, from - begin, to - begin);
}

/** Zeros for a chunk, and which part of the range that is. */
function lose({ into, position, to }: Range, chunk: number): { from: number; to: number } {
  const from = Math.max(chunk * chunkBytes, position) - position;
  const end = Math.min((chunk + 1) * chunkBytes, to) - position;
  into.fill(0, from, end);
  return { from, to: end };
}
