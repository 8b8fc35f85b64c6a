import { lstat } from 'node:fs/promises';
import { describeError, systemErrorCode, usageFailure } from '../config/failures.js';
import { ownFolderAround } from '../disk/own-folders.js';
import type { Settings } from '../config/settings/settings.js';
import type { ExcludeRule } from '../entry/excludes.js';
import type { TakenOptions } from '../entry/tally.js';
import { english } from '../messages/sentence.js';
import { isPseudo } from './folder-on-disk.js';
import { requireNotWhole } from './taken/whole-source.js';

/**
 * Throws when a source is missing, unreadable, inside one of tapeflow's own folders or a folder of a pseudo file
 * system, and when an exclude takes all of a source: such a set would complete with nothing in it. A list of paths is
 * looked at where it is read.
 *
 * @param onLook called before each source is looked at, which may never answer.
 */
export async function requireSources(
  settings: Settings,
  sources: readonly string[],
  excludes: readonly ExcludeRule[],
  onLook: (source: string) => void = () => undefined,
  taken: TakenOptions = {},
): Promise<void> {
  for (const source of sources) {
    if (source === taken.list?.file) continue;
    onLook(source);
    const isFolder = await isFolderThere(source);
    requireNotOurs(settings, source);
    if (isFolder) requireNotPseudo(source);
    requireNotWhole(source, isFolder, excludes, taken);
  }
}

function requireNotOurs(settings: Settings, source: string): void {
  const own = ownFolderAround(settings, source);
  if (own === undefined) return;
  throw usageFailure(
    'SourceIsOurs',
    english`The source ${source} lies in ${own.path}, which is ${own.what} of tapeflow.`,
    english`Give other sources, or move that folder with the settings. A
      folder above it can be a source: what is ours is left out.`,
  );
}

/** Such folders are left out wherever they are: some of their files never end, and some wait for ever. */
function requireNotPseudo(source: string): void {
  if (!isPseudo(Buffer.from(source))) return;
  throw usageFailure(
    'SourceIsPseudo',
    english`The source ${source} lies in a pseudo file system, whose folders are never taken.`,
    english`Nothing was started; give the files in it that are wanted one by one.`,
  );
}

async function isFolderThere(source: string): Promise<boolean> {
  try {
    return (await lstat(source)).isDirectory();
  } catch (error) {
    throw usageFailure(
      'NoSuchSource',
      systemErrorCode(error) === 'ENOENT'
        ? english`The source ${source} does not exist.`
        : english`The source ${source} cannot be read: ${describeError(error)}.`,
      english`Nothing was started.`,
    );
  }
}
