import { closeSync, constants, fsyncSync, openSync, writeSync } from 'node:fs';
import { grantGroupRead } from '../../config/shared-group.js';
import { onSideSync, type Side } from '../../config/sides.js';
import { ThreadWatch } from '../../disk/thread-watch.js';

export type OutputSide = Exclude<Side, 'source' | 'target'>;

/**
 * A new file that is written sequentially and synchronously, for a thread that has nothing else to do. It must not
 * exist. Readable only by its owner, since an archive contains what may be private in its sources; on a tape also by
 * the shared group.
 */
export class OutputFile {
  private fd: number | undefined;

  /**
   * @param side side of its errors.
   * @param watch is told while the file is written.
   */
  constructor(
    path: string,
    private readonly side: OutputSide,
    private readonly watch = new ThreadWatch(),
  ) {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
    this.fd = this.writing(() => openSync(path, flags, 0o600));
    if (side === 'tape') grantGroupRead(this.fd);
  }

  /** Writes all of a chunk. */
  write(chunk: Buffer): void {
    this.writing(() => writeAll(this.openFd(), chunk));
  }

  /** Syncs, then closes. `close` alone would hide device errors. */
  finish(): void {
    this.writing(() => {
      fsyncSync(this.openFd());
      this.close();
    });
  }

  close(): void {
    const { fd } = this;
    this.fd = undefined;
    if (fd !== undefined) closeSync(fd);
  }

  /** Closes a discarded file; the system releases the descriptor even if it reports an error. */
  abandon(): void {
    try {
      this.writing(() => this.close());
    } catch {
      // A dead mount or a failing device; its first error has already been reported.
    }
  }

  private writing<Result>(call: () => Result): Result {
    return this.watch.writing(() => onSideSync(this.side, call));
  }

  private openFd(): number {
    if (this.fd === undefined) throw new Error('the file is closed');
    return this.fd;
  }
}

/**
 * Writes all of a chunk; a short write is continued, a write of zero bytes is an error.
 *
 * @param at byte of the file; null: after what was written last.
 */
export function writeAll(fd: number, chunk: Buffer, at: number | null = null): void {
  for (let written = 0; written < chunk.length;) {
    const position = at === null ? null : at + written;
    const bytes = writeSync(fd, chunk, written, chunk.length - written, position);
    if (bytes === 0) throw Object.assign(new Error('the device took no bytes of a write'), { code: 'EIO' });
    written += bytes;
  }
}
