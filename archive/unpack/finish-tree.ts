import { closeSync, constants, linkSync, openSync, readlinkSync, renameSync, unlinkSync } from 'node:fs';
import type { MetadataKind } from '../../entry/metadata-kind.js';
import type { PackedMember } from '../../entry/member.js';
import { english } from '../../messages/sentence.js';
import type { MemberMetadata, MetadataSetter } from './put-metadata.js';
import type { TargetTree } from './target-tree.js';
import { lookAtPath, RestoreProblem } from './open-folder.js';

/** What a restored folder gets at the end. */
export type FolderMember = Pick<PackedMember, 'name'> & MemberMetadata;

/** What became of a folder at the end: why it could not be finished, or what it lacks. */
export interface FinishedFolder {
  reason?: string;
  unset?: readonly MetadataKind[];
}

/**
 * Sets owner, mode and times of a restored folder; at the end, children before parents, since every file created in a
 * folder changes its time. A folder that does not exist has nothing wrong with it.
 */
export function finishFolder(
  tree: TargetTree,
  member: FolderMember,
  metadata: MetadataSetter,
): FinishedFolder {
  let fd: number;
  try {
    fd = openSync(
      tree.existing(member.name),
      constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0),
    );
  } catch (error) {
    return isAbsent(error) ? {} : { reason: english`cannot be finished: ${messageOf(error)}` };
  }
  try {
    tree.requireNotOurs(tree.existing(member.name), fd);
    return { unset: metadata.onOpen(fd, member) };
  } catch (error) {
    return { reason: english`its mode, owner or times could not be set: ${messageOf(error)}` };
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
 * Turns a file that was restored from its own archive into a hard link to another one again, as it was when backed up;
 * also a symbolic link, FIFO or device, which archives do not hold as hard links.
 * Both must exist as this restore created them, with the same size, time, mode and owner; otherwise nothing is done.
 * False where the target has no such links, or no more of them: the content is there twice.
 */
export function joinHardLink(tree: TargetTree, name: string, of: string, before?: Before): boolean {
  try {
    const path = tree.existing(name);
    const other = tree.existing(of);
    const [mine, theirs] = [lookAtPath(path), lookAtPath(other)];
    if (mine === undefined || theirs === undefined || mine.ino === theirs.ino) return true;
    if (mine.isDirectory() || mine.mode !== theirs.mode || mine.rdev !== theirs.rdev) return true;
    if (mine.isSymbolicLink() && !isSameSymlink(path, other)) return true;
    if (String(mine.ino) === before?.name || String(theirs.ino) === before?.of) return true;
    if (mine.size !== theirs.size || mine.mtimeNs !== theirs.mtimeNs) return true;
    if (mine.uid !== theirs.uid || mine.gid !== theirs.gid) return true;
    tree.clearBeside(name);
    const part = tree.partBeside(path);
    linkSync(other, part);
    try {
      renameSync(part, path);
    } catch (error) {
      unlinkSync(part);
      throw error;
    }
    return true;
  } catch (error) {
    if (lacksLinks(error)) return false;
    if (!isAbsent(error) && !(error instanceof RestoreProblem)) throw error;
    return true;
  }
}

/** True when a hard link was refused by a file system without them, or without more of them. */
export function lacksLinks(error: unknown): boolean {
  // Node's name for Linux's EOPNOTSUPP is ENOTSUP.
  return hasCode(error, ['EXDEV', 'EMLINK', 'EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);
}

/** Elsewhere than on Linux a link may be made to what a symbolic link leads to. */
function isSameSymlink(path: Buffer, other: Buffer): boolean {
  return process.platform === 'linux' && readlinkSync(path, 'buffer').equals(readlinkSync(other, 'buffer'));
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
