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
import { RestoreProblem, lookAtPath, type TargetTree } from './target-tree.js';

/** What a restored folder must have at the end. */
export type FolderMember = Pick<PackedMember, 'name' | 'mtimeS' | 'mtimeNs' | 'mode' | 'uid' | 'gid'>;

/**
 * Gives a restored folder its owner, mode and times: at the end, children before their parents, since each file that is
 * made in a folder changes its time. Returns why it could not be done; nothing when the folder is not there.
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

/** Inodes that were at the two places before the restore; undefined where nothing was. */
export interface Before {
  name: string | undefined;
  of: string | undefined;
}

/**
 * Makes a file that was restored from its own archive the same file as another one again, as they were when they were
 * backed up. Both must be there, as this restore has made them, with the same size, time, mode and owner; else nothing
 * is done.
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
    // Two files with the same content are no loss.
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
