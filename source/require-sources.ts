import { lstat } from 'node:fs/promises';
import { fromText } from '../entry/byte-string.js';
import { memberNameOf } from '../entry/member-name.js';
import { describeError, systemErrorCode, usageFailure } from '../config/failures.js';
import { ownFolderAround } from '../disk/own-folders.js';
import type { Settings } from '../config/settings/settings.js';
import { globFilter } from '../entry/globs.js';

/**
 * Throws when a source is missing, unreadable or inside one of tapeflow's own folders, and when the excludes match all
 * sources: such a set would complete with nothing in it.
 *
 * @param onLook called before each source is looked at, which may never answer.
 */
export async function requireSources(
  settings: Settings,
  sources: readonly string[],
  excludes: readonly string[],
  onLook: (source: string) => void = () => undefined,
): Promise<void> {
  const excluded = globFilter(excludes);
  let left = 0;
  for (const source of sources) {
    const name = memberNameOf(fromText(source), process.platform);
    onLook(source);
    const isFolder = await isFolderThere(source);
    requireNotOurs(settings, source);
    // The file system root is walked regardless of the excludes.
    if (name === '' || name === '/' || !excluded(isFolder ? `${name}/` : name)) left += 1;
  }
  if (left > 0) return;
  throw usageFailure(
    'AllExcluded',
    `The excludes take all of the sources: ${excludes.join(' ')}.`,
    'Nothing was started; leave one of them out.',
  );
}

function requireNotOurs(settings: Settings, source: string): void {
  const own = ownFolderAround(settings, source);
  if (own === undefined) return;
  throw usageFailure(
    'SourceIsOurs',
    `The source ${source} lies in ${own.path}, which is ${own.what} of tapeflow.`,
    'Give other sources, or move that folder with the settings. A ' +
      'folder above it can be a source: what is ours is left out.',
  );
}

async function isFolderThere(source: string): Promise<boolean> {
  try {
    return (await lstat(source)).isDirectory();
  } catch (error) {
    throw usageFailure(
      'NoSuchSource',
      systemErrorCode(error) === 'ENOENT'
        ? `The source ${source} does not exist.`
        : `The source ${source} cannot be read: ${describeError(error)}.`,
      'Nothing was started.',
    );
  }
}
