import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { describeError } from '../../config/failures.js';
import { onSide, sideOf } from '../../config/sides.js';
import { copyHashed } from '../../disk/copy-hashed.js';
import { removeFile } from '../../disk/durable-file.js';
import { dropFromCache } from '../../disk/page-cache.js';
import { removeParts } from '../../disk/part-files.js';
import { partName } from '../../entry/archive-name.js';
import type { RetrievalArchiveRow } from '../../catalog/rows.js';
import { confirmMedium } from '../../tape/drives/drive.js';
import type { LoadedTape } from '../../tape/drives/loaded-tape.js';
import { isMountDeath } from '../../tape/ltfs/ltfs.js';
import { english } from '../../messages/sentence.js';
import type { Attempt } from '../attempt.js';
import type { DriveDeps } from '../deps.js';

/** A file of a copy on the tape in a drive, to be staged. */
export interface FileOnTape {
  row: RetrievalArchiveRow;
  name: string;
  /** In bytes. */
  size: number;
  /** What cannot be read, for a sentence; the file's path by default. */
  what?: string;
  /** What the medium cannot return becomes zeros; without, the file is unreadable then, and no cache answers for it. */
  holes?: boolean;
}

/**
 * Copies a file from the tape in the drive to a part in a staging folder. Fails with what is not the file's fault, such
 * as a drive that has died or a tape that was taken out.
 *
 * @returns the part, its size in bytes and SHA-256 in hexadecimal; or a sentence that says why there is none.
 */
export async function tapeToStaging(
  { drive }: DriveDeps,
  attempt: Attempt,
  { row, name, size, what, holes = false }: FileOnTape,
  folder: string,
  tape: LoadedTape,
): Promise<{ part: string; bytes: number; sha256: string } | { wrong: string }> {
  const from = path.join(drive.settings.path, row.set_id, name);
  const part = path.join(folder, partName(name, attempt.token));
  attempt.throwIfCancelled();
  await removeParts(folder, name);
  const guard = (bytesOut: number) => {
    attempt.throwIfCancelled();
    attempt.report({ step: 'reading', group: row.group_no, bytesOut, bytesTotal: size });
  };
  try {
    if (!(await onSide('tape', () => lstat(from))).isFile())
      return { wrong: english`The file ${from} is not a regular file.` };
    if (!holes) await dropFromCache(from);
    const sides = { from: 'tape', to: 'staging' } as const;
    return { part, ...(await copyHashed({ from, to: part, sides, guard, holes })) };
  } catch (error) {
    await removeFile(part).catch(() => false);
    attempt.throwIfCancelled();
    if (sideOf(error) !== 'tape' || isMountDeath(error)) throw error;
    await confirmMedium(drive.settings, tape.medium);
    const subject = what ?? english`The file ${from}`;
    return { wrong: english`${subject} cannot be read: ${describeError(error)}.` };
  }
}
