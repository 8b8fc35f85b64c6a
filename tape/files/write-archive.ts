import { lstat, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { english } from '../../messages/sentence.js';
import { TapeflowFailure, systemErrorCode } from '../../config/failures.js';
import { makeReadableFolder } from '../../config/shared-group.js';
import { onSide } from '../../config/sides.js';
import { fsyncFolder, publish, removeFile, sizeOf } from '../../disk/durable-file.js';
import { copyHashed } from '../../disk/copy-hashed.js';
import { removeParts } from '../../disk/part-files.js';
import { partName } from '../../entry/archive-name.js';
import { tapeNotReady } from '../drives/tape-not-ready.js';
import { isTapeFull } from '../ltfs/ltfs.js';

/** A staged file with its expected size and hash. */
export interface StagedFile {
  name: string;
  path: string;
  size: number;
  sha256: string;
}

export interface WriteOptions {
  mountPoint: string;
  setId: string;
  /** Token of the attempt; incomplete files on the tape are named after it. */
  token: string;
  /** Called before every chunk and before the rename; may throw to stop. */
  guard(bytesWritten: number): void;
  /** Throws when the tape at the mount point is no longer the one that was checked. */
  confirm(): Promise<void>;
}

/** Folder of a set on the tape. */
export function tapeFolder(mountPoint: string, setId: string): string {
  return path.join(mountPoint, setId);
}

/**
 * Creates the folder of a set on the tape, but never the mount point, nor anything in an unmounted drive. It must be a
 * real folder: a symbolic link of that name would lead the archives off the tape.
 */
export async function makeTapeFolder(
  mountPoint: string,
  setId: string,
  confirm: () => Promise<void>,
): Promise<string> {
  const folder = tapeFolder(mountPoint, setId);
  try {
    await makeReadableFolder(folder);
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
    if (!(await lstat(folder)).isDirectory()) throw folderTaken(folder);
    return folder;
  }
  try {
    await confirm();
  } catch (error) {
    await rmdir(folder).catch(() => undefined);
    throw error;
  }
  await fsyncFolder(mountPoint);
  return folder;
}

/** The failure when the set's folder on the tape is not a folder. */
export function folderTaken(folder: string): TapeflowFailure {
  return tapeNotReady(
    'name_taken',
    english`The tape has something else than a folder at ${folder}, where the archives of the set belong.`,
    english`Load another tape, or take that entry away.`,
  );
}

/** Opens the set's folder on the tape, created if missing, and removes what dead attempts left of the named files. */
export async function openTapeFolder(
  { mountPoint, setId, confirm }: Pick<WriteOptions, 'mountPoint' | 'setId' | 'confirm'>,
  names: readonly string[],
): Promise<string> {
  return onSide('tape', async () => {
    const folder = await makeTapeFolder(mountPoint, setId, confirm);
    await removeParts(folder, ...names);
    return folder;
  });
}

/**
 * Writes one staged file to its set's folder on the tape: copy to `.part` while hashing, fsync, compare with the hash
 * from compression, rename, fsync the folder. On LTFS it is durable only after the next index sync.
 *
 * A file of that name from an earlier attempt is replaced rather than compared: reading it back would show the system's
 * cache and not what a failed write or sync has left on the medium. Throws `StagedArchiveDamaged` when the staged bytes
 * are not what was compressed.
 */
export async function writeFileToTape(
  file: StagedFile,
  folder: string,
  options: WriteOptions,
): Promise<void> {
  const { guard } = options;
  guard(0);
  const part = path.join(folder, partName(file.name, options.token));
  try {
    await onSide('tape', async () => {
      await copyWhole(file, part, options);
      guard(file.size);
      await publish(part, path.join(folder, file.name));
    });
  } catch (error) {
    // Deleting frees no space on a tape, but an incomplete file must not be left behind.
    if (isTapeFull(error)) await removeFile(part).catch(() => false);
    throw error;
  }
}

async function copyWhole(file: StagedFile, part: string, { guard, confirm }: WriteOptions): Promise<void> {
  const copied = await copyHashed({
    ...{ from: file.path, to: part, sides: { from: 'staging', to: 'tape' }, guard },
    opened: confirm,
  });
  if (copied.sha256 !== file.sha256 || copied.bytes !== file.size) {
    await removeFile(part);
    throw new TapeflowFailure(
      'StagedArchiveDamaged',
      english`The staged ${file.path} is not what was compressed (${copied.bytes} bytes, sha256
        ${copied.sha256.slice(0, 12)}…; expected ${file.size} bytes, ${file.sha256.slice(0, 12)}…).`,
    );
  }
  const onTape = await sizeOf(part);
  if (onTape !== file.size) {
    throw new TapeflowFailure(
      'ShortOnTape',
      english`The tape holds ${onTape ?? 0} bytes of ${file.name} instead of ${file.size}.`,
      { kind: 'transient' },
    );
  }
}
