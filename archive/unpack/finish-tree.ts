import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  linkSync,
  openSync,
  renameSync,
  unlinkSync,
} from 'node:fs';
import type { PackedMember } from '../../entry/member.js';
import type { TimeSetter } from './set-times.js';
import type { TargetTree } from './target-tree.js';
import { lookAtPath, RestoreProblem } from './open-folder.js';

/** Final attributes of a restored folder. */
export type FolderMember = Pick<PackedMember, 'name' | 'mtimeS' | 'mtimeNs' | 'mode' | 'uid' | 'gid'>;

/**
 * Sets owner, mode and times of a restored folder; at the end, children before parents, since every file created in a
 * folder changes its time. Returns why it failed; undefined when the folder does not exist.
 */
export function finishFolder(
  tree: TargetTree,
  member: FolderMember,
  owners: boolean,
  times: TimeSetter,
): string | undefined {
  let fd: number;
  try {
    fd = openSync(
      tree.existing(member.name),
      constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0),
    );
  } catch (error) {
    return isAbsent(error) ? undefined : `cannot be finished: ${messageOf(error)}`;
  }
  try {
    tree.requireNotOurs(tree.existing(member.name), fd);
    if (owners) fchownSync(fd, member.uid, member.gid);
    fchmodSync(fd, member.mode);
    times.open(fd, member);
    return undefined;
  } catch (error) {
    return `its mode, owner or times could not be set: ${messageOf(error)}`;
  } finally {
    closeSync(fd);
  }
}

/** Inodes at the two paths before the restore; undefined where there was nothing. */
export interface Before {
  name: string | undefined;
  of: string | undefined;
}

/**
 * Turns a file that was restored from its own archive into a hard link to another one again, as it was when backed up.
 * Both must exist as this restore created them, with the same size, time, mode and owner; otherwise nothing is done.
 */
export function joinHardLink(tree: TargetTree, name: string, of: string, before?: Before): void {
  try {
    const path = tree.existing(name);
    const other = tree.existing(of);
    const [mine, theirs] = [lookAtPath(path), lookAtPath(other)];
    if (mine?.isFile() !== true || theirs?.isFile() !== true || mine.ino === theirs.ino) return;
    if (String(mine.ino) === before?.name || String(theirs.ino) === before?.of) return;
    if (mine.size !== theirs.size || mine.mtimeNs !== theirs.mtimeNs) return;
    if (mine.mode !== theirs.mode || mine.uid !== theirs.uid || mine.gid !== theirs.gid) return;
    const part = tree.partBeside(path);
    linkSync(other, part);
    try {
      renameSync(part, path);
    } catch (error) {
      unlinkSync(part);
      throw error;
    }
  } catch (error) {
    // Two separate files with the same content are no loss.
    if (
      !isAbsent(error) &&
      !(error instanceof RestoreProblem) &&
      !hasCode(error, ['EXDEV', 'EMLINK', 'EPERM', 'ENOSYS'])
    )
      throw error;
  }
}

function isAbsent(error: unknown): boolean {
  return hasCode(error, ['ENOENT', 'ENOTDIR', 'ELOOP']);
}

function hasCode(error: unknown, codes: readonly string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException).code ?? '');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'error';
}
