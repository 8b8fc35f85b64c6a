import {
  type BigIntStats,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
} from 'node:fs';
import { english } from '../../messages/sentence.js';

/** Why one entry cannot be restored; the message is part of a sentence. */
export class RestoreProblem extends Error {}

/**
 * Mode of a new folder until the restore ends and sets the final one: its contents may be private. A folder above a
 * source, which no member describes, keeps this mode.
 */
export const privateMode = 0o700;

/** An open folder of the target. */
export interface OpenFolder {
  readonly fd: number;
  /** True when this process created it, so that nothing in it can have existed before. */
  readonly made: boolean;
  /** How many files of a batch are yet to be written into it: it stays open for them. */
  awaited: number;
}

const notAFolder = english`a file or symbolic link of the target is in place of a folder above it, and is
  never followed`;

/** Opens an existing folder, and never what a symbolic link leads to; -1 on Windows, where none is opened. */
export function openFolder(path: Buffer): number {
  if (process.platform === 'win32') {
    if (!lstatSync(path).isDirectory()) throw new RestoreProblem(notAFolder);
    return -1;
  }
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ELOOP' || code === 'ENOTDIR') throw new RestoreProblem(notAFolder);
    throw error;
  }
}

/** Somebody who can write above the target could have replaced it by a link meanwhile. */
export function requireTruePath(fd: number, target: string): void {
  if (process.platform !== 'linux' || readlinkSync(`/proc/self/fd/${fd}`) === target) return;
  throw Object.assign(new Error(`ELOOP: a symbolic link leads elsewhere, open '${target}'`), {
    ...{ code: 'ELOOP', path: target },
  });
}

/** Makes a folder for this user alone; false when the name is taken. */
export function makeFolder(path: Buffer): boolean {
  try {
    mkdirSync(path, privateMode);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Errors are ignored: a read-only descriptor has nothing to lose, and one failure must not keep others open. */
export function closeFd(fd: number): void {
  try {
    if (fd >= 0) closeSync(fd);
  } catch {
    // The descriptor is released anyway.
  }
}

/** What is at a path, without following a symbolic link; undefined when nothing is. */
export function lookAtPath(path: Buffer): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}
