import { createHash } from 'node:crypto';
import { constants, lstatSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, open, rename, rm, rmdir, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { TapeflowFailure, describeError, systemErrorCode } from '../config/failures.js';
import { isMediumReadError, readWithRetries } from './read-with-retries.js';
import { grantGroupReadHandle } from '../config/shared-group.js';
import { SideError, onSide, withSide, type Side } from '../config/sides.js';

/** Bytes of one read and write of a copy: a size that an LTFS drive streams well; two chunks are in memory. */
const chunkBytes = 8 * 1024 * 1024;

/** Makes the names in a folder survive a power cut. Windows has no such call; there NTFS's journal keeps the order. */
export async function fsyncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Creates a folder and its parents, each durable. One by one, because Node's `recursive` reports ENOENT instead of
 * EROFS on a read-only disk. They are private unless `make` creates them otherwise.
 */
export async function makeFolder(
  folder: string,
  make: (missing: string) => Promise<unknown> = (missing) => mkdir(missing, { mode: 0o700 }),
): Promise<void> {
  const missing: string[] = [];
  for (let at = folder; (await sizeOf(at)) === undefined; at = path.dirname(at)) missing.unshift(at);
  for (const made of missing) {
    try {
      await make(made);
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw error;
    }
    await fsyncFolder(path.dirname(made));
  }
}

/** Renames a complete, synced file to its final name and makes the name durable. Both folders must exist. */
export async function publish(part: string, finalName: string): Promise<void> {
  await rename(part, finalName);
  await fsyncFolder(path.dirname(finalName));
  if (path.dirname(part) !== path.dirname(finalName)) await fsyncFolder(path.dirname(part));
}

/** Size of a file in bytes; undefined when there is none. */
export async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' || systemErrorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Deletes a file if it is there; true when it was. */
export async function removeFile(file: string): Promise<boolean> {
  const there = (await sizeOf(file)) !== undefined;
  await rm(file, { force: true });
  return there;
}

/** True for the name of an incomplete `name`, of any attempt. */
export function isPartOf(found: string, name: string): boolean {
  return found.startsWith(`${name}.`) && found.endsWith('.part');
}

/** Deletes the `.part` files that dead attempts have left of the given names, with one listing of the folder. */
export async function removeParts(folder: string, ...names: readonly string[]): Promise<void> {
  for (const found of partsOf(folder, ...names)) await rm(path.join(folder, found), { force: true });
}

/**
 * Names of the `.part` files of some names; none when the folder does not exist. Folders of such a name are ignored.
 */
export function partsOf(folder: string, ...names: readonly string[]): string[] {
  return filesIn(folder, (found) => names.some((name) => isPartOf(found, name)));
}

/**
 * The wanted files in a folder, without folders; none when it does not exist. Types are looked up only for these: a
 * set's folder on a tape holds thousands of others.
 */
function filesIn(folder: string, isWanted: (name: string) => boolean): string[] {
  try {
    return readdirSync(folder)
      .filter(isWanted)
      .filter(
        (found) => lstatSync(path.join(folder, found), { throwIfNoEntry: false })?.isDirectory() === false,
      );
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Deletes the named files that exist and their `.part` files, with one listing of the folder. */
export function removeAllSync(folder: string, names: readonly string[]): void {
  const isWanted = (found: string) => names.some((name) => found === name || isPartOf(found, name));
  for (const found of filesIn(folder, isWanted)) rmSync(path.join(folder, found), { force: true });
}

/** Deletes a folder if it exists and is empty. */
export async function removeEmptyFolder(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}

/**
 * The input of a copy cannot be read to its end: its medium fails, not the target's. The message is part of a sentence.
 */
export class UnreadableInput extends SideError {
  constructor(side: Side, path: string, cause: unknown) {
    const message = `${side === 'staging' ? 'the staged ' : ''}${path} cannot be read: ${describeError(cause)}`;
    super(side, { code: systemErrorCode(cause) ?? 'EIO', message, path });
  }
}

export interface CopyOptions {
  from: string;
  /** Must not exist. */
  to: string;
  /** The side of each file, for errors. */
  sides: { from: Side; to: Side };
  /** Called before every chunk with the bytes written so far; may throw to stop the copy. */
  guard(bytesWritten: number): void;
  /** Called when the target exists and is still empty; when it throws, the target is removed. */
  opened?(): Promise<void>;
}

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
  { from, sides }: CopyOptions,
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
    const again = await onSide(sides.from, () => readWithRetries(read, buffer, position, { tear: true }));
    if (again.holes.length > 0) throw new UnreadableInput(sides.from, from, error);
    return buffer.subarray(0, again.bytes);
  }
}

/** Writes all of a chunk at the current position; a write of zero bytes is an error, not an endless loop. */
async function writeFull(target: FileHandle, chunk: Buffer): Promise<void> {
  let written = 0;
  while (written < chunk.length) {
    const { bytesWritten } = await target.write(chunk, written, chunk.length - written, null);
    if (bytesWritten === 0)
      throw new TapeflowFailure('NothingWritten', 'The device took no bytes of a write.');
    written += bytesWritten;
  }
}
