import { systemErrorCode } from '../../config/failures.js';
import { sideOf } from '../../config/sides.js';
import { ArchiveDamaged } from '../readers/archive-file.js';
import { english } from '../../messages/sentence.js';
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
  EIO: english`the disk of the target fails where it was to be written (EIO)`,
  EACCES: english`permission denied (EACCES)`,
  EPERM: english`operation not permitted (EPERM)`,
  ENOSYS: english`the file system of the target has no entries of this kind (ENOSYS)`,
  ENOTSUP: english`the file system of the target has no entries of this kind (ENOTSUP)`,
  EOPNOTSUPP: english`the file system of the target has no entries of this kind (EOPNOTSUPP)`,
  ENAMETOOLONG: english`its name or path is too long here (ENAMETOOLONG)`,
  EILSEQ: english`the file system of the target refuses this name (EILSEQ)`,
  EINVAL: english`the file system of the target refuses this name or its times (EINVAL)`,
  ENOTDIR: english`something that is not a folder is in its way (ENOTDIR)`,
  ELOOP: english`a symbolic link is in its way (ELOOP)`,
  ENOENT: english`a folder above it went away (ENOENT)`,
  EEXIST: english`something else is in its place (EEXIST)`,
  EISDIR: english`a folder of the target is in its place (EISDIR)`,
  EFBIG: english`it is larger than the file system of the target allows (EFBIG)`,
  EMLINK: english`it has more links than the file system of the target allows (EMLINK)`,
  EOVERFLOW: english`its owner or time does not fit the file system of the target (EOVERFLOW)`,
};

function problemOf(error: unknown): string {
  const code = systemErrorCode(error) ?? '';
  const words = onlyThis[code];
  if (words === undefined) throw error;
  return words;
}
