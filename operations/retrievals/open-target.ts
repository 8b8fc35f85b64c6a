import { accessSync, constants, mkdirSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { describeError, systemErrorCode, usageFailure } from '../../config/failures.js';
import type { Settings } from '../../config/settings/settings.js';
import { ownFolderAround } from '../../disk/own-folders.js';
import { english } from '../../messages/sentence.js';

/**
 * The resolved path of a folder of this machine to restore into; throws a usage failure when it cannot be used. It is
 * made if it is missing, except for a dry run, which may name one that does not exist.
 */
export function openTargetFolder(settings: Settings, asked: string, isDry = false): string {
  const own = ownFolderAround(settings, asked);
  if (own !== undefined)
    throw usageFailure(
      'TargetIsOurs',
      english`The target ${asked} lies in ${own.path}, which is ${own.what} of tapeflow.`,
      english`Nothing was restored; give another folder.`,
    );
  try {
    if (isDry && statSync(asked, { throwIfNoEntry: false }) === undefined) return asked;
    makeFolders(asked);
    const target = realpathSync(asked);
    if (!statSync(target).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
    accessSync(target, constants.W_OK | constants.X_OK);
    return target;
  } catch (error) {
    const code = systemErrorCode(error);
    const why =
      code === 'EEXIST' || code === 'ENOTDIR'
        ? english`it is not a folder`
        : code === 'ENOENT'
          ? english`it does not exist, and cannot be made there`
          : describeError(error);
    throw usageFailure(
      'WrongTarget',
      english`The target ${asked} cannot be used: ${why}.`,
      english`Nothing was restored.`,
    );
  }
}

/**
 * Creates a folder and its missing parents. One by one: Node's `recursive` never ends where the system accepts no
 * folders but reports them as missing, as in `/proc`.
 */
function makeFolders(folder: string): void {
  const missing: string[] = [];
  for (let at = folder; statSync(at, { throwIfNoEntry: false }) === undefined; at = dirname(at))
    missing.unshift(at);
  for (const made of missing) {
    try {
      mkdirSync(made, 0o700);
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw error;
    }
  }
}
