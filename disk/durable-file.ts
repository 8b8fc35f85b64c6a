import { createHash } from 'node:crypto';
import { constants, lstatSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, open, rename, rm, rmdir, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { TapeflowFailure, describeError, systemErrorCode } from '../config/failures.js';
import { isOfTheMedium, readAgain } from './read-again.js';
import { letGroupReadHandle } from '../config/shared-group.js';
import { SideError, onSide, sided, type Side } from '../config/sides.js';

/** Bytes of one read and write of a copy: what an LTFS drive streams well, and two of them are in memory. */
const chunkBytes = 8 * 1024 * 1024;

/**
 * Makes the names in a folder survive a power cut. Windows has no call for it: there NTFS's own journal keeps the
 * order.
 */
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
 * Makes a folder and its parents, each of them durable. One by one: Node's `recursive` says ENOENT, not EROFS, when the
 * disk is read-only. For this user alone, unless `make` makes them otherwise.
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

/** Gives complete, synced bytes their final name, and makes the name durable. Both are in folders that exist. */
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

/** True for a name of incomplete bytes of `name`, whosever attempt they are. */
export function isPartOf(found: string, name: string): boolean {
  return found.startsWith(`${name}.`) && found.endsWith('.part');
}

/** Deletes the `.part` files of some names that another, dead attempt has left, after one look at the folder. */
export async function removeParts(folder: string, ...names: readonly string[]): Promise<void> {
  for (const found of partsOf(folder, ...names)) await rm(path.join(folder, found), { force: true });
}

/** Names of the `.part` files of some names; none when the folder is not there. A folder of such a name is nobody's. */
export function partsOf(folder: string, ...names: readonly string[]): string[] {
  return filesIn(folder, (found) => names.some((name) => isPartOf(found, name)));
}

/**
 * Names in a folder that are wanted, and no folders; none when it is not there. Types are looked up for those alone: a
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

/**
 * Deletes those of the named files that are there, and the `.part` files of their names, after one look at the folder.
 */
export function removeAllSync(folder: string, names: readonly string[]): void {
  const isWanted = (found: string) => names.some((name) => found === name || isPartOf(found, name));
  for (const found of filesIn(folder, isWanted)) rmSync(path.join(folder, found), { force: true });
}

/** Deletes a folder if it is there and empty. */
export async function removeEmptyFolder(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}

/**
 * What a copy reads cannot be read to its end: its medium fails, not the target's. The message is a part of a sentence.
 */
export class UnreadableSource extends SideError {
  constructor(side: Side, path: string, cause: unknown) {
    const message = `${side === 'staging' ? 'the staged ' : ''}${path} cannot be read: ${describeError(cause)}`;
    super(side, { code: systemErrorCode(cause) ?? 'EIO', message, path });
  }
}

export interface CopyOptions {
  from: string;
  /** Must not exist. */
  to: string;
  /** Whose errors those of either file are. */
  sides: { from: Side; to: Side };
  /** Called before every chunk with the bytes written so far; throws to stop the copy. */
  guard(bytesWritten: number): void;
  /** Called when the target is there and still empty; when it throws, the target is removed again. */
  opened?(): Promise<void>;
}

export interface CopyResult {
  bytes: number;
  sha256: string;
}

/**
 * Copies a file in 8 MiB chunks, reading the next one while one is written, hashing on the way, and syncs the copy. A
 * short write is continued, and what cannot be read is read again. A target that was written to is left behind when it
 * fails: its caller knows what to do with it. Every error of the system has its side; `UnreadableSource` when the
 * medium of `from` fails.
 */
export async function copyHashed(options: CopyOptions): Promise<CopyResult> {
  const { from, to, sides } = options;
  const source = await onSide(sides.from, () => open(from, constants.O_RDONLY)).catch((error: unknown) => {
    throw isOfTheMedium(error) ? new UnreadableSource(sides.from, from, error) : error;
  });
  try {
    return await onSide(sides.to, async () => {
      const target = await open(to, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
      try {
        if (sides.to === 'tape') await letGroupReadHandle(target);
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
    // It was only read: its descriptor is given back also where the system reports an error.
    await source.close().catch(() => undefined);
  }
}

async function copyChunks(source: FileHandle, target: FileHandle, options: CopyOptions): Promise<CopyResult> {
  const hash = createHash('sha256');
  // Whole chunks for a small file would be garbage that sets off a collection of everything for every few archives.
  const size = Math.max(
    1,
    Math.min(chunkBytes, (await onSide(options.sides.from, () => source.stat())).size),
  );
  const buffers = [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(size)] as const;
  let bytes = 0;
  let turn = 0;
  let reading = readFull(source, buffers[0], 0, options);
  // A rejection while the other half is awaited must not count as unhandled; it is thrown by its own await below.
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
    if (!isOfTheMedium(error)) throw sided(sides.from, error);
    const again = await onSide(sides.from, () => readAgain(read, buffer, position, { tear: true }));
    if (again.holes.length > 0) throw new UnreadableSource(sides.from, from, error);
    return buffer.subarray(0, again.bytes);
  }
}

/** Writes all of a chunk at the current position; a write of no bytes at all is an error, not an endless loop. */
async function writeFull(target: FileHandle, chunk: Buffer): Promise<void> {
  let written = 0;
  while (written < chunk.length) {
    const { bytesWritten } = await target.write(chunk, written, chunk.length - written, null);
    if (bytesWritten === 0)
      throw new TapeflowFailure('NothingWritten', 'The device took no bytes of a write.');
    written += bytesWritten;
  }
}
