import { access, constants, stat } from 'node:fs/promises';
import { TapeflowFailure, describeError, systemErrorCode } from '../../config/failures.js';
import { ownFolderAround } from '../../disk/own-folders.js';
import type { Settings } from '../../config/settings.js';
import { sided } from '../../config/sides.js';
import { hasGrown, holds, roomAt, type Room } from '../../disk/room.js';

/** What time or a person mends while a restore waits: there is no room, or the disk takes no writes. */
const waitedFor = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);
/**
 * The target is not there, or no folder: it was taken away, somebody put a link in its place, or it is on another
 * machine.
 */
const gone = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/** Throws when the folder that is restored into is not there on this machine, or is ours. */
export async function requireTarget(settings: Settings, target: string): Promise<void> {
  try {
    const isFolder = (await stat(target)).isDirectory();
    const own = isFolder ? ownFolderAround(settings, target) : undefined;
    if (own !== undefined) throw unusable(target, `it lies in ${own.path}, which is ${own.what} of tapeflow`);
    if (isFolder) return;
  } catch (error) {
    if (error instanceof TapeflowFailure) throw error;
    throw await targetFailure(target, sided('target', error));
  }
  throw unusable(target, 'it is no folder');
}

/** Why a target took no more, and what its file system had left then. */
export interface TargetLack {
  code: string;
  room: Room;
}

async function lackAt(target: string, code: string): Promise<TargetLack | undefined> {
  try {
    return { code, room: await roomAt(target) };
  } catch {
    // It went away meanwhile: the next try says so.
    return undefined;
  }
}

/**
 * Whether it is worth trying again: the target takes writes, and has room for all that is to come, of bytes and of
 * files, or more than it had: a part of it may be there already. A quota cannot be asked, and nothing of a target that
 * is gone.
 */
export async function mayTakeMore(
  target: string,
  lack: TargetLack,
  need: { bytes: number; inodes: number },
): Promise<boolean> {
  try {
    await access(target, constants.W_OK);
    if (lack.code !== 'ENOSPC') return true;
    const room = await roomAt(target);
    return holds(room, need) || hasGrown(room, lack.room);
  } catch (error) {
    return systemErrorCode(error) !== 'EROFS';
  }
}

/**
 * What an error of the target means. Nothing of it is said of a tape: with `TargetNotReady` the restore waits, with
 * `TargetUnusable` it ends, and `TargetFailed` is tried again a few times before it does.
 */
export async function targetFailure(target: string, error: unknown): Promise<TapeflowFailure> {
  const code = systemErrorCode(error) ?? '';
  if (waitedFor.has(code)) {
    return new TapeflowFailure(
      'TargetNotReady',
      `The target ${target} takes no more: ${describeError(error)}.`,
      {
        kind: 'person',
        advice: 'The restore goes on by itself when there is room.',
        details: { lack: await lackAt(target, code) },
      },
    );
  }
  if (gone.has(code)) return unusable(target, describeError(error));
  return new TapeflowFailure('TargetFailed', `The target ${target} fails: ${describeError(error)}.`, {
    kind: 'transient',
    advice: goesOn,
    cause: error,
  });
}

const goesOn = 'When it is mended, the same command goes on: what is there already stays.';

function unusable(target: string, why: string): TapeflowFailure {
  return new TapeflowFailure(
    'TargetUnusable',
    `The target ${target} cannot be used on the machine of the drive: ${why}.`,
    { advice: goesOn },
  );
}
