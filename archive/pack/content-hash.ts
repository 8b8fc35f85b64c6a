import * as crypto from 'node:crypto';
import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { setImmediate as yieldNow } from 'node:timers/promises';
import type { SparseMap } from '../tar/sparse-map.js';

/** SHA-256 in hex; from Node 20.12 on with one call and no object. */
export const sha256Of: (bytes: Buffer) => string =
  'hash' in crypto
    ? (bytes) => crypto.hash('sha256', bytes, 'hex')
    : (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Bytes read at once. */
const chunkBytes = 1024 * 1024;
/** Chunks after which the thread's timers and finished compressions have their turn. */
const chunksPerTurn = 64;

/** Reads open files for their hash alone. */
export class ContentHash {
  private buffer: Buffer | undefined;

  /** @param moved called for each chunk that was read; throws when packing is to stop. */
  constructor(readonly moved: () => void) {}

  /**
   * The SHA-256 of a file's first bytes in hex, or of those with holes as they are stored; undefined when it has fewer.
   * Throws system errors.
   */
  async read(fd: number, size: number, holes: SparseMap | undefined): Promise<string | undefined> {
    this.buffer ??= Buffer.allocUnsafe(chunkBytes);
    const hash = createHash('sha256');
    if (holes !== undefined) hash.update(holes.bytes);
    let chunks = 0;
    for (const [from, to] of holes?.extents ?? [[0, size] as const]) {
      for (let at = from; at < to; chunks += 1) {
        this.moved();
        const bytes = readSync(fd, this.buffer, 0, Math.min(chunkBytes, to - at), at);
        if (bytes === 0) return undefined;
        hash.update(this.buffer.subarray(0, bytes));
        at += bytes;
        if (chunks % chunksPerTurn === chunksPerTurn - 1) await yieldNow();
      }
    }
    return hash.digest('hex');
  }
}
