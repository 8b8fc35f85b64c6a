import { stat } from 'node:fs/promises';
import { TapeflowFailure, describeError, systemErrorCode } from '../config/failures.js';
import { ownFolderAround } from '../config/own-folders.js';
import type { Settings } from '../config/settings.js';
import { sided } from '../config/sides.js';

/** What time or a person mends while a restore waits: there is no room, or the disk takes no writes. */
const waitedFor = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);
/** The target is not there, or no folder: it was taken away, somebody put a link in its place, or it is on another machine. */
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
    throw targetFailure(target, sided('target', error));
  }
  throw unusable(target, 'it is no folder');
}

/**
 * What an error of the target means. Nothing of it is said of a tape: with `TargetNotReady` the restore waits, with
 * `TargetUnusable` it ends, and `TargetFailed` is tried again a few times before it does.
 */
export function targetFailure(target: string, error: unknown): TapeflowFailure {
  const code = systemErrorCode(error) ?? '';
  if (waitedFor.has(code)) {
    return new TapeflowFailure(
      'TargetNotReady',
      `The target ${target} takes no more: ${describeError(error)}.`,
      { kind: 'person', advice: 'The restore goes on by itself when there is room.' },
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
