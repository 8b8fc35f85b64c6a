import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { english } from '../messages/sentence.js';
import { describeError, systemErrorCode, TapeflowFailure } from '../config/failures.js';
import { grantGroupReadHandle } from '../config/shared-group.js';
import { onSide, type Side, SideError, withSide } from '../config/sides.js';
import { isMediumReadError, readWithRetries } from './read-with-retries.js';

/** Bytes of one read and write of a copy: a size that an LTFS drive streams well; two chunks are in memory. */
const chunkBytes = 8 * 1024 * 1024;

/**
 * The input of a copy cannot be read to its end: its medium fails, not the target's. The message is part of a sentence.
 */
export class UnreadableInput extends SideError {
  constructor(side: Side, path: string, cause: unknown) {
    const message =
      side === 'staging'
        ? english`the staged ${path} cannot be read: ${describeError(cause)}`
        : english`${path} cannot be read: ${describeError(cause)}`;
    super(side, { code: systemErrorCode(cause) ?? 'EIO', message, path });
  }
}

/** What `copyHashed` copies, and whom it asks meanwhile. */
export interface CopyOptions {
  from: string;
  /** Must not exist. */
  to: string;
  /** The side of each file, for errors. */
  sides: { from: Side; to: Side };
  /** Called before every chunk with the bytes written so far; may throw to stop the copy. */
  guard(bytesWritten: number): void;
  /** True: what the medium cannot return becomes zeros, instead of an end. */
  holes?: boolean;
  /** Called when the target exists and is still empty; when it throws, the target is removed. */
  opened?(): Promise<void>;
}

/** What was copied; `sha256` in hex. */
export interface CopyResult {
  bytes: number;
  sha256: string;
}

/**
 * Copies a file in 8 MiB chunks, reading the next one while one is written, hashing on the way, and syncs the copy.
 * Short writes are continued and failed reads are retried. On failure a partly written target is left for the caller to
 * handle. Every system error has its side; throws `UnreadableInput` when the medium of `from` fails.
 */
export async function copyHashed(options: CopyOptions): Promise<CopyResult> {
  const { from, to, sides } = options;
  const source = await onSide(sides.from, () => open(from, constants.O_RDONLY)).catch((error: unknown) => {
    throw isMediumReadError(error) ? new UnreadableInput(sides.from, from, error) : error;
  });
  try {
    return await onSide(sides.to, async () => {
      const target = await open(to, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
      try {
        if (sides.to === 'tape') await grantGroupReadHandle(target);
        await options.opened?.().catch(async (error: unknown) => {
          await rm(to, { force: true }).catch(() => undefined);
          throw error;
        });
        const result = await copyChunks(source, target, options);
        options.guard(result.bytes);
        await target.sync();
        return result;
      } finally {
        await target.close();
      }
    });
  } finally {
    // It was only read, and the descriptor is released even if the system reports an error.
    await source.close().catch(() => undefined);
  }
}

async function copyChunks(source: FileHandle, target: FileHandle, options: CopyOptions): Promise<CopyResult> {
  const hash = createHash('sha256');
  // Full-size chunks for small files would trigger a full garbage collection every few archives.
  const size = Math.max(
    1,
    Math.min(chunkBytes, (await onSide(options.sides.from, () => source.stat())).size),
  );
  const buffers = [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(size)] as const;
  let bytes = 0;
  let turn = 0;
  let reading = readFull(source, buffers[0], 0, options);
  // A rejection while the other half is awaited must not count as unhandled; the await below throws it.
  reading.catch(() => undefined);
  for (;;) {
    const chunk = await reading;
    if (chunk.length === 0) return { bytes, sha256: hash.digest('hex') };
    options.guard(bytes);
    turn = 1 - turn;
    reading = readFull(source, buffers[turn as 0 | 1], bytes + chunk.length, options);
    reading.catch(() => undefined);
    const writing = writeFull(target, chunk);
    writing.catch(() => undefined);
    hash.update(chunk);
    await writing;
    bytes += chunk.length;
  }
}

async function readFull(
  source: FileHandle,
  buffer: Buffer,
  position: number,
  { from, sides, holes = false }: CopyOptions,
): Promise<Buffer> {
  const read = async (into: Buffer, at: number) => (await source.read(into, 0, into.length, at)).bytesRead;
  try {
    let filled = 0;
    for (let bytes; filled < buffer.length; filled += bytes) {
      bytes = await read(buffer.subarray(filled), position + filled);
      if (bytes === 0) break;
    }
    return buffer.subarray(0, filled);
  } catch (error) {
    if (!isMediumReadError(error)) throw withSide(sides.from, error);
    const again = await onSide(sides.from, () => readWithRetries(read, buffer, position, { tear: !holes }));
    if (again.holes.length > 0 && !holes) throw new UnreadableInput(sides.from, from, error);
    return buffer.subarray(0, again.bytes);
  }
}

/** Writes all of a chunk at the current position; a write of zero bytes is an error, not an endless loop. */
async function writeFull(target: FileHandle, chunk: Buffer): Promise<void> {
  let written = 0;
  while (written < chunk.length) {
    const { bytesWritten } = await target.write(chunk, written, chunk.length - written, null);
    if (bytesWritten === 0)
      throw new TapeflowFailure('NothingWritten', english`The device took no bytes of a write.`);
    written += bytesWritten;
  }
}
