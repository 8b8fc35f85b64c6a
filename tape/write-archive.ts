import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { TapeflowFailure, systemErrorCode } from '../config/failures.js';
import { copyHashed, makeFolder, publish, removeFile, removeParts, sizeOf } from '../staging/durable-file.js';
import { partName } from '../staging/paths.js';
import { tapeNotReady } from './drive.js';

/** A staged file and what it must be, byte for byte. */
export interface StagedFile {
  name: string;
  path: string;
  size: number;
  sha256: string;
}

export interface WriteOptions {
  mountPoint: string;
  setId: string;
  /** The attempt; incomplete bytes on the tape are named after it. */
  token: string;
  /** False when the catalog knows of no earlier attempt on this tape: then a file of that name is somebody else's. */
  mayReplace: boolean;
  /** Called before every chunk and before the name is given; throws to stop. */
  guard(bytesWritten: number): void;
}

/** Folder of a set on the tape. */
export function tapeFolder(mountPoint: string, setId: string): string {
  return path.join(mountPoint, setId);
}

/**
 * Makes the folder of a set on the tape. It must be a true folder: a symbolic link of that name, which somebody has put
 * on the tape, would lead the archives away from it.
 */
export async function makeTapeFolder(mountPoint: string, setId: string): Promise<string> {
  const folder = tapeFolder(mountPoint, setId);
  const refuse = async () => {
    if (await isTrueFolder(folder)) return;
    throw folderTaken(folder);
  };
  // Looked at before, because making a folder through a link changes what it leads to, and after, because it is made now.
  if (await isThere(folder)) await refuse();
  await makeFolder(folder);
  await refuse();
  return folder;
}

/**
 * Throws `TapeNotReady` when the tape has something under a name that is to be given to one of our files, other than a
 * file of ours (`mayReplace`).
 */
export async function requireFreeName(target: string, mayReplace: boolean): Promise<void> {
  const stats = await lstat(target).catch(ifMissing);
  if (stats === undefined || (stats.isFile() && mayReplace)) return;
  throw nameTaken(target);
}

const takenAdvice = 'Load another tape, or take that entry away.';

/** The set's folder on the tape is no folder. */
export function folderTaken(folder: string): TapeflowFailure {
  return tapeNotReady(
    'name_taken',
    `The tape has something else than a folder at ${folder}, where the archives of the set belong.`,
    takenAdvice,
  );
}

/** The name of an archive or manifest is taken on the tape by something that is not ours. */
export function nameTaken(target: string): TapeflowFailure {
  return tapeNotReady(
    'name_taken',
    `The tape holds another ${path.basename(target)} already, in ${path.dirname(target)}, which this catalog did not write.`,
    takenAdvice,
  );
}

/** Size of an ordinary file, never of what a link leads to. */
async function sizeOfFile(file: string): Promise<number | undefined> {
  const stats = await lstat(file).catch(ifMissing);
  return stats?.isFile() === true ? stats.size : undefined;
}

async function isThere(file: string): Promise<boolean> {
  return (await lstat(file).catch(ifMissing)) !== undefined;
}

async function isTrueFolder(folder: string): Promise<boolean> {
  return (await lstat(folder)).isDirectory();
}

function ifMissing(error: unknown): undefined {
  if (systemErrorCode(error) !== 'ENOENT') throw error;
  return undefined;
}

/**
 * Looks whether a file may get its name on the tape; throws `TapeNotReady` when that is taken. With `mayReplace` false it
 * has to be asked before the catalog says that a write has begun: from then on what has the name counts as ours.
 *
 * @returns `whole` when the very bytes are there already.
 */
export async function claimName(file: StagedFile, options: WriteOptions): Promise<'free' | 'whole'> {
  const target = path.join(await makeTapeFolder(options.mountPoint, options.setId), file.name);
  options.guard(0);
  const existing = await sizeOfFile(target);
  if (existing === file.size && (await hashOf(target, options.guard)) === file.sha256) return 'whole';
  await requireFreeName(target, options.mayReplace);
  return 'free';
}

/**
 * Writes one staged file to the tape: copy to `.part`, hash on the way, fsync, compare with the hash that was taken when
 * it was made, rename, fsync the folder. On LTFS it is durable only after the next index sync.
 *
 * A file of that name that an earlier attempt has published is kept when its bytes are the right ones.
 * Throws `StagedArchiveDamaged` when the staged bytes are not what was compressed.
 */
export async function writeFileToTape(file: StagedFile, options: WriteOptions): Promise<void> {
  const there = await claimName(file, options);
  if (there === 'whole') return;
  const folder = tapeFolder(options.mountPoint, options.setId);
  const target = path.join(folder, file.name);
  await removeParts(folder, file.name);
  const part = path.join(folder, partName(file.name, options.token));
  const copied = await copyHashed({ from: file.path, to: part, guard: options.guard });
  if (copied.sha256 !== file.sha256 || copied.bytes !== file.size) {
    await removeFile(part);
    throw new TapeflowFailure(
      'StagedArchiveDamaged',
      `The staged ${file.path} is not what was compressed (${copied.bytes} bytes, sha256 ${copied.sha256.slice(0, 12)}…; expected ${file.size} bytes, ${file.sha256.slice(0, 12)}…).`,
    );
  }
  const onTape = await sizeOf(part);
  if (onTape !== file.size) {
    throw new TapeflowFailure(
      'ShortOnTape',
      `The tape holds ${onTape ?? 0} bytes of ${file.name} instead of ${file.size}.`,
      {
        kind: 'transient',
      },
    );
  }
  options.guard(copied.bytes);
  await publish(part, target);
}

async function hashOf(file: string, guard: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 8 * 1024 * 1024 })) {
    guard(bytes);
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return hash.digest('hex');
}
