import { systemErrorCode } from '../../config/failures.js';
import { sideOf } from '../../config/sides.js';
import { ArchiveDamaged } from '../readers/archive-file.js';
import { RestoreProblem } from './open-folder.js';
import type { Unpacked } from './unpack-options.js';

/**
 * The result of a member that was not restored. Rethrows errors that concern more than this member.
 *
 * @param probe throws when the target accepts nothing: a bad spot on its disk costs only this file.
 */
export function failureOf(name: string, error: unknown, archivePath: string, probe: () => void): Unpacked {
  if (error instanceof RestoreProblem) return failed(name, error.message);
  if (error instanceof ArchiveDamaged)
    return { ...failed(name, `${archivePath}: ${error.message}`), damaged: true };
  if (sideOf(error) !== 'target') throw error;
  if (systemErrorCode(error) === 'EIO') probe();
  return failed(name, problemOf(error));
}

function failed(name: string, reason: string): Unpacked {
  return { name, outcome: 'failed', bytes: 0, reason };
}

/** Errors of the target that concern only this entry; all others (a full disk, a dead mount) fail the attempt. */
const onlyThis: Record<string, string> = {
  EIO: 'the disk of the target fails where it was to be written',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENOSYS: 'the file system of the target has no entries of this kind',
  ENOTSUP: 'the file system of the target has no entries of this kind',
  EOPNOTSUPP: 'the file system of the target has no entries of this kind',
  ENAMETOOLONG: 'its name or path is too long here',
  EILSEQ: 'the file system of the target refuses this name',
  EINVAL: 'the file system of the target refuses this name or its times',
  ENOTDIR: 'something that is not a folder is in its way',
  ELOOP: 'a symbolic link is in its way',
  ENOENT: 'a folder above it went away',
  EEXIST: 'something else is in its place',
  EISDIR: 'a folder of the target is in its place',
  EFBIG: 'it is larger than the file system of the target allows',
  EMLINK: 'it has more links than the file system of the target allows',
  EOVERFLOW: 'its owner or time does not fit the file system of the target',
};

function problemOf(error: unknown): string {
  const code = systemErrorCode(error) ?? '';
  const words = onlyThis[code];
  if (words === undefined) throw error;
  return `${words} (${code})`;
}
