import { accessSync, constants, mkdirSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { describeError, systemErrorCode, usageFailure } from '../../../config/failures.js';
import type { Settings } from '../../../config/settings/settings.js';
import { ownFolderAround } from '../../../disk/own-folders.js';
import { userPath } from '../../session.js';

/** Where a restore goes, as asked. */
export interface TargetFlags {
  target?: string;
  toOriginal?: true;
  stripComponents?: string;
  yes?: true;
  dryRun?: true;
}

/** Refuses a wrong combination of the options that say where to. */
export function requireTargetFlags(flags: TargetFlags, mayAsk: boolean): void {
  if ((flags.target === undefined) === (flags.toOriginal === undefined))
    throw usageFailure(
      'WrongTarget',
      'A restore needs --target or --to-original, and takes only one of them.',
      'Nothing was restored.',
    );
  if (flags.toOriginal === undefined) return;
  if (process.platform === 'win32')
    throw usageFailure(
      'NoOriginal',
      '--to-original is not available on Windows.',
      'Restore with --target, and move the files.',
    );
  if (flags.stripComponents !== undefined)
    throw usageFailure('WrongStrip', '--to-original takes no --strip-components.', 'Nothing was restored.');
  if (flags.yes === undefined && flags.dryRun === undefined && !mayAsk)
    throw usageFailure(
      'NotConfirmed',
      '--to-original writes where the files came from and asks first, but this is no terminal.',
      'Nothing was restored; add --yes to do it, or --dry-run to see what it would do.',
    );
}

/**
 * The resolved path of the target; throws a usage failure when it cannot be used. It is made if it is missing, except
 * for a dry run, which may name one that does not exist.
 */
export function openTarget(settings: Settings, flags: TargetFlags): string {
  // Members are named by their whole path: below the root is where they came from.
  if (flags.toOriginal === true) return '/';
  const asked = userPath(flags.target ?? '');
  const own = ownFolderAround(settings, asked);
  if (own !== undefined)
    throw usageFailure(
      'TargetIsOurs',
      `The target ${asked} lies in ${own.path}, which is ${own.what} of tapeflow.`,
      'Nothing was restored; give another folder.',
    );
  try {
    if (flags.dryRun === true && statSync(asked, { throwIfNoEntry: false }) === undefined) return asked;
    makeFolders(asked);
    const target = realpathSync(asked);
    if (!statSync(target).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
    accessSync(target, constants.W_OK | constants.X_OK);
    return target;
  } catch (error) {
    const code = systemErrorCode(error);
    const why =
      code === 'EEXIST' || code === 'ENOTDIR'
        ? 'it is not a folder'
        : code === 'ENOENT'
          ? 'it does not exist, and cannot be made there'
          : describeError(error);
    throw usageFailure('WrongTarget', `The target ${asked} cannot be used: ${why}.`, 'Nothing was restored.');
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
